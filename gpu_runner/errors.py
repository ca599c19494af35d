"""Every way in which a render ends early. Each is decided here: tried again, or hopeless. There is no third kind.

RenderError
  x HopelessError     the job is failed with a message for its user; Cloud Tasks get 2xx
  x TransientError    the lease is given back; Cloud Tasks get 5xx and deliver again
  x LeaseLostError    another runner has the job, or it has ended; nothing more is written
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
    """Something that the render depends on did not answer. The message is for the log."""


class LeaseLostError(RenderError):
    """The job document's fence is no longer ours, or the job has ended."""
