"""Who calls: the user of the Authorization header, which carries a session token of ours or a Firebase ID token."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from accounts.sessions import is_session, verify_session
from accounts.users import User, find_user, stands
from gcp.errors import Unauthenticated
from gcp.front_door import client_network
from gcp.settings import settings

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from accounts.id_tokens import IdToken

# ID tokens are new every hour. One that ends this little later than what is stored is not worth a write, and is watched
# all the same (accounts.identity_watch).
UNWATCHED = timedelta(minutes=5)


class Caller(NamedTuple):
    """A user whose token is good, and when they signed in."""

    user: User
    signed_in_at: datetime


def authenticate(db: "Client", headers: Mapping[str, str], now: datetime) -> Caller:
    """The user whose token the client's Authorization header carries (headers by lower-case name, gcp.front_door).

    Their document is read once, or made by their first call.

    Raises Unauthenticated for every token that is not good now; SignupClosed and RateLimited when a first call may
    open no account; Unavailable.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    secrets = settings().jwt_secrets
    if is_session(token, secrets):
        session = verify_session(token, secrets)
        user = find_user(db, session.user_id)
        if user is None or not stands(user, session.signed_in_at):
            raise Unauthenticated
        return Caller(user, session.signed_in_at)
    # Deferred: most requests carry a session token.
    from accounts.id_tokens import is_id_token, verify_id_token

    if not is_id_token(token, settings().project_id):
        raise Unauthenticated
    verified = verify_id_token(token)
    user = find_user(db, verified.user_id)
    if user is None or _is_behind(user, verified):
        user = _follow(db, user, verified, client_network(headers), now)
    if not stands(user, verified.signed_in_at):
        raise Unauthenticated
    if user.access_until is None or verified.expires_at > user.access_until + UNWATCHED:
        # Deferred: once an hour.
        from accounts.enrolment import extend_access

        extend_access(db, user.id, verified.expires_at)
    return Caller(user, verified.signed_in_at)


def _is_behind(user: User, verified: "IdToken") -> bool:
    """Whether the token may tell of something that our document does not know yet: verified, or enabled again."""
    if user.identity_disabled:
        return not user.disabled and user.deleted_at is None
    is_new = not user.is_verified or verified.email.lower() != user.email.lower()
    return verified.is_verified and is_new and stands(user, verified.signed_in_at)


def _follow(db: "Client", user: User | None, verified: "IdToken", network: str | None, now: datetime) -> User:
    """The user's document as Firebase Auth has the user now, made if this is the first call. Rare: asks Firebase Auth.

    A token may be an hour older than what happened to its user, so what it claims is not what is stored.
    """
    # Deferred: as above.
    from accounts.admission import admit_new_account, initial_tokens
    from accounts.enrolment import ensure_user, is_enabled_again
    from accounts.identity import read_identities

    identity = read_identities([verified.user_id]).get(verified.user_id)
    if identity is None or identity.disabled or _is_revoked(identity.tokens_valid_after, verified):
        raise Unauthenticated
    if user is None:
        admit_new_account(db, network, now)
    elif user.identity_disabled and not is_enabled_again(user, identity):
        raise Unauthenticated
    return ensure_user(db, identity, initial_tokens(db), access_until=verified.expires_at, now=now)


def _is_revoked(tokens_valid_after: datetime | None, verified: "IdToken") -> bool:
    return tokens_valid_after is not None and verified.signed_in_at < tokens_valid_after
