"""A body over the limit is refused in the API's shape, and whoever sends it stops nobody."""

import pytest
import requests

from local.cloud import LocalCloud


@pytest.mark.parametrize("size_bytes", [524_289, 5_000_000, 5_000_001, 31_500_000])
def test_a_body_over_the_limit_is_refused_and_the_next_request_served(cloud: LocalCloud, size_bytes: int) -> None:
    url = f"{cloud.base_url}/api/login"

    refused = requests.post(url, data=b" " * size_bytes, headers={"Content-Type": "application/json"}, timeout=60)
    served = requests.post(url, json={}, timeout=60)

    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")
    assert served.status_code == 422
