import pytest

from accounts.grants import hash_address, normalise_address

KEY = "k" * 40


@pytest.mark.parametrize(
    ("email", "normalised"),
    [
        pytest.param("ann@example.com", "ann@example.com", id="as it is"),
        pytest.param("Ann@Example.COM", "ann@example.com", id="case"),
        pytest.param(" ann@example.com ", "ann@example.com", id="spaces"),
        pytest.param("ann+one@example.com", "ann@example.com", id="tag"),
        pytest.param("ann+one+two@example.com", "ann@example.com", id="two tags"),
        pytest.param("a.nn@example.com", "a.nn@example.com", id="a dot tells addresses apart"),
        pytest.param("a.n.n@gmail.com", "ann@gmail.com", id="but not at Gmail"),
        pytest.param("A.N.N+shop@GoogleMail.com", "ann@gmail.com", id="Gmail's other domain"),
        pytest.param("ann@mail.gmail.com", "ann@mail.gmail.com", id="another domain of that name"),
        pytest.param("\uff41\uff4e\uff4e@example.com", "ann@example.com", id="full width"),
        pytest.param("e\u0301va@example.com", "\u00e9va@example.com", id="accent"),
        pytest.param("\u1e9e@example.com", "\u00df@example.com", id="capital sharp s"),
        pytest.param("+tag@example.com", "+tag@example.com", id="nothing but a tag"),
        pytest.param('"a@b"@example.com', '"a@b"@example.com', id="quoted"),
    ],
)
def test_one_mailbox_has_one_address(email: str, normalised: str) -> None:
    assert normalise_address(email) == normalised


@pytest.mark.parametrize("email", ["\u212bnn@example.com", "\u0130da@example.com", "A.b+c@gmail.com"])
def test_a_normalised_address_stays_what_it_is(email: str) -> None:
    once = normalise_address(email)

    assert normalise_address(once) == once


def test_ways_to_write_an_address_have_one_hash() -> None:
    assert hash_address("A.nn+x@googlemail.com", KEY) == hash_address("ann@gmail.com", KEY)


def test_two_addresses_have_two_hashes() -> None:
    assert hash_address("ann@example.com", KEY) != hash_address("bob@example.com", KEY)


def test_without_the_key_an_address_cannot_be_tried() -> None:
    assert hash_address("ann@example.com", KEY) != hash_address("ann@example.com", "l" * 40)
