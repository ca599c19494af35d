"""What the client asked for, and from where, before Hosting or API Gateway passed it on."""

import functools
import ipaddress
from collections.abc import Mapping

from flask import Request

from contracts import log
from gcp.settings import settings

# What one household or company is given at most by a provider, as a rule.
_NETWORK_BITS = {4: 24, 6: 48}


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


def client_network(headers: Mapping[str, str]) -> str | None:
    """The network of the client's address, of IPv4 a /24 and of IPv6 a /48; None where the platform does not tell it.

    Each part of the platform that a request passes appends to X-Forwarded-For, so that only the entry at one place from
    the right is the platform's word for the client's address; whatever stands left of it the client may have written.
    """
    trusted_hops = settings().trusted_hops
    if not trusted_hops:
        return None
    forwarded = headers.get("x-forwarded-for", "")
    entries = forwarded.split(",") if forwarded else []
    network = _network_of(entries[-trusted_hops].strip()) if len(entries) >= trusted_hops else None
    if network is None:
        _tell_that_unknown(min(len(entries), trusted_hops))
    return network


def _network_of(text: str) -> str | None:
    """The network of an address; None of anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        address = address.ipv4_mapped or address
    return str(ipaddress.ip_network(f"{address}/{_NETWORK_BITS[address.version]}", strict=False))


@functools.cache
def _tell_that_unknown(entries: int) -> None:
    """Logged once by a process for each number of entries: an address is nobody's business."""
    log.info("client_network_unknown", entries=entries, trusted_hops=settings().trusted_hops)
