"""What the demo says when its job is not done."""

from typing import Any

import pytest

from local import demo
from local.demo import Client, DemoError, wait_for_balance


class Balance(Client):
    """A session whose user has this many tokens."""

    def __init__(self, tokens: int) -> None:
        super().__init__("http://127.0.0.1:9")
        self.tokens = tokens

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/api/me"
        return {"tokens": self.tokens}


def test_a_price_that_was_not_captured_ends_the_demo() -> None:
    with pytest.raises(DemoError, match="20 tokens, not 19"):
        wait_for_balance(Balance(20), 19, seconds=0)


def test_a_captured_price_does_not() -> None:
    wait_for_balance(Balance(19), 19, seconds=0)


def test_whatever_fails_is_answered_with_the_place_of_the_logs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "make_samples", lambda _folder: None)
    monkeypatch.setattr(demo, "ensure_running", lambda _say: True)
    # Nothing listens there.
    monkeypatch.setattr(demo, "Client", lambda _url: Client("http://127.0.0.1:9"))

    status = demo.main()

    assert status == 1
    assert str(demo.LOGS) in capsys.readouterr().err
