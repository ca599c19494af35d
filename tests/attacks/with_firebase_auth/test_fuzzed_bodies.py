"""Thousands of bodies to the operations of each family that has any: whatever comes, no answer is a 5xx.

A family is an entity with operations that read a body. The functions run in this process, on the Firestore, Auth and
storage emulators; the language model always says the same, and nothing serves the queue, whose outage fails no request.
The same bodies come at every run: hypothesis draws them from SEED. FUZZED_BODIES sets how many for each family.
"""

import importlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from flask import Request
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from accounts.users import User
from config import platform
from gcp import clients
from gcp.settings import settings as product_settings
from gcp.wire import NoBody
from routes import ROUTES, Access, Route, siblings
from tests.attacks.fuzzed_bodies import FuzzedBody, fuzzed_bodies
from tests.attacks.obedient_model import ObedientModel
from tests.attacks.with_firebase_auth.conftest import FirebaseAuth
from tests.functions.things import SCRIPT_ID, UNREACHABLE_QUEUE, write_background, write_character, write_script

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = pytest.mark.attacks

SEED = 20_231_101
BODIES_PER_FAMILY = int(os.environ.get("FUZZED_BODIES", "1000"))


def body_of(route: Route) -> type[Any]:
    model: type[Any] = getattr(importlib.import_module(route.module), route.function).body
    return model


FAMILIES: dict[str, list[Route]] = {}
for each in ROUTES:
    if body_of(each) is not NoBody:
        FAMILIES.setdefault(each.entity, []).append(each)


@pytest.fixture
def model(product: pytest.MonkeyPatch) -> Iterator[ObedientModel]:
    server = ObedientModel()
    product.setenv("OPENAI_API_KEY", "local-development-writer")
    yield server
    server.close()


@pytest.fixture
def token(
    *,
    product: pytest.MonkeyPatch,
    db: "Client",
    auth: FirebaseAuth,
    bucket: "Bucket",
    model: ObedientModel,
    make_user: Callable[..., User],
) -> Iterator[str]:
    """ann's token, in a world where every operation can do its work, and no limit ends that early."""
    model.says = json.dumps({"dialogue": [{"speaker": each, "text": "Tea."} for each in ("tom", "eva") * 2]})
    auth.sign_up("old@example.com", "securepassword123")
    for name, value in ({"MEDIA_BUCKET": bucket.name, "OPENAI_BASE_URL": model.url} | UNREACHABLE_QUEUE).items():
        product.setenv(name, value)
    cached = (product_settings, clients.media_bucket, clients.tasks, clients.openai)
    for each in cached:
        each.cache_clear()
    make_user("ann")
    for character_id in ("tom", "eva"):
        write_character(db, character_id)
    write_script(db)
    write_background(db)
    # Each form with files starts a process: some are decoded, and the rest is refused after it was parsed.
    limits = {"uploadsPerHour": 12, "scriptsPerHour": 10_000, "feedbackPerHour": 1_000, "signInAttempts": 1_000}
    db.document("config", "effective").set(limits)
    platform._cache.clear()
    yield issue_session("ann", product_settings().jwt_secrets, now=datetime.now(UTC))
    for each in cached[1:]:
        each.cache_clear()


def answered_status(route: Route, body: FuzzedBody, token: str) -> int:
    """The status of the operation at the function to which Hosting rewrites its path."""
    headers = Headers(body.headers)
    if route.access is not Access.ANYONE:
        headers["Authorization"] = f"Bearer {token}"
    path = route.path.format(characterId="tom", scriptId=SCRIPT_ID)
    builder = EnvironBuilder(
        path=path, method=route.method, headers=headers, data=body.content, content_type=body.content_type
    )
    with Request(builder.get_environ()) as request:
        first = siblings(route)[0]
        status: int = getattr(importlib.import_module(first.module), first.function)(request).status_code
    return status


def forget_video(db: "Client") -> None:
    """The script has no job, and nothing is held, so that the next start is looked at as closely."""
    batch = db.batch()
    for collection in ("videoJobs", "videoJobSnapshots", "holds"):
        for found in db.collection(collection).list_documents():
            batch.delete(found)
    batch.update(db.document("scripts", SCRIPT_ID), {"videoJobId": None})
    batch.update(db.document("users", "ann"), {"held": 0})
    batch.commit()


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_body_is_answered_with_a_server_error(
    db: "Client", token: str, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: Counter[tuple[str, int]] = Counter()
    requests = st.one_of([st.tuples(st.just(route), fuzzed_bodies(body_of(route))) for route in FAMILIES[family]])

    @seed(SEED)
    @settings(
        max_examples=BODIES_PER_FAMILY,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests)
    def attack(request: tuple[Route, FuzzedBody]) -> None:
        route, body = request
        status = answered_status(route, body, token)
        answers[route.function, status] += 1
        if route.function == "generate_video" and status == 200:
            forget_video(db)
        assert status < 500

    attack()

    with capsys.disabled():
        found = ", ".join(f"{count} x {function} {status}" for (function, status), count in sorted(answers.items()))
        print(f"\n{family}: {answers.total()} bodies, seed {SEED}: {found}")  # noqa: T201 (the size of the proof)
    assert answers.total() >= BODIES_PER_FAMILY
    # Every operation was reached, and let some of them through.
    assert {function for function, status in answers if status == 200} == {each.function for each in FAMILIES[family]}
