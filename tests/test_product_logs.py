"""The log of the whole test run, which tests/product_logs.py listened to; tests/conftest.py runs this module last."""

import json

import pytest

from contracts import log
from tests.product_logs import ProductLogs, leaks_of, private_texts

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f'{{"event": "called", "token": "{TOKEN}"}}', "token"),
        ('{"event": "called", "header": "Bearer abcdefgh1234"}', "authorization"),
        ('{"event": "called", "path": "/api/videos/ann/1.mp4?expires=1&signature=ab"}', "signature"),
        ('{"event": "called", "url": "https://example.com/o?X-Goog-Signature=ab"}', "signature"),
        ('{"event": "called", "who": "ann@example.com"}', "address"),
        ('{"event": "called", "what": "Two friends talk about the weather."}', "text"),
    ],
)
def test_a_line_that_holds_a_secret_is_noticed(line: str, kind: str) -> None:
    assert [leak.kind for leak in leaks_of(line, ["Two friends talk about the weather."])] == [kind]


def test_a_line_of_ids_and_service_accounts_is_none() -> None:
    line = json.dumps({"user_id": "ann", "account": "tasks-invoker@demo-x.iam.gserviceaccount.com", "job_id": "5" * 32})

    assert leaks_of(line, ["Two friends talk about the weather."]) == []


def test_the_private_texts_of_a_body_are_found_at_any_depth() -> None:
    body = {
        "email": "ann@example.com",
        "dialogue": [{"speaker": "ada", "text": 'She said: "rain again".'}],
        "job": {"message": "short"},
        "error": {"message": "A field is missing in this request."},
    }

    assert list(private_texts(body)) == ["ann@example.com", 'She said: \\"rain again\\".']


def test_no_line_that_was_logged_in_this_run_holds_a_secret(product_logs: ProductLogs) -> None:
    log.info("trigger_called", function="the test itself")

    assert product_logs.line_count > 0
    leaks = product_logs.leaks + product_logs.cloud_leaks()
    assert leaks == [], f"{len(leaks)} of {product_logs.line_count} lines"
