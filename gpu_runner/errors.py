"""Every way in which a render ends early. Each is decided here: tried again, or hopeless. There is no third kind.

RenderError
  x HopelessError     the job is failed with a message for its user; Cloud Tasks get 2xx
  x TransientError    the lease is given back; Cloud Tasks get 5xx and deliver again
    + ShutdownError   the same, because this process is to end
  x LeaseLostError    another runner has the job, or it has ended; nothing more is written

Hopeless is only what would be the same at every attempt. A TransientError with `at_last` counts as an attempt and is
hopeless at the last one: a refusal, a crash of ours, an attempt that used up its time. One without is an outage and
costs no attempt: the queue's tries and the job's deadline bound those.

What libraries raise becomes a TransientError where they are called: in jobs, media_store, voice and pipeline. Whatever
else escapes a render is a crash of ours, and server makes one of it that counts.
"""


class RenderError(Exception):
    """A render that did not reach its end."""


class HopelessError(RenderError):
    """Trying again would fail again. `code` is stable; the message is for the user and names no internals."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TransientError(RenderError):
    """Something that the render depends on did not do its part. The message is for the log.

    `at_last` is what the job is failed with when this was its last attempt; None for an outage, which is no attempt.
    """

    def __init__(self, reason: str, *, at_last: HopelessError | None = None) -> None:
        super().__init__(reason)
        self.at_last = at_last


class ShutdownError(TransientError):
    """The process has been told to end, and the work is another's."""

    def __init__(self) -> None:
        super().__init__("the runner ends")


class LeaseLostError(RenderError):
    """The job document's fence is no longer ours, or the job has ended."""


def attempts_used_up() -> HopelessError:
    return HopelessError("ATTEMPTS_USED_UP", "The video could not be made after several tries.")
