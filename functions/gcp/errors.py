"""Every refusal that a client can see.

    ApiError
      x ValidationFailed       422  VALIDATION_FAILED
        x IdempotencyKeyReused 422  IDEMPOTENCY_KEY_REUSED
      x InsufficientTokens     400  INSUFFICIENT_TOKENS
      x Unauthenticated        401  UNAUTHENTICATED
        x SignInAgain          401  SIGN_IN_AGAIN
      x WrongCredentials       401  WRONG_CREDENTIALS
      x Forbidden              403  FORBIDDEN
      x SignupClosed           403  SIGNUP_CLOSED
      x NotFound               404  NOT_FOUND
      x MethodNotAllowed       405  METHOD_NOT_ALLOWED
      x AddressTaken           409  ADDRESS_TAKEN
      x JobEnded               409  JOB_ENDED
      x JobUnfinished          409  JOB_UNFINISHED
      x RequestInProgress      409  REQUEST_IN_PROGRESS
      x BodyTooLarge           413  BODY_TOO_LARGE
      x RateLimited            429  RATE_LIMITED
      x WriterFailed           502  WRITER_FAILED
      x Unavailable            503  UNAVAILABLE

A code never changes its meaning. The message names the thing and the limit, and nothing internal.
"""

from typing import ClassVar, TypedDict


class Detail(TypedDict):
    """One entry of a 422's `detail`, in the shape that clients know."""

    loc: list[str | int]
    msg: str
    type: str


class ApiError(Exception):
    """A refused request. `param` is the field at fault, `headers` go with the answer."""

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, message: str, *, param: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = headers or {}

    @property
    def detail(self) -> str | list[Detail]:
        """What clients show to a person."""
        return self.message

    @property
    def fields(self) -> dict[str, object]:
        """What the error object carries beside code, message and param."""
        return {}


class ValidationFailed(ApiError):
    """A field of the body, the path or the query is not as documented."""

    status = 422
    code = "VALIDATION_FAILED"

    def __init__(self, details: list[Detail]) -> None:
        first = details[0]
        param = ".".join(str(part) for part in first["loc"][1:])
        super().__init__(f"{param}: {first['msg']}" if param else first["msg"], param=param or None)
        self.details = details

    @classmethod
    def of(cls, field: str, message: str, *, kind: str = "value_error") -> "ValidationFailed":
        """The refusal of one field of the body."""
        return cls([{"loc": ["body", field], "msg": message, "type": kind}])

    @property
    def detail(self) -> list[Detail]:
        return self.details


class IdempotencyKeyReused(ValidationFailed):
    """The Idempotency-Key came with another request before."""

    code = "IDEMPOTENCY_KEY_REUSED"

    def __init__(self) -> None:
        message = "This key was used for another request in the last 24 hours."
        super().__init__([{"loc": ["header", "Idempotency-Key"], "msg": message, "type": "value_error"}])


class InsufficientTokens(ApiError):
    status = 400
    code = "INSUFFICIENT_TOKENS"

    def __init__(self, *, required: int, available: int) -> None:
        super().__init__(f"Insufficient tokens: this video costs {required}, {available} are available.")
        self.required = required
        self.available = available

    @property
    def fields(self) -> dict[str, object]:
        return {"required": self.required, "available": self.available}


class Unauthenticated(ApiError):
    status = 401
    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in first: the token is missing, bad or expired.") -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class SignInAgain(Unauthenticated):
    """The token is good, but its user last proved who they are too long ago."""

    code = "SIGN_IN_AGAIN"

    def __init__(self) -> None:
        super().__init__("Sign in again: the last sign-in is more than 30 days ago.")


class WrongCredentials(ApiError):
    status = 401
    code = "WRONG_CREDENTIALS"


class Forbidden(ApiError):
    status = 403
    code = "FORBIDDEN"


class SignupClosed(ApiError):
    status = 403
    code = "SIGNUP_CLOSED"

    def __init__(self) -> None:
        super().__init__("New accounts are not taken at the moment.")


class NotFound(ApiError):
    status = 404
    code = "NOT_FOUND"


class MethodNotAllowed(ApiError):
    status = 405
    code = "METHOD_NOT_ALLOWED"


class AddressTaken(ApiError):
    status = 409
    code = "ADDRESS_TAKEN"


class JobUnfinished(ApiError):
    """The script's job is still to end; `job_id` names it."""

    status = 409
    code = "JOB_UNFINISHED"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"A video of this script is still being made. Job ID: {job_id}")
        self.job_id = job_id

    @property
    def fields(self) -> dict[str, object]:
        return {"jobId": self.job_id}


class JobEnded(ApiError):
    """The job can be cancelled no more: its video is there, or it failed."""

    status = 409
    code = "JOB_ENDED"

    def __init__(self, job_status: str) -> None:
        super().__init__(f"This video cannot be cancelled any more: it is {job_status}.")


class RequestInProgress(ApiError):
    """The request with this Idempotency-Key is still being worked on; `retry_after_seconds` until it surely is not."""

    status = 409
    code = "REQUEST_IN_PROGRESS"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "The first request with this Idempotency-Key is still being worked on; try again.",
            param="Idempotency-Key",
            headers={"Retry-After": str(max(1, retry_after_seconds))},
        )


class BodyTooLarge(ApiError):
    status = 413
    code = "BODY_TOO_LARGE"


class RateLimited(ApiError):
    """Too many of these in too short a time; the client may try again after `retry_after_seconds`."""

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message, headers={"Retry-After": str(max(1, retry_after_seconds))})


class WriterFailed(ApiError):
    """The language model gave no usable dialogue in time; the client may try again."""

    status = 502
    code = "WRITER_FAILED"


class Unavailable(ApiError):
    """Something we depend on did not answer; the client may try again."""

    status = 503
    code = "UNAVAILABLE"
