"""The caller's own profile, and a fresh token."""

from datetime import UTC, datetime

from accounts.users import UserAnswer, stands
from gcp.endpoint import Call, endpoint
from gcp.errors import SignInAgain, Unauthenticated
from gcp.models import Answer, NoBody
from gcp.settings import settings


class Refreshed(Answer):
    success: bool = True
    message: str
    token: str
    user: UserAnswer
    expires_in: int


@endpoint(answer=UserAnswer)
def get_me(call: Call[NoBody]) -> UserAnswer:
    """GET /api/me, the user: the caller's profile and balance."""
    return UserAnswer.of(call.caller)


@endpoint(answer=Refreshed, refuses=(SignInAgain,))
def refresh_token(call: Call[NoBody]) -> Refreshed:
    """POST /api/refresh-token, the user: a fresh token for one that still is valid.

    It ends 30 days after the sign-in at the latest; then a new sign-in is due.
    """
    from accounts.admission import initial_tokens
    from accounts.enrolment import changes_of_identity, ensure_user
    from accounts.identity import read_identities
    from accounts.sessions import issue_session, session_end
    from gcp.clients import firestore

    now, caller, signed_in_at = datetime.now(UTC), call.caller, call.signed_in_at
    assert signed_in_at is not None
    ends_at = session_end(now, signed_in_at)
    # Asked of Firebase Auth itself: what it has revoked a moment ago is not extended by an hour.
    identity = read_identities([caller.id]).get(caller.id)
    if identity is None or changes_of_identity(caller, identity).get("identityDisabled"):
        raise Unauthenticated
    user = ensure_user(firestore(), identity, initial_tokens(firestore()), access_until=ends_at, now=now)
    if not stands(user, signed_in_at):
        raise Unauthenticated
    token = issue_session(user.id, settings().jwt_secrets, now=now, signed_in_at=signed_in_at)
    return Refreshed(
        message="Token refreshed successfully",
        token=token,
        user=UserAnswer.of(user),
        expires_in=int((ends_at - now).total_seconds()),
    )
