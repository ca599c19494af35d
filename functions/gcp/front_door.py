"""What the client asked for, before Hosting or API Gateway passed it on."""

from flask import Request

from gcp.settings import settings


def original_path(request: Request, function: str) -> str:
    """The path that the client asked for.

    Hosting passes it on as it is. API Gateway appends it to the function's address, which ends in the function's name;
    that name is the platform's and is usually gone when the request arrives here.
    """
    return request.path.removeprefix(f"/{function}")


def original_headers(request: Request) -> dict[str, str]:
    """The client's headers, by lower-case name.

    API Gateway puts the token with which it calls us into Authorization and the client's into
    X-Forwarded-Authorization. Behind Hosting anybody can send that header, and it means nothing.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    forwarded = headers.pop("x-forwarded-authorization", None)
    if settings().is_behind_gateway:
        headers.pop("authorization", None)
        if forwarded is not None:
            headers["authorization"] = forwarded
    return headers
