"""Queries are refused that production would refuse for want of an index: the emulator runs every query.

Single fields have their indexes by themselves, in both directions and, for arrays, by element; equalities are merged
from them. What filters by one field and orders by another, or by an array's element and another field, needs a
composite index. https://firebase.google.com/docs/firestore/query-data/index-overview
"""

import json
from typing import Any

import pytest
from google.api_core.exceptions import FailedPrecondition
from google.cloud.firestore_v1.base_query import BaseQuery
from google.cloud.firestore_v1.types import StructuredQuery

from local.addresses import ROOT

Fields = list[tuple[str, str]]

_EQUAL = StructuredQuery.FieldFilter.Operator.EQUAL
_CONTAINS = (
    StructuredQuery.FieldFilter.Operator.ARRAY_CONTAINS,
    StructuredQuery.FieldFilter.Operator.ARRAY_CONTAINS_ANY,
)
_CONFIGURED = json.loads((ROOT / "firestore.indexes.json").read_text())


def require_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a query without its index fails as it does in production."""
    make = BaseQuery._to_protobuf

    def checked(query: BaseQuery) -> StructuredQuery:
        structured = make(query)
        check_index(structured)
        return structured

    monkeypatch.setattr(BaseQuery, "_to_protobuf", checked)


def check_index(query: StructuredQuery) -> None:
    """Raises FailedPrecondition when `firestore.indexes.json` lacks what the query needs."""
    collection = query.from_[0].collection_id
    equal, ranged = _filters(query)
    orders = [(each.field.field_path, each.direction.name) for each in query.order_by]
    name_direction = dict(orders).get("__name__")
    orders = [each for each in orders if each[0] != "__name__"] or [(path, "ASCENDING") for path in ranged]
    fields = equal + orders
    last_direction = orders[-1][1] if orders else "ASCENDING"
    is_ordinary = name_direction in {None, last_direction}
    contains = [path for path, kind in equal if kind == "CONTAINS"]
    needs_none = is_ordinary and (len(fields) <= 1 or (not orders and not contains))
    if needs_none and not any(path in _exempt(collection) for path, _ in fields):
        return
    if is_ordinary and any(_serves(index, equal, orders) for index in _composite(collection)):
        return
    message = f"The query requires an index: {collection} {fields}, __name__ {name_direction}"
    raise FailedPrecondition(message)  # type: ignore[no-untyped-call]  # the package leaves it so


def _filters(query: StructuredQuery) -> tuple[Fields, list[str]]:
    """The fields that are asked for one value, and those that are compared."""
    where = query.where
    each = where.composite_filter.filters or ([where] if where else [])
    equal, ranged = [], []
    for field in (one.field_filter for one in each):
        path = field.field.field_path
        if field.op == _EQUAL:
            equal.append((path, "ASCENDING"))
        elif field.op in _CONTAINS:
            equal.append((path, "CONTAINS"))
        else:
            ranged.append(path)
    return equal, list(dict.fromkeys(ranged))


def _composite(collection: str) -> list[Fields]:
    return [
        [(field["fieldPath"], field.get("order") or field["arrayConfig"]) for field in index["fields"]]
        for index in _CONFIGURED["indexes"]
        if index["collectionGroup"] == collection
    ]


def _exempt(collection: str) -> set[str]:
    overrides: list[dict[str, Any]] = _CONFIGURED["fieldOverrides"]
    return {each["fieldPath"] for each in overrides if each["collectionGroup"] == collection and not each["indexes"]}


def _serves(index: Fields, equal: Fields, orders: Fields) -> bool:
    """Fields that are asked for one value come first, in any order and direction, then the order that is asked for."""
    first, rest = index[: len(equal)], index[len(equal) :]
    asked = {(path, kind == "CONTAINS") for path, kind in equal}
    return {(path, kind == "CONTAINS") for path, kind in first} == asked and rest == orders
