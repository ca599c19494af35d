"""What nobody asked for changes nothing, also where it is no part of a body: queries, headers, bodies of operations
that read none.

Bodies that are read have tests/functions/unknown_fields/test_unknown_fields.py, for every such operation.
"""

import importlib
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from gcp.wire import NoBody
from routes import ROUTES, Access, Route
from tests.attacks.conftest import Ask, MakeUser
from tests.functions.killed import everything
from tests.functions.test_access import MEDIA
from tests.functions.things import JOB_ID, SCRIPT_ID, write_character, write_failed_job, write_script
from tests.functions.unknown_fields.test_unknown_fields import TEMPTING, normalised

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = pytest.mark.attacks

WITHOUT_BODY = [
    route
    for route in ROUTES
    if getattr(importlib.import_module(route.module), route.function).body is NoBody
    and route.function not in MEDIA
    # Asks every service that there is.
    and route.function != "get_health"
]
_MOMENT = re.compile(r'"20[0-9-]{8}T[0-9:.]+Z"')
HEADERS = {f"X-{name}": str(value) for name, value in TEMPTING.items() if name.isalnum()} | {
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Original-URL": "/api/me",
    "X-Rewrite-URL": "/api/me",
    "X-Forwarded-Authorization": "Bearer x",
    "Cookie": "user=eve; tokens=1000000; role=admin",
}


@pytest.mark.parametrize("route", WITHOUT_BODY, ids=lambda route: route.function)
def test_an_operation_that_reads_no_body_does_the_same_whatever_comes_along(
    *, ask: Ask, product: pytest.MonkeyPatch, db: "Client", bucket: "Bucket", make_user: MakeUser, route: Route
) -> None:
    product.setenv("MEDIA_BUCKET", bucket.name)
    path = route.path.format(characterId="tom", scriptId=SCRIPT_ID, jobId=JOB_ID)
    extra = {name: value for name, value in TEMPTING.items() if name != "id"}

    def outcome(path: str, **sent: Any) -> tuple[int, Any, list[str]]:
        make_world(db, make_user)
        user_id = None if route.access is Access.ANYONE else "ann"
        response = ask(route.method, path, user_id=user_id, content_type="application/json", **sent)
        return response.status_code, without_moments(response.get_json()), taken_away(db, bucket)

    plain = outcome(path)
    content = json.dumps(extra | {"_method": "DELETE"}).encode()
    full = outcome(f"{path}?{urlencode(extra)}", content=content, headers=HEADERS)

    assert full == plain


def without_moments(body: Any) -> Any:
    """The body without what differs from one request to the next; moments of an answer are texts."""
    return normalised(json.loads(_MOMENT.sub('"<moment>"', json.dumps(body))))


def make_world(db: "Client", make_user: MakeUser) -> None:
    make_user("ann")
    for character_id in ("tom", "eva"):
        write_character(db, character_id)
    write_script(db, job_id=JOB_ID)
    write_failed_job(db)


def taken_away(db: "Client", bucket: "Bucket") -> list[str]:
    """All documents, which then are gone."""
    documents, _ = everything(db, bucket)
    for collection in db.collections():
        db.recursive_delete(collection)
    return sorted(f"{normalised(name)} {normalised(documents[name])}" for name in documents)
