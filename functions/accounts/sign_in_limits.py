"""How often signing in may be tried: for an address, and from a network.

Whoever fails often enough at an address keeps its owner from signing in there, for the rest of a quarter of an hour. So
a network from which somebody did sign in with the address counts by itself for a month: strangers elsewhere cannot use
up what its owner has at home (docs/decisions/0011).
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from accounts.grants import hash_address
from accounts.identity import TOO_MANY_SIGN_INS
from config.platform import effective_config
from gcp.settings import settings
from limits.rate_limits import Limit, Window, spend_all, window_reference

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference

_WINDOW = timedelta(minutes=15)
_FAMILIAR = timedelta(days=30)


def spend_sign_in(db: "Client", email: str, network: str | None, now: datetime) -> None:
    """One more sign-in may be tried for the address, whether anybody has it or not, and from the network.

    Raises RateLimited; what the network has used up is not taken off the address, and the other way round.
    """
    config, key = effective_config(db), settings().address_hash_key
    strangers = Limit("sign_in", hash_address(email, key), config.sign_in_attempts, _WINDOW, TOO_MANY_SIGN_INS)
    if network is None:
        spend_all(db, [strangers], now)
        return
    here = Limit(
        "sign_in_network",
        hash_network(network, key),
        config.sign_in_attempts_per_network,
        _WINDOW,
        "Too many sign-ins from your network; try again later.",
    )
    familiar = strangers._replace(name="sign_in_familiar", subject=_place(email, network, key))
    spend_all(db, [here, familiar if _is_familiar(db, email, network, now) else strangers], now)


def remember_network(db: "Client", email: str, network: str | None, now: datetime) -> None:
    """Somebody did sign in with the address from this network."""
    if network is not None:
        seen = Window(spent=0, expire_at=now + _FAMILIAR)
        _familiar_reference(db, email, network).set(seen.to_document())


def hash_network(network: str, key: str) -> str:
    """The keyed hash by which a network is known."""
    return hmac.new(key.encode(), f"network {network}".encode(), hashlib.sha256).hexdigest()


def _is_familiar(db: "Client", email: str, network: str, now: datetime) -> bool:
    fields = _familiar_reference(db, email, network).get().to_dict()
    return fields is not None and Window.model_validate(fields).expire_at > now


def _familiar_reference(db: "Client", email: str, network: str) -> "DocumentReference":
    return window_reference(db, "familiar_network", _place(email, network, settings().address_hash_key))


def _place(email: str, network: str, key: str) -> str:
    """The keyed hash of an address at a network, where addresses differ as they do for Firebase Auth.

    Not as mailboxes do: else whoever opens an account under a tag of somebody's mailbox would make their own networks
    familiar to it.
    """
    return hmac.new(key.encode(), f"{network} {email.strip().lower()}".encode(), hashlib.sha256).hexdigest()
