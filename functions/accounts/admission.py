"""Who may sign in or open an account now, and what one starts with; the same for sign-up and any user's first call."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from accounts.enrolment import InitialTokens
from accounts.grants import hash_address
from accounts.identity import TOO_MANY_SIGN_INS
from config.platform import effective_config
from gcp.errors import SignupClosed
from gcp.settings import settings
from limits.rate_limits import spend

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_SIGN_IN_WINDOW = timedelta(minutes=15)


def admit_new_account(db: "Client", now: datetime) -> None:
    """One more account may be made in this hour, by whoever. Raises SignupClosed and RateLimited."""
    config = effective_config(db)
    if not config.sign_up_open:
        raise SignupClosed
    spend(
        db,
        "new_accounts",
        "all",
        most=config.new_accounts_per_hour,
        window=timedelta(hours=1),
        now=now,
        message="Too many new accounts at the moment; try again later.",
    )


def spend_sign_in(db: "Client", email: str, now: datetime) -> None:
    """One more sign-in may be tried for the address, whether anybody has it or not. Raises RateLimited."""
    spend(
        db,
        "sign_in",
        hash_address(email, settings().address_hash_key),
        most=effective_config(db).sign_in_attempts,
        window=_SIGN_IN_WINDOW,
        now=now,
        message=TOO_MANY_SIGN_INS,
    )


def initial_tokens(db: "Client") -> InitialTokens:
    """What a new account starts with now."""
    configured = effective_config(db).initial_tokens
    tokens = configured if configured is not None else settings().tokens_to_give
    return InitialTokens(tokens, settings().address_hash_key)
