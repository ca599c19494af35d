"""Signing up and in, the profile, and what is a user's right."""

from typing import Any

from local.examples.activities import ACTIVITY
from local.examples.characters import MINE
from local.examples.example import MOMENT, Example
from local.examples.scripts import FILMED
from local.examples.videos import COMPLETED_JOB

_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyXzEyMyJ9.c2lnbmF0dXJl"  # noqa: S105 (opens nothing)


def user(*, tokens: int) -> dict[str, Any]:
    """The specification's user, with this balance."""
    return {
        "id": "user_123",
        "name": "John Doe",
        "email": "john@example.com",
        "tokens": tokens,
        "isVerified": False,
        "subscription": "free",
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
    }


def _refreshed(message: str, *, tokens: int) -> dict[str, Any]:
    return {"success": True, "message": message, "token": _TOKEN, "user": user(tokens=tokens), "expiresIn": 3600}


def _signed_in(message: str, *, tokens: int) -> dict[str, Any]:
    return _refreshed(message, tokens=tokens) | {"firebaseToken": _TOKEN}


_OF_SCRIPTS = (
    "id",
    "selectedCharacters",
    "originalPrompt",
    "dialogue",
    "createdAt",
    "updatedAt",
    "videoJobId",
    "finalVideoPath",
)
_CAPTURE = {
    "id": "job_123_capture",
    "kind": "capture",
    "tokens": -1,
    "held": -1,
    "balanceAfter": 15,
    "heldAfter": 0,
    "jobId": "job_123",
    "reason": None,
    "createdAt": "2024-01-01T00:08:00Z",
}

EXAMPLES = {
    "signup": Example(
        request={"name": "John Doe", "email": "john@example.com", "password": "securepassword123"},
        answer=_signed_in("User created successfully", tokens=20),
    ),
    "login": Example(
        request={"email": "john@example.com", "password": "securepassword123"},
        answer=_signed_in("Login successful", tokens=15),
    ),
    "get_me": Example(answer=user(tokens=15)),
    "refresh_token": Example(answer=_refreshed("Token refreshed successfully", tokens=15)),
    "delete_me": Example(
        answer={"success": True, "message": "Your account is deleted. What it owned is being removed."}
    ),
    "get_my_data": Example(
        answer={
            "profile": user(tokens=15),
            "stars": [{"characterId": "character_123", "starredAt": MOMENT}],
            "characters": [MINE | {"refText": "The words that are said in the recording."}],
            "scripts": [{name: FILMED[name] for name in _OF_SCRIPTS}],
            "videoJobs": [COMPLETED_JOB],
            "ledger": [_CAPTURE],
            "activities": [ACTIVITY],
            "feedback": [{"id": "feedback_123", "message": "The captions read well.", "createdAt": MOMENT}],
        }
    ),
}
