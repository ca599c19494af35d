"""The bare function asks Firestore for what the operations ask, or nothing is measured."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from google.cloud.firestore import FieldFilter, Query

from bench.warm.documents import fill
from bench.warm.operations import READ_OPERATIONS, Trace, ask_of, recorded, require_same, trace_operation
from gcp import clients
from gcp.settings import settings
from routes import Route
from tests.functions.conftest import product

if TYPE_CHECKING:
    from google.cloud.firestore import Client

__all__ = ["product"]
# What they answer with comes from the bucket, or from other services too.
WITHOUT_DOCUMENTS = {"get_picture", "get_recording", "get_video", "get_health"}
LIMIT = 3


@pytest.mark.parametrize(
    "route",
    [each for each in READ_OPERATIONS if each.function not in WITHOUT_DOCUMENTS],
    ids=lambda each: each.function,
)
def test_bare_reads_ask_for_what_the_operation_asks(product: pytest.MonkeyPatch, route: Route) -> None:
    assert product
    db, key = clients.firestore(), settings().jwt_secrets[0]
    fill(db, LIMIT + 2, key)

    trace = trace_operation(db, route, ask_of(route, LIMIT, key))

    assert (trace.reads > 0, trace.writes) == (True, 0)
    require_same(db, route, trace)


def test_a_query_that_bare_code_does_not_send_the_same_way_is_refused(product: pytest.MonkeyPatch) -> None:
    assert product
    db: Client = clients.firestore()
    with recorded(db) as found:
        before = FieldFilter("at", "<=", datetime.now(UTC))
        list(db.collection("a").where(filter=before).order_by("at", direction=Query.DESCENDING).offset(1).stream())
    trace = Trace(tuple(found.asked), found.reads, found.writes)

    with pytest.raises(SystemExit, match="reads otherwise than bare"):
        require_same(db, READ_OPERATIONS[0], trace)
