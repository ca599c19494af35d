"""Which part of X-Forwarded-For is believed, and what of it is known afterwards."""

import json
from collections.abc import Callable

import pytest

from gcp import front_door
from gcp.front_door import client_network
from gcp.settings import settings

Network = Callable[[str | None], str | None]


@pytest.fixture
def behind(product: pytest.MonkeyPatch) -> Callable[[int], Network]:
    """A function that gives what a process knows of a client behind so many trusted hops."""

    def trust(hops: int) -> Network:
        product.setenv("TRUSTED_HOPS", str(hops))
        settings.cache_clear()
        front_door._tell_that_unknown.cache_clear()
        return lambda forwarded: client_network({} if forwarded is None else {"x-forwarded-for": forwarded})

    return trust


@pytest.mark.parametrize(
    ("hops", "forwarded", "network"),
    [
        (1, "203.0.113.9", "203.0.113.0/24"),
        (2, "203.0.113.9, 192.0.2.1", "203.0.113.0/24"),
        (3, "203.0.113.9,192.0.2.1,198.51.100.7", "203.0.113.0/24"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        (1, "::ffff:203.0.113.9", "203.0.113.0/24"),
    ],
)
def test_the_entry_at_its_place_from_the_right_is_the_clients(
    behind: Callable[[int], Network], hops: int, forwarded: str, network: str
) -> None:
    assert behind(hops)(forwarded) == network


@pytest.mark.attacks
@pytest.mark.parametrize("forged", ["198.51.100.1", "1.1.1.1, 2.2.2.2, 3.3.3.3", "x" * 4000, ",,,", "::1"])
def test_what_a_client_wrote_itself_changes_nothing(behind: Callable[[int], Network], forged: str) -> None:
    assert behind(2)(f"{forged},203.0.113.9,192.0.2.1") == "203.0.113.0/24"


def test_neighbours_are_one_network_and_others_are_not(behind: Callable[[int], Network]) -> None:
    network = behind(1)

    assert network("203.0.113.9") == network("203.0.113.250")
    assert network("203.0.113.9") != network("203.0.114.9")
    assert network("2001:db8:1:2::1") == network("2001:db8:1:ffff::1")
    assert network("2001:db8:1::1") != network("2001:db8:2::1")


@pytest.mark.parametrize(
    "forwarded",
    [
        None,
        "",
        "203.0.113.9",
        "unknown, 192.0.2.1",
        "203.0.113.9:80, 192.0.2.1",
        "[2001:db8::1], 192.0.2.1",
        "fe80::1%eth0, 192.0.2.1",
        "203.0.113.009, 192.0.2.1",
        "203.0.113.0/24, 192.0.2.1",
        " , 192.0.2.1",
    ],
)
def test_too_few_entries_and_what_is_no_address_tell_no_network(
    behind: Callable[[int], Network], forwarded: str | None
) -> None:
    assert behind(2)(forwarded) is None


def test_nothing_is_believed_where_no_hop_is_trusted(
    behind: Callable[[int], Network], capsys: pytest.CaptureFixture[str]
) -> None:
    assert behind(0)("203.0.113.9, 192.0.2.1") is None
    assert capsys.readouterr().out == ""


def test_that_no_network_is_known_is_logged_once_with_the_number_of_entries(
    behind: Callable[[int], Network], capsys: pytest.CaptureFixture[str]
) -> None:
    network = behind(4)
    for forwarded in ("203.0.113.9", "203.0.113.10", "a, 203.0.113.9", "a, b, c, d, e", "a, b, c, d, e, f"):
        network(forwarded)

    written = capsys.readouterr().out
    lines = [json.loads(line) for line in written.splitlines()]
    told = [(line["severity"], line["event"], line["entries"], line["trusted_hops"]) for line in lines]
    assert told == [("INFO", "client_network_unknown", entries, 4) for entries in (1, 2, 4)]
    assert "203.0" not in written
