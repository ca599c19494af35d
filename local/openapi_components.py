"""What the operations of the API document have in common: tags, headers, and who may call."""

from typing import Any

TAGS = {
    "accounts": "Signing up and in, the caller's profile, and what becomes of an account.",
    "characters": "A character is a voice with pictures. All are public; who made one may change it.",
    "scripts": "A dialogue that the language model writes and its owner edits.",
    "videos": "Making the video of a script: start a job, then poll it or subscribe to it. One video costs one token.",
    "activities": "What happened, as a log and in numbers.",
    "media": "The paths in other answers. They load by themselves in media elements; never build one yourself.",
    "backgrounds": "The library of videos that play behind the dialogue.",
    "feedback": "Telling us something.",
    "health": "Whether everything that the API depends on answers.",
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Names this request in our logs; quote it when you report something.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "example": "4f9d2c6b8a3e4d11a7c05be2f1d83b60",
    },
    "X-Next-Page-Token": {
        "description": "There when there is more: the `pageToken` of the next page.",
        "schema": {"type": "string"},
        "example": "WyIyMDI0LTAxLTAxVDAwOjAwOjAwKzAwOjAwIiwiY2hhcmFjdGVyXzEyMyJd",
    },
    "Retry-After": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 30,
    },
    "WWW-Authenticate": {
        "description": "How to sign in.",
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Allow": {
        "description": "The path's methods.",
        "schema": {"type": "string"},
        "example": "GET, HEAD, OPTIONS",
    },
    "Location": {
        "description": "Where the media is, for some hours.",
        "schema": {"type": "string", "format": "uri"},
        "example": "https://storage.googleapis.com/media/videos/user123/job456_1.mp4?X-Goog-Signature=3045",
    },
    "ETag": {
        "description": "For If-None-Match.",
        "schema": {"type": "string"},
        "example": '"0b7f3c5e9a1d4e62b8c7d0f1a2b3c4d5"',
    },
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any text of your own that names this attempt, for example a UUID. Sent again with the same "
    "content within 24 hours, it gets the same resource and costs nothing; with other content it is refused.",
    # No example: who tries operations out would send it, twice for different things.
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

SECURITY_SCHEMES = {
    "session": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `token` of signing up or in, good for an hour.",
    },
    "firebase": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A Firebase ID token, for apps that sign in with the Firebase SDKs.",
    },
}
