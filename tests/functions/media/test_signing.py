"""Signed paths: who was given one may use it, for a day or two, and nobody can make one."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest

from media.signing import is_signed, signed_path

OLD, NEW = "o" * 40, "n" * 40
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORDING = f"recordings/ann/{'a' * 32}.wav"


def parts(signed: str) -> tuple[str, dict[str, str]]:
    path, _, query = signed.partition("?")
    return path, dict(parse_qsl(query))


PATH, QUERY = parts(signed_path(RECORDING, [NEW], NOON))


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("path", "query", "secrets", "hours", "is_good"),
    [
        pytest.param(PATH, QUERY, [NEW], 0, True, id="as given"),
        pytest.param(PATH, QUERY, [NEW], 35.9, True, id="just before its end"),
        pytest.param(PATH, QUERY, [NEW], 36, False, id="at its end"),
        pytest.param(PATH, QUERY, [OLD, NEW], 0, True, id="key rotated"),
        pytest.param(PATH, QUERY, [OLD], 0, False, id="key gone"),
        pytest.param(PATH.replace("a.wav", "b.wav"), QUERY, [NEW], 0, False, id="another object"),
        pytest.param(PATH.replace("ann", "eve"), QUERY, [NEW], 0, False, id="another owner"),
        pytest.param(PATH, QUERY | {"expires": "99999999999"}, [NEW], 0, False, id="longer"),
        pytest.param(
            PATH, QUERY | {"expires": "0" + QUERY["expires"]}, [NEW], 99, False, id="expiry written otherwise"
        ),
        pytest.param(PATH, QUERY | {"expires": "9" * 5000}, [NEW], 0, False, id="endless expiry"),
        pytest.param(PATH, QUERY | {"expires": "-1"}, [NEW], 0, False, id="negative expiry"),
        pytest.param(PATH, QUERY | {"expires": "٣"}, [NEW], 0, False, id="another digit"),
        pytest.param(PATH, {"signature": QUERY["signature"]}, [NEW], 0, False, id="no expiry"),
        pytest.param(PATH, {"expires": QUERY["expires"]}, [NEW], 0, False, id="no signature"),
        pytest.param(PATH, QUERY | {"signature": QUERY["signature"][:-1]}, [NEW], 0, False, id="short signature"),
        pytest.param(PATH, QUERY | {"signature": QUERY["signature"].upper()}, [NEW], 0, False, id="upper case"),
        pytest.param(PATH, QUERY | {"signature": "ä" * 64}, [NEW], 0, False, id="signature that is not ASCII"),
        pytest.param(PATH, {}, [NEW], 0, False, id="nothing"),
    ],
)
def test_only_what_was_signed_is_good(
    path: str, query: dict[str, str], secrets: list[str], hours: float, is_good: bool
) -> None:
    assert is_signed(path, query, secrets, NOON + timedelta(hours=hours)) is is_good


@pytest.mark.parametrize(
    ("now", "lifetime"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=24)),
        (datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), timedelta(hours=48) - timedelta(seconds=1)),
        (datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC), timedelta(hours=24, seconds=1)),
    ],
)
def test_a_path_lives_for_one_to_two_days_and_ends_at_midnight(now: datetime, lifetime: timedelta) -> None:
    _, query = parts(signed_path(RECORDING, [NEW], now))

    assert int(query["expires"]) == (now + lifetime).timestamp()


def test_a_path_stays_the_same_all_day() -> None:
    morning, evening = datetime(2026, 1, 1, 0, 1, tzinfo=UTC), datetime(2026, 1, 1, 23, 59, tzinfo=UTC)

    assert signed_path(RECORDING, [NEW], morning) == signed_path(RECORDING, [NEW], evening)


def test_an_object_without_a_path_cannot_be_signed() -> None:
    with pytest.raises(ValueError, match="no API path"):
        signed_path("backgrounds/sea.mp4", [NEW], NOON)
