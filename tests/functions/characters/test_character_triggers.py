"""What the users' logs tell of characters and stars, from events as Eventarc delivers them."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from characters.stars import set_star
from characters.triggers import on_character_written, on_stars_written
from tests.functions.characters.conftest import NOW, WriteCharacter

if TYPE_CHECKING:
    from google.cloud.firestore import Client

Deliver = Callable[..., None]
Fields = dict[str, Any]
LATER = NOW + timedelta(microseconds=1)
# When tests/functions/conftest.py says that an event happened.
EVENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.fixture
def fields(db: "Client", write_character: WriteCharacter) -> Fields:
    """The fields of ann's character `known`, which is stored."""
    write_character("known")
    return db.document("characters", "known").get().to_dict() or {}


def log(db: "Client", user_id: str) -> list[tuple[str, str, datetime, str | None]]:
    found = [each.to_dict() or {} for each in db.collection("users", user_id, "activities").stream()]
    entries = [(each["type"], each["message"], each["timestamp"], each["characterId"]) for each in found]
    return sorted(entries, key=lambda entry: (entry[2], entry[0]))


def test_a_character_is_in_its_owners_log_from_beginning_to_end(
    db: "Client", fields: Fields, deliver_written: Deliver
) -> None:
    renamed = fields | {"displayName": "Eva", "updatedAt": LATER}

    for before, after in ((None, fields), (fields, renamed), (renamed, None)):
        deliver_written(on_character_written, "characters/known", before=before, after=after)

    assert log(db, "ann") == [
        ("character_created", "Character 'Ada' created", NOW, "known"),
        ("character_updated", "Character 'Eva' updated", LATER, "known"),
        ("character_deleted", "Character 'Eva' deleted", EVENT, "known"),
    ]


def test_events_that_come_twice_and_in_any_order_add_nothing(
    db: "Client", fields: Fields, deliver_written: Deliver
) -> None:
    second = fields | {"speed": 2.0, "updatedAt": LATER}
    third = second | {"speed": 1.0, "updatedAt": LATER + timedelta(microseconds=1)}
    events = [(third, None), (second, third), (None, fields), (fields, second)]

    for number, (before, after) in enumerate(events * 2):
        deliver_written(on_character_written, "characters/known", before=before, after=after, event_id=f"e{number}")

    types = [entry[0] for entry in log(db, "ann")]
    assert types == ["character_created", "character_updated", "character_updated", "character_deleted"]


@pytest.mark.parametrize(
    "changes",
    [{"starred": 1}, {"recording.refText": "Hello."}, {"hidden": True}, {"displayName": None}],
    ids=["a star", "a transcript", "hidden by an admin", "spoilt by an admin"],
)
def test_what_its_owner_did_not_do_is_no_update(
    db: "Client", fields: Fields, deliver_written: Deliver, changes: Fields
) -> None:
    deliver_written(on_character_written, "characters/known", before=fields, after=fields | changes)

    assert log(db, "ann") == []


def test_the_event_of_a_character_that_an_admin_damaged_is_over_with_a_line_in_the_log(
    fields: Fields, deliver_written: Deliver, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = fields | {"displayName": 5, "updatedAt": LATER}

    deliver_written(on_character_written, "characters/known", before=fields, after=damaged)

    assert '"document": "characters/known", "fields": ["displayName"]' in capsys.readouterr().out


def test_stars_are_in_the_log_of_who_gave_them(
    db: "Client", fields: Fields, deliver_written: Deliver, make_user: Callable[..., User]
) -> None:
    assert fields
    make_user("eve")
    documents: list[Fields | None] = [None]
    for number in range(4):
        set_star(db, "eve", "known", is_starred=number % 2 == 0, now=NOW + timedelta(seconds=number))
        documents.append(db.document("stars", "eve").get().to_dict())
    events = list(itertools.pairwise(documents))

    for before, after in [*events, *reversed(events)]:
        deliver_written(on_stars_written, "stars/eve", before=before, after=after)

    assert log(db, "eve") == [
        ("character_starred", "Character 'Ada' starred", NOW, "known"),
        ("character_unstarred", "Character 'Ada' unstarred", NOW + timedelta(seconds=1), "known"),
        ("character_starred", "Character 'Ada' starred", NOW + timedelta(seconds=2), "known"),
        ("character_unstarred", "Character 'Ada' unstarred", NOW + timedelta(seconds=3), "known"),
    ]
    assert log(db, "ann") == []


def test_only_the_star_that_changed_is_told(db: "Client", fields: Fields, deliver_written: Deliver) -> None:
    assert fields
    before = {"characters": {"older": NOW}, "updatedAt": NOW}
    after = {"characters": {"older": NOW, "known": LATER}, "updatedAt": LATER}

    deliver_written(on_stars_written, "stars/eve", before=before, after=after)

    assert log(db, "eve") == [("character_starred", "Character 'Ada' starred", LATER, "known")]


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden", "deleted"])
def test_a_late_event_names_no_character_that_is_not_seen_any_more(
    db: "Client", fields: Fields, deliver_written: Deliver, *, hidden: bool
) -> None:
    assert fields
    reference = db.document("characters", "known")
    if hidden:
        reference.update({"hidden": True})
    else:
        reference.delete()

    deliver_written(on_stars_written, "stars/eve", before=None, after={"characters": {"known": NOW}})

    assert log(db, "eve") == [("character_starred", "Character starred", NOW, "known")]


@pytest.mark.parametrize(
    ("character_id", "after"),
    [("gone", {"characters": {}}), ("known", None)],
    ids=["the character is gone", "the account is deleted"],
)
def test_stars_that_go_by_themselves_are_not_told(
    db: "Client", fields: Fields, deliver_written: Deliver, character_id: str, after: Fields | None
) -> None:
    assert fields

    deliver_written(on_stars_written, "stars/eve", before={"characters": {character_id: NOW}}, after=after)

    assert log(db, "eve") == []
