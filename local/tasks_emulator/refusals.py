"""Why a call is refused. Each class is the gRPC status that the caller gets, with the message as its text."""

import grpc


class RefusalError(Exception):
    """A call is answered with `code` instead of a result, and has changed nothing."""

    code: grpc.StatusCode


class InvalidArgumentError(RefusalError):
    """The request is wrong whatever the state of the queue."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFoundError(RefusalError):
    """There is no such queue or task."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(RefusalError):
    """The name is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS


class NotEmulatedError(RefusalError):
    """The service could do this; the emulator cannot."""

    code = grpc.StatusCode.UNIMPLEMENTED
