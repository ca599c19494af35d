"""Every operation through port 8000 under requests made from the API document, as a signed-in user."""

from collections.abc import Callable
from typing import Any

import pytest
from schemathesis import Case

from local.cloud import LocalCloud
from tests.end_to_end.client import App, Cast
from tests.fuzzing import API, CHECKS, aim, bounded

LINES = ((0, "Did my radio arrive?"), (1, "It did."))


@pytest.fixture(scope="module")
def cast(new_cast: Callable[[], Cast]) -> Cast:
    return new_cast()


@pytest.fixture(scope="module")
def resources(cast: Cast, background: str) -> dict[str, str]:
    """The user's characters, script and finished job, by the names that paths have for them."""
    first, second = cast.speakers
    script_id = cast.write_script(LINES)
    job_id = cast.app.start_video(script_id, background)
    cast.app.wait_for_job(job_id, seconds=120)
    return {
        "characterId": first,
        "otherCharacterId": second,
        "scriptId": script_id,
        "jobId": job_id,
        "ownerId": cast.user_id,
    }


@pytest.fixture(scope="module")
def leaver(cloud: LocalCloud) -> App:
    """A user whose account is deleted on the way."""
    app = App(cloud.base_url)
    app.sign_up()
    return app


@API.parametrize()
@bounded(3)
def test_an_operation_answers_as_documented_whatever_it_is_sent(
    case: Case[Any], cloud: LocalCloud, cast: Cast, leaver: App, resources: dict[str, str]
) -> None:
    aim(case, resources)
    app = leaver if case.operation.definition.raw["operationId"] == "delete_me" else cast.app

    case.call_and_validate(
        base_url=cloud.base_url,
        headers={"Authorization": app.session.headers["Authorization"]},
        checks=CHECKS,
        timeout=60,
        allow_redirects=False,
    )
