"""The user `ann` with 20 tokens, as the platform and an admin in the console act on her document."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from accounts.triggers import on_user_written
from accounts.users import find_user
from gcp.transactions import transact
from tests.functions.conftest import DeliverWritten, MakeUser
from tokens.ledger import Hold, hold_reference, write_hold, write_settlement

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

Fields = dict[str, Any]


class Written(NamedTuple):
    """One write of the user document: what its event tells."""

    before: Fields | None
    after: Fields


class Account:
    """Every write is remembered, so that its event can be delivered later, or again."""

    def __init__(self, db: "Client", deliver_written: DeliverWritten) -> None:
        self.db = db
        self._deliver_written = deliver_written

    @property
    def fields(self) -> Fields:
        return self.db.document("users", "ann").get().to_dict() or {}

    @property
    def amounts(self) -> tuple[Any, Any, Any]:
        fields = self.fields
        return fields.get("tokens"), fields.get("ledgerTokens"), fields.get("held")

    @property
    def entries(self) -> list[tuple[str, int, str | None]]:
        """Kind, tokens and reason of the ledger's entries but the first, in order of time."""
        ledger = self.db.collection("users", "ann", "ledger").order_by("createdAt").stream()
        found = [each.to_dict() or {} for each in ledger]
        return [(each["kind"], each["tokens"], each["reason"]) for each in found if each["kind"] != "grant"]

    def edit(self, **fields: Any) -> Written:
        """An admin saves these fields in the console, which touches no other."""
        before = self.fields
        self.db.document("users", "ann").update(fields)
        return Written(before, self.fields)

    def hold(self, job_id: str, price_tokens: int = 1) -> Written:
        """As videos.jobs.start_job does."""
        before, now = self.fields, datetime.now(UTC)

        def hold(transaction: "Transaction") -> None:
            user = find_user(self.db, "ann", transaction=transaction)
            assert user
            write_hold(
                transaction,
                self.db,
                user_id="ann",
                job_id=job_id,
                price_tokens=price_tokens,
                ledger_tokens=user.ledger_tokens,
                held=user.held,
                now=now,
            )

        transact(self.db, hold)
        return Written(before, self.fields)

    def settle(self, job_id: str, *, capture: bool) -> Written:
        """As videos.jobs.settle_job does."""
        before, now = self.fields, datetime.now(UTC)

        def settle(transaction: "Transaction") -> None:
            user = find_user(self.db, "ann", transaction=transaction)
            assert user
            hold = Hold.model_validate(hold_reference(self.db, job_id).get(transaction=transaction).to_dict())
            write_settlement(
                transaction,
                self.db,
                hold=hold,
                capture=capture,
                ledger_tokens=user.ledger_tokens,
                held=user.held,
                now=now,
            )

        transact(self.db, settle)
        return Written(before, self.fields)

    def deliver(self, written: Written) -> None:
        self._deliver_written(on_user_written, "users/ann", before=written.before, after=written.after)

    def assert_books_agree(self) -> None:
        """What holds whenever every event was delivered."""
        ledger = [each.to_dict() or {} for each in self.db.collection("users", "ann", "ledger").stream()]
        tokens, ledger_tokens, held = self.amounts
        assert tokens == ledger_tokens == sum(each["tokens"] for each in ledger)
        assert held == sum(each["held"] for each in ledger)
        assert 0 <= held <= tokens


@pytest.fixture
def ann(db: "Client", make_user: MakeUser, deliver_written: DeliverWritten) -> Account:
    make_user("ann")
    return Account(db, deliver_written)
