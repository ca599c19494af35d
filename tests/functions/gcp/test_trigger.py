"""What handlers are told of events."""

from datetime import UTC, datetime

import pytest

from gcp.trigger import commit_moment

SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        pytest.param(SECOND.replace(microsecond=1), SECOND.replace(microsecond=1), id="exact"),
        pytest.param(SECOND, SECOND.replace(microsecond=999_999), id="a whole second, as the emulator tells it"),
    ],
)
def test_no_write_is_taken_for_older_than_what_came_before_it_in_its_second(told: datetime, moment: datetime) -> None:
    assert commit_moment(told) == moment
