"""What is a balance, and what only looks like one: admins edit `users/{uid}.tokens` by hand."""

from collections.abc import Mapping
from typing import NamedTuple, TypeGuard

MAX_BALANCE = 1_000_000_000


class Balance(NamedTuple):
    """The amounts of a user document: what counts now, what the ledger adds up to, what unfinished videos hold.

    `tokens` and `ledger_tokens` differ while an admin's edit is not in the ledger yet. `problem` says why the stored
    `tokens` is no balance; the ledger's counts instead then.
    """

    tokens: int
    ledger_tokens: int
    held: int
    problem: str | None = None


def read_balance(fields: Mapping[str, object]) -> Balance:
    """The amounts of a stored user, whatever an admin has made of them."""
    stored, ledger_tokens, held = fields.get("tokens"), fields.get("ledgerTokens"), fields.get("held")
    held = held if is_whole_number(held) and held >= 0 else 0
    problem = balance_problem(stored, held)
    tokens = stored if is_whole_number(stored) and problem is None else None
    if not is_whole_number(ledger_tokens):
        ledger_tokens = tokens or 0
    return Balance(ledger_tokens if tokens is None else tokens, ledger_tokens, held, problem)


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether Firestore holds it as an integer: neither true nor 2.5 nor "20" is one."""
    return isinstance(value, int) and not isinstance(value, bool)


def balance_problem(value: object, held: int) -> str | None:
    """Why the value is no balance of a user who has so much held; None when it is one."""
    if not is_whole_number(value):
        return f"a balance is a whole number, not {shown(value)}"
    if value < held:
        return f"a balance is at least the {held:,} held for unfinished videos" if held else "a balance is at least 0"
    if value > MAX_BALANCE:
        return f"a balance is at most {MAX_BALANCE:,}"
    return None


def shown(value: object) -> str:
    """What an admin typed, as the console shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value[:40]}"' if isinstance(value, str) else str(value)[:40]


def tokens_text(tokens: int) -> str:
    """A number of tokens in a sentence."""
    return "1 token" if tokens == 1 else f"{tokens:,} tokens"
