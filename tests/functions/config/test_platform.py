"""`config/platform` as admins edit it, `config/effective` as functions read it."""

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest

from accounts.triggers import on_user_written
from config import platform
from config.platform import PlatformConfig, effective_config
from config.triggers import on_config_written
from tests.functions.conftest import DeliverWritten, MakeUser

if TYPE_CHECKING:
    from google.cloud.firestore import Client

Fields = dict[str, Any]


class Console:
    """An admin who edits `config/platform`; every write's event is kept."""

    def __init__(self, db: "Client", deliver_written: DeliverWritten) -> None:
        self.db = db
        self._deliver_written = deliver_written

    @property
    def platform(self) -> Fields | None:
        return self.db.document("config", "platform").get().to_dict()

    @property
    def effective(self) -> Fields | None:
        return self.db.document("config", "effective").get().to_dict()

    @property
    def status(self) -> tuple[str, list[str]]:
        status = (self.platform or {})["status"]
        return status["state"], status["problems"]

    def save(self, fields: Fields | None) -> tuple[Fields | None, Fields | None]:
        """The document is these fields, or deleted. What the event tells."""
        before = self.platform
        reference = self.db.document("config", "platform")
        if fields is None:
            reference.delete()
        else:
            reference.set(fields)
        return before, fields

    def deliver(self, event: tuple[Fields | None, Fields | None], document: str = "platform") -> None:
        before, after = event
        self._deliver_written(on_config_written, f"config/{document}", before=before, after=after)

    def edit(self, fields: Fields | None) -> None:
        self.deliver(self.save(fields))


@pytest.fixture
def console(db: "Client", deliver_written: DeliverWritten) -> Console:
    return Console(db, deliver_written)


def in_force(db: "Client") -> PlatformConfig:
    """What a process reads that has read nothing yet."""
    platform._cache.pop(db.project, None)
    return effective_config(db)


def test_nobody_has_configured_anything(db: "Client") -> None:
    assert in_force(db) == PlatformConfig()


def test_a_sound_edit_is_in_force_and_says_so(db: "Client", console: Console) -> None:
    console.edit({"priceTokens": 3, "signUpOpen": False, "writerModel": "gpt-5.1-mini"})

    assert in_force(db) == PlatformConfig(price_tokens=3, sign_up_open=False, writer_model="gpt-5.1-mini")
    assert console.status == ("in_force", [])


WHOLE = "must be a whole number from 1 to 1,000"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"priceTokens": "5"}, f'priceTokens: {WHOLE}, not "5"'),
        ({"priceTokens": 0}, f"priceTokens: {WHOLE}, not 0"),
        ({"priceTokens": 1_001}, f"priceTokens: {WHOLE}, not 1001"),
        ({"priceTokens": 1.0}, f"priceTokens: {WHOLE}, not 1.0"),
        ({"priceTokens": math.nan}, f"priceTokens: {WHOLE}, not NaN"),
        ({"priceTokens": True}, f"priceTokens: {WHOLE}, not true"),
        ({"priceTokens": None}, f"priceTokens: {WHOLE}, not null"),
        ({"initialTokens": -1}, "initialTokens: must be a whole number from 0 to 1,000,000 or null, not -1"),
        ({"signUpOpen": "no"}, 'signUpOpen: must be true or false, not "no"'),
        ({"signUpOpen": 0}, "signUpOpen: must be true or false, not 0"),
        (
            {"writerModel": "gpt 5"},
            'writerModel: must be a name of 1 to 100 letters, digits and . _ : / - or null, not "gpt 5"',
        ),
        ({"pricetokens": 5}, "pricetokens: there is no such setting"),
        ({"price_tokens": 5}, "price_tokens: there is no such setting"),
    ],
    ids=str,
)
def test_a_bad_edit_is_refused_by_name_and_changes_nothing(
    db: "Client", console: Console, fields: Fields, problem: str
) -> None:
    console.edit({"priceTokens": 3, "unfinishedJobs": 5})
    before = console.effective

    console.edit({"priceTokens": 3, "unfinishedJobs": 7} | fields)

    assert console.status == ("refused", [problem])
    assert console.effective == before
    assert in_force(db).unfinished_jobs == 5


def test_every_problem_is_told_at_once(console: Console) -> None:
    console.edit({"priceTokens": 0, "unfinishedJobs": "many", "typo": 1})

    state, problems = console.status
    assert state == "refused"
    assert [each.partition(":")[0] for each in problems] == ["typo", "priceTokens", "unfinishedJobs"]


def test_a_corrected_edit_is_in_force(db: "Client", console: Console) -> None:
    console.edit({"priceTokens": 0})

    console.edit({"priceTokens": 2})

    assert console.status == ("in_force", [])
    assert in_force(db).price_tokens == 2


@pytest.mark.parametrize("fields", [{"priceTokens": 2}, {"priceTokens": 0}], ids=["sound", "bad"])
def test_the_triggers_own_write_leads_to_no_other(console: Console, fields: Fields) -> None:
    console.edit(fields)
    written = console.platform, console.effective

    console.deliver((fields, written[0]))

    assert (console.platform, console.effective) == written


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 2, 2))))
def test_events_in_any_order_and_twice_leave_the_last_edit_in_force(
    db: "Client", console: Console, order: tuple[int, ...]
) -> None:
    edits = [console.save(fields) for fields in ({"priceTokens": 2}, {"priceTokens": 0}, {"priceTokens": 4})]

    for number in order:
        console.deliver(edits[number])

    assert in_force(db).price_tokens == 4
    assert console.status == ("in_force", [])


def test_a_removed_field_has_its_default_again(db: "Client", console: Console) -> None:
    console.edit({"priceTokens": 5, "unfinishedJobs": 3})

    console.edit({"unfinishedJobs": 3})

    assert in_force(db) == PlatformConfig(unfinished_jobs=3)


def test_a_deleted_document_means_the_defaults(db: "Client", console: Console) -> None:
    console.edit({"priceTokens": 5})

    console.edit(None)

    assert in_force(db) == PlatformConfig()
    assert console.platform is None


def test_a_status_that_somebody_edited_is_set_right(console: Console) -> None:
    console.edit({"priceTokens": 0})

    console.edit({"priceTokens": 0, "status": "fine"})

    assert console.status[0] == "refused"


def test_other_documents_of_the_collection_are_passed_over(console: Console) -> None:
    console.save({"priceTokens": 5})

    console.deliver((None, {"priceTokens": 5}), document="effective")

    assert console.effective is None


@pytest.mark.parametrize("damage", [{"priceTokens": "x"}, {"signUpOpen": None}, {"unfinishedJobs": 0}])
def test_damaged_values_are_passed_over_for_the_last_good_ones(
    db: "Client", console: Console, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: Fields
) -> None:
    console.edit({"priceTokens": 5})
    assert in_force(db).price_tokens == 5
    db.document("config", "effective").update(damage)
    monkeypatch.setattr(platform, "_CACHE_SECONDS", -1.0)

    assert effective_config(db).price_tokens == 5
    assert "effective_config_malformed" in capsys.readouterr().out


def test_damaged_values_read_by_a_new_process_are_the_defaults(db: "Client") -> None:
    db.document("config", "effective").set({"priceTokens": "x", "unfinishedJobs": 3})

    assert in_force(db) == PlatformConfig()


def test_values_are_read_once_in_half_a_minute(db: "Client") -> None:
    assert in_force(db).price_tokens == 1
    db.document("config", "effective").set({"priceTokens": 5})

    assert effective_config(db).price_tokens == 1


def test_the_first_user_brings_a_document_that_explains_itself(
    db: "Client", console: Console, make_user: MakeUser, deliver_written: DeliverWritten
) -> None:
    make_user("ann")

    deliver_written(on_user_written, "users/ann", before=None, after=db.document("users/ann").get().to_dict())

    found = console.platform or {}
    settings = set(PlatformConfig().to_document())
    assert found.keys() == settings | {"readme"}
    assert [name for name in settings if f"\n{name}: " not in found["readme"]] == []
    console.deliver((None, found))
    assert console.status == ("in_force", [])
    assert in_force(db) == PlatformConfig()


def test_a_document_that_is_there_is_left_alone_by_new_users(
    db: "Client", console: Console, make_user: MakeUser, deliver_written: DeliverWritten
) -> None:
    console.save({"priceTokens": 5})
    make_user("ann")

    deliver_written(on_user_written, "users/ann", before=None, after=db.document("users/ann").get().to_dict())

    assert console.platform == {"priceTokens": 5}
