"""Who may open an account now, and what one starts with; the same for sign-up and any user's first call."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from accounts.enrolment import InitialTokens
from accounts.sign_in_limits import hash_network
from config.platform import effective_config
from gcp.errors import SignupClosed
from gcp.settings import settings
from limits.rate_limits import Limit, spend_all

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_WINDOW = timedelta(hours=1)


def admit_new_account(db: "Client", network: str | None, now: datetime) -> None:
    """One more account may be made in this hour, from this network and by whoever.

    Raises SignupClosed and RateLimited; what the network has used up is not taken off everybody's. A place in the hour
    is taken though no account may come of it: else the refusals, which tell whether an address has one, could be had
    without end.
    """
    config = effective_config(db)
    if not config.sign_up_open:
        raise SignupClosed
    message = "Too many new accounts at the moment; try again later."
    limits = [Limit("new_accounts", "all", config.new_accounts_per_hour, _WINDOW, message)]
    if network is not None:
        here = Limit(
            "new_accounts_network",
            hash_network(network, settings().address_hash_key),
            config.new_accounts_per_network_per_hour,
            _WINDOW,
            "Too many new accounts from your network; try again later.",
        )
        limits.insert(0, here)
    spend_all(db, limits, now)


def initial_tokens(db: "Client") -> InitialTokens:
    """What a new account starts with now."""
    configured = effective_config(db).initial_tokens
    tokens = configured if configured is not None else settings().tokens_to_give
    return InitialTokens(tokens, settings().address_hash_key)
