"""Headers in which a client writes where it comes from: none makes it somebody else, and the account's limit holds.

Which entry of X-Forwarded-For is believed is tried in tests/functions/gcp/test_client_network.py, what a network may
do in tests/functions/accounts/test_network_limits.py.
"""

import pytest

from gcp.settings import settings
from tests.attacks.conftest import CallApi
from tests.functions.accounts.conftest import SetConfig

pytestmark = [pytest.mark.attacks, pytest.mark.usefixtures("auth")]

PLATFORMS = "203.0.113.9, 10.0.0.1"
FORGED_HEADERS = (
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Cluster-Client-IP",
    "X-Appengine-User-IP",
    "X-Originating-IP",
    "X-Remote-IP",
    "Forwarded",
    "Via",
)


def attempts(call_api: CallApi, hops: str, product: pytest.MonkeyPatch, *, email: str, forged: str) -> list[int]:
    """The statuses of four attempts, each of which says that it comes from elsewhere."""
    product.setenv("TRUSTED_HOPS", hops)
    settings.cache_clear()
    body = {"email": email, "password": "wrong password"}
    statuses = []
    for number in range(4):
        source = f"for=198.51.{number}.7" if forged == "Forwarded" else f"198.51.{number}.7"
        entries = f"{source}, {PLATFORMS}" if forged == "X-Forwarded-For" else PLATFORMS
        headers = {forged: source, "X-Forwarded-For": entries} if forged != "X-Forwarded-For" else {forged: entries}
        sent = body | {"email": email.format(number)}
        statuses.append(call_api("POST", "/api/login", body=sent, headers=headers).status)
    return statuses


@pytest.mark.parametrize("hops", ["0", "2"])
@pytest.mark.parametrize("forged", ["X-Forwarded-For", *FORGED_HEADERS])
def test_an_account_is_tried_no_more_often_wherever_somebody_says_to_come_from(
    call_api: CallApi, product: pytest.MonkeyPatch, set_config: SetConfig, hops: str, forged: str
) -> None:
    set_config(signInAttempts=2)

    assert attempts(call_api, hops, product, email="ann@example.com", forged=forged) == [401, 401, 429, 429]


@pytest.mark.parametrize("forged", ["X-Forwarded-For", *FORGED_HEADERS])
def test_a_network_tries_no_more_accounts_wherever_it_says_to_be(
    call_api: CallApi, product: pytest.MonkeyPatch, set_config: SetConfig, forged: str
) -> None:
    set_config(signInAttemptsPerNetwork=2)

    assert attempts(call_api, "2", product, email="user{}@example.com", forged=forged) == [401, 401, 429, 429]
