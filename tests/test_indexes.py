"""Which queries production would refuse, and which not."""

import pytest
from google.api_core.exceptions import FailedPrecondition
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client, FieldFilter, Query

from tests.indexes import check_index

_CLIENT = Client(project="demo-indexes", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]


def query(collection: str, *filters: tuple[str, str, object], order: tuple[str, ...] = ()) -> Query:
    """A field with a minus is ordered from the last to the first."""
    made: Query = _CLIENT.collection(collection)._query()
    for path, operator, value in filters:
        made = made.where(filter=FieldFilter(path, operator, value))
    for path in order:
        made = made.order_by(path.removeprefix("-"), direction="DESCENDING" if path[0] == "-" else "ASCENDING")
    return made


@pytest.mark.parametrize(
    "served",
    [
        query("x", ("a", "==", 1)),
        query("x", ("a", "==", 1), ("b", "==", 2)),
        query("x", ("a", "==", 1), order=("__name__",)),
        query("x", ("a", ">", 1), order=("-a", "-__name__")),
        query("x", ("a", "array_contains_any", [1])),
        query("scripts", ("ownerId", "==", "ann"), order=("-createdAt", "-__name__")),
        query("scripts", ("ownerId", "==", "ann"), ("mediaObjects", "array_contains_any", ["a"])),
    ],
)
def test_a_query_with_its_index_passes(served: Query) -> None:
    check_index(served._to_protobuf())


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(query("x", ("a", "==", 1), order=("b",)), id="another order"),
        pytest.param(query("x", ("a", "==", 1), ("b", ">", 2)), id="a comparison besides"),
        pytest.param(query("x", ("a", "==", 1), order=("-__name__",)), id="names from the last"),
        pytest.param(query("x", order=("a", "-__name__")), id="names against the order"),
        pytest.param(query("x", ("a", "array_contains", 1), ("b", "==", 2)), id="an element besides"),
        pytest.param(query("scripts", ("ownerId", "==", "ann"), order=("createdAt",)), id="the other direction"),
        pytest.param(query("scripts", ("originalPrompt", "==", "Tea")), id="a field without an index"),
    ],
)
def test_a_query_without_its_index_is_refused(refused: Query) -> None:
    with pytest.raises(FailedPrecondition):
        check_index(refused._to_protobuf())
