"""How often a network may sign in and up, and what it cannot take from others, on Google's Auth emulator."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from accounts.grants import hash_address
from accounts.sign_in_limits import hash_network
from contracts.media_paths import api_path
from gcp.settings import settings
from limits.rate_limits import window_reference
from tests.functions.accounts.conftest import PASSWORD, FirebaseAuth, SetConfig, bearer
from tests.functions.accounts.test_account_endpoints import ago
from tests.functions.conftest import ADDRESS_HASH_KEY, Answered, CallApi

if TYPE_CHECKING:
    from google.cloud.firestore import Client

HOME, AWAY = "203.0.113.9", "198.51.100.4"
FORGED = "192.0.2.66"
RECORDING = api_path(f"recordings/ann/{'a' * 32}.wav")
RATE_LIMITED = (429, "RATE_LIMITED")


@pytest.fixture(autouse=True)
def behind_two_hops(auth: FirebaseAuth, product: pytest.MonkeyPatch) -> None:
    """The client's address is the entry before the last; the accounts' emulator is there."""
    assert auth
    product.setenv("TRUSTED_HOPS", "2")
    settings.cache_clear()


def came_from(address: str, *, forged: str = "") -> dict[str, str]:
    """What the platform passes on of a client at the address, which may have written entries of its own."""
    return {"X-Forwarded-For": ", ".join(filter(None, [forged, address, "10.0.0.1"]))}


def sign_in(call_api: CallApi, source: str = HOME, *, email: str = "ann@example.com", **given: str) -> Answered:
    body = {"email": email, "password": given.pop("password", PASSWORD)}
    answer: Answered = call_api("POST", "/api/login", body=body, headers=came_from(source, **given))
    return answer


def fail_to_sign_in(call_api: CallApi, source: str = HOME, *, email: str = "ann@example.com", **given: str) -> Answered:
    return sign_in(call_api, source, email=email, password="wrong", **given)


def sign_up(call_api: CallApi, source: str = HOME, *, email: str = "ann@example.com", **given: str) -> Answered:
    body = {"name": "Ann Lee", "email": email, "password": given.pop("password", PASSWORD)}
    answer: Answered = call_api("POST", "/api/signup", body=body, headers=came_from(source, **given))
    return answer


def told(answer: Answered) -> tuple[int, str]:
    return answer.status, str(answer.body.get("error", {}).get("code"))


def spent(db: "Client", name: str, subject: str) -> int:
    return int((window_reference(db, name, subject).get().to_dict() or {"spent": 0})["spent"])


def spent_of_address(db: "Client", email: str = "ann@example.com") -> int:
    return spent(db, "sign_in", hash_address(email, ADDRESS_HASH_KEY))


def end_every_window(db: "Client") -> None:
    for found in db.collection("rateLimits").stream():
        found.reference.update({"expireAt": ago(seconds=1)})


# Signing in


@pytest.mark.attacks
def test_a_network_signs_in_no_more_often_than_configured(call_api: CallApi, set_config: SetConfig) -> None:
    set_config(signInAttemptsPerNetwork=2)
    tried = [fail_to_sign_in(call_api, email=f"user{number}@example.com") for number in range(2)]

    refused = fail_to_sign_in(call_api, "203.0.113.200", email="user3@example.com")

    assert [answer.status for answer in tried] == [401, 401]
    assert told(refused) == RATE_LIMITED
    assert refused.body["detail"] == "Too many sign-ins from your network; try again later."
    assert 0 < int(refused.headers["Retry-After"]) <= 900


def test_a_networks_next_quarter_of_an_hour_is_a_new_one(
    call_api: CallApi, set_config: SetConfig, db: "Client"
) -> None:
    set_config(signInAttemptsPerNetwork=1)
    fail_to_sign_in(call_api)

    end_every_window(db)

    assert fail_to_sign_in(call_api).status == 401


@pytest.mark.parametrize("forged", [FORGED, f"{AWAY}, {FORGED}", "no address", "10.0.0.1, 10.0.0.1"])
def test_a_client_that_forges_entries_is_still_of_its_network(
    call_api: CallApi, set_config: SetConfig, forged: str
) -> None:
    set_config(signInAttemptsPerNetwork=1)
    fail_to_sign_in(call_api)

    assert told(fail_to_sign_in(call_api, forged=forged)) == RATE_LIMITED


def test_a_forged_entry_spends_nothing_of_the_network_it_names(call_api: CallApi, set_config: SetConfig) -> None:
    set_config(signInAttemptsPerNetwork=1)
    fail_to_sign_in(call_api, AWAY, forged=HOME)

    assert fail_to_sign_in(call_api, HOME).status == 401


def test_another_network_is_not_concerned(call_api: CallApi, set_config: SetConfig) -> None:
    set_config(signInAttemptsPerNetwork=1)
    fail_to_sign_in(call_api, HOME)

    assert told(fail_to_sign_in(call_api, HOME)) == RATE_LIMITED
    assert fail_to_sign_in(call_api, AWAY).status == 401


def test_a_network_that_is_refused_uses_up_nobodys_address(
    call_api: CallApi, set_config: SetConfig, db: "Client"
) -> None:
    set_config(signInAttemptsPerNetwork=1)
    fail_to_sign_in(call_api, email="bob@example.com")

    refused = fail_to_sign_in(call_api)

    assert told(refused) == RATE_LIMITED
    assert spent_of_address(db) == 0


def test_an_address_that_is_refused_uses_up_nothing_of_the_network(
    call_api: CallApi, set_config: SetConfig, db: "Client"
) -> None:
    set_config(signInAttempts=1)
    fail_to_sign_in(call_api)

    refused = fail_to_sign_in(call_api)

    assert told(refused) == RATE_LIMITED
    assert spent(db, "sign_in_network", hash_network("203.0.113.0/24", ADDRESS_HASH_KEY)) == 1


def test_an_address_is_tried_no_more_often_from_many_networks(call_api: CallApi, set_config: SetConfig) -> None:
    set_config(signInAttempts=2)

    answers = [fail_to_sign_in(call_api, f"198.51.{number}.4").status for number in range(3)]

    assert answers == [401, 401, 429]


def test_of_two_at_once_at_a_networks_last_place_one_is_let_through(call_api: CallApi, set_config: SetConfig) -> None:
    set_config(signInAttemptsPerNetwork=1)

    with ThreadPoolExecutor(2) as pool:
        emails = ["user1@example.com", "user2@example.com"]
        answers = list(pool.map(lambda email: fail_to_sign_in(call_api, email=email).status, emails))

    # The database may be too busy for one that it would have refused.
    assert answers.count(401) <= 1
    assert set(answers) <= {401, 429, 503}
    again = fail_to_sign_in(call_api).status
    assert again == (429 if 401 in answers else 401)


def test_where_no_hop_is_trusted_no_network_is_counted(
    call_api: CallApi, set_config: SetConfig, product: pytest.MonkeyPatch
) -> None:
    product.setenv("TRUSTED_HOPS", "0")
    settings.cache_clear()
    set_config(signInAttemptsPerNetwork=1)

    assert [fail_to_sign_in(call_api, email=f"user{number}@example.com").status for number in range(2)] == [401, 401]


# Whoever uses up an address


def test_strangers_cannot_keep_an_owner_from_signing_in_at_home(call_api: CallApi, set_config: SetConfig) -> None:
    sign_up(call_api, HOME)
    set_config(signInAttempts=2)
    for _ in range(2):
        fail_to_sign_in(call_api, AWAY)

    assert told(fail_to_sign_in(call_api, AWAY)) == RATE_LIMITED
    assert sign_in(call_api, HOME).status == 200


def test_a_network_is_familiar_once_its_owner_signed_in_from_there(call_api: CallApi, set_config: SetConfig) -> None:
    sign_up(call_api, HOME)
    sign_in(call_api, AWAY)
    set_config(signInAttempts=2)
    fail_to_sign_in(call_api, FORGED)
    fail_to_sign_in(call_api, FORGED)

    assert told(fail_to_sign_in(call_api, FORGED)) == RATE_LIMITED
    assert sign_in(call_api, AWAY).status == 200


def test_at_home_too_an_address_is_tried_no_more_often_than_configured(
    call_api: CallApi, set_config: SetConfig
) -> None:
    sign_up(call_api, HOME)
    set_config(signInAttempts=2)

    answers = [fail_to_sign_in(call_api, HOME).status for _ in range(3)]

    assert answers == [401, 401, 429]


def test_a_network_is_a_strangers_again_after_a_month(call_api: CallApi, set_config: SetConfig, db: "Client") -> None:
    sign_up(call_api, HOME)
    end_every_window(db)
    set_config(signInAttempts=1)
    fail_to_sign_in(call_api, AWAY)

    assert told(sign_in(call_api, HOME)) == RATE_LIMITED


def test_a_failed_sign_in_makes_no_network_familiar(call_api: CallApi, set_config: SetConfig) -> None:
    sign_up(call_api, HOME)
    set_config(signInAttempts=1)
    fail_to_sign_in(call_api, AWAY)

    assert told(fail_to_sign_in(call_api, AWAY)) == RATE_LIMITED


def test_an_account_under_a_tag_of_the_mailbox_makes_no_network_familiar_to_the_mailbox(
    call_api: CallApi, set_config: SetConfig
) -> None:
    sign_up(call_api, HOME)
    sign_up(call_api, AWAY, email="ann+tag@example.com")
    set_config(signInAttempts=1)
    fail_to_sign_in(call_api, FORGED)

    assert told(fail_to_sign_in(call_api, AWAY)) == RATE_LIMITED


def test_what_is_kept_of_networks_names_none(call_api: CallApi, db: "Client") -> None:
    sign_up(call_api, HOME)
    sign_in(call_api, HOME)

    kept = list(db.collection("rateLimits").stream())
    assert len(kept) == 5  # the hour's accounts, of all and of here; the sign-ins of here, at home; that it is a home
    assert all(set(found.to_dict() or {}) == {"spent", "expireAt"} for found in kept)
    assert all(part not in found.id for found in kept for part in ("203.0.113", "ann"))


# Signing up


@pytest.mark.attacks
def test_a_network_opens_no_more_accounts_than_configured(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig
) -> None:
    set_config(newAccountsPerNetworkPerHour=1)
    sign_up(call_api, email="first@example.com")

    refused = sign_up(call_api, forged=FORGED)

    assert told(refused) == RATE_LIMITED
    assert refused.body["detail"] == "Too many new accounts from your network; try again later."
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    auth.sign_up("ann@example.com")  # would be refused, had Firebase Auth the address


def test_another_network_opens_its_own_accounts(call_api: CallApi, set_config: SetConfig) -> None:
    set_config(newAccountsPerNetworkPerHour=1)
    sign_up(call_api, HOME, email="first@example.com")

    assert sign_up(call_api, AWAY).status == 200


def test_a_networks_next_hour_is_a_new_one(call_api: CallApi, set_config: SetConfig, db: "Client") -> None:
    set_config(newAccountsPerNetworkPerHour=1)
    sign_up(call_api, email="first@example.com")

    end_every_window(db)

    assert sign_up(call_api).status == 200


def test_a_network_that_is_refused_uses_up_nothing_of_everybodys_hour(
    call_api: CallApi, set_config: SetConfig, db: "Client"
) -> None:
    set_config(newAccountsPerNetworkPerHour=1, newAccountsPerHour=2)
    sign_up(call_api, HOME, email="first@example.com")

    refused = sign_up(call_api, HOME, email="second@example.com")

    assert told(refused) == RATE_LIMITED
    assert spent(db, "new_accounts", "all") == 1
    assert sign_up(call_api, AWAY).status == 200


def test_everybodys_hour_that_is_over_uses_up_nothing_of_the_networks(
    call_api: CallApi, set_config: SetConfig, db: "Client"
) -> None:
    set_config(newAccountsPerHour=1)
    sign_up(call_api, HOME, email="first@example.com")

    refused = sign_up(call_api, AWAY)

    assert told(refused) == RATE_LIMITED
    assert spent(db, "new_accounts_network", hash_network("198.51.100.0/24", ADDRESS_HASH_KEY)) == 0


def test_a_sign_up_with_a_taken_address_counts_as_any_other(call_api: CallApi, db: "Client") -> None:
    sign_up(call_api)

    again = sign_up(call_api)

    assert told(again) == (409, "ADDRESS_TAKEN")
    assert spent(db, "new_accounts", "all") == 2
    assert spent(db, "new_accounts_network", hash_network("203.0.113.0/24", ADDRESS_HASH_KEY)) == 2


@pytest.mark.parametrize("path", ["/api/me", RECORDING], ids=["any operation", "a media path"])
def test_a_first_call_with_an_id_token_is_a_sign_up_of_its_network(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig, path: str
) -> None:
    set_config(newAccountsPerNetworkPerHour=1)
    sign_up(call_api, HOME)
    token = auth.sign_up("bob@example.com").id_token

    refused = call_api("GET", path, headers=bearer(token) | came_from(HOME, forged=AWAY))

    assert told(refused) == RATE_LIMITED
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert call_api("GET", "/api/me", headers=bearer(token) | came_from(AWAY)).status == 200


def test_a_sign_in_that_would_open_an_account_is_a_sign_up_of_its_network(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig
) -> None:
    set_config(newAccountsPerNetworkPerHour=1)
    sign_up(call_api, HOME)
    auth.sign_up("bob@example.com")

    assert told(sign_in(call_api, HOME, email="bob@example.com")) == RATE_LIMITED
    assert sign_in(call_api, AWAY, email="bob@example.com").status == 200
