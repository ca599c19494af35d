"""Fixed windows on a real Firestore emulator."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gcp.errors import RateLimited, Unavailable
from limits.rate_limits import Limit, spend, spend_all, window_reference

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Spend = Callable[..., None]


@pytest.fixture
def spend_tea(db: "Client") -> Spend:
    """A function that spends one of ann's two cups an hour."""

    def spend_one(*, subject: str = "ann", most: int = 2, now: datetime = NOW) -> None:
        spend(db, "tea", subject, most=most, window=HOUR, now=now, message="Two cups an hour.")

    return spend_one


def test_as_many_as_allowed_are_counted_and_the_next_is_refused(spend_tea: Spend) -> None:
    spend_tea()
    spend_tea()

    with pytest.raises(RateLimited, match=r"Two cups an hour\."):
        spend_tea()


@pytest.mark.parametrize(
    ("later", "seconds"),
    [(timedelta(0), "3600"), (timedelta(seconds=3599.5), "1"), (timedelta(minutes=59), "60")],
    ids=["at once", "half a second before the end", "a minute before the end"],
)
def test_a_refusal_says_in_how_many_seconds_the_window_ends(spend_tea: Spend, later: timedelta, seconds: str) -> None:
    spend_tea(most=1)

    with pytest.raises(RateLimited) as refusal:
        spend_tea(most=1, now=NOW + later)

    assert refusal.value.headers["Retry-After"] == seconds


def test_a_new_window_begins_when_the_last_one_ended(spend_tea: Spend) -> None:
    spend_tea(most=1)

    spend_tea(most=1, now=NOW + HOUR)

    with pytest.raises(RateLimited):
        spend_tea(most=1, now=NOW + HOUR * 1.5)


def test_one_subjects_window_is_not_anothers(spend_tea: Spend) -> None:
    spend_tea(most=1)

    spend_tea(most=1, subject="eve")


def test_a_refused_one_is_not_counted(db: "Client", spend_tea: Spend) -> None:
    spend_tea(most=1)
    with pytest.raises(RateLimited):
        spend_tea(most=1)

    assert (window_reference(db, "tea", "ann").get().to_dict() or {})["spent"] == 1


def test_the_document_tells_no_subject_and_when_it_may_go(db: "Client", spend_tea: Spend) -> None:
    spend_tea(subject="ann@example.com")

    (document,) = db.collection("rateLimits").stream()
    assert "ann" not in document.id
    assert document.to_dict() == {"spent": 1, "expireAt": NOW + HOUR}


TEA = Limit("tea", "ann", 2, HOUR, "Two cups an hour.")
CAKE = Limit("cake", "ann", 1, HOUR, "A slice an hour.")


def spent(db: "Client", limit: Limit) -> int:
    return int((window_reference(db, limit.name, limit.subject).get().to_dict() or {"spent": 0})["spent"])


def test_several_limits_are_counted_together(db: "Client") -> None:
    spend_all(db, [TEA, CAKE], NOW)

    assert (spent(db, TEA), spent(db, CAKE)) == (1, 1)


@pytest.mark.parametrize("limits", [[TEA, CAKE], [CAKE, TEA]], ids=["the last is spent", "the first is spent"])
def test_what_one_limit_refuses_no_other_counts(db: "Client", limits: list[Limit]) -> None:
    spend_all(db, [TEA, CAKE], NOW)

    with pytest.raises(RateLimited, match=r"A slice an hour\."):
        spend_all(db, limits, NOW)

    assert (spent(db, TEA), spent(db, CAKE)) == (1, 1)


def test_two_at_once_at_the_last_place_of_either_limit(db: "Client") -> None:
    def attempt(_: int) -> bool:
        try:
            spend_all(db, [TEA, CAKE], NOW)
        except (RateLimited, Unavailable):
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        passed = sum(pool.map(attempt, range(2)))

    assert passed == spent(db, TEA) == spent(db, CAKE)
    assert passed <= 1
    # Whoever lost to contention may try again.
    assert attempt(0) is (passed == 0)
    assert not attempt(0)


@pytest.mark.attacks
def test_those_who_spend_at_once_never_get_more_than_is_allowed(db: "Client", spend_tea: Spend) -> None:
    def attempt(_: int) -> bool:
        try:
            spend_tea(most=5)
        except (RateLimited, Unavailable):
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        allowed = sum(pool.map(attempt, range(9)))

    spent = (window_reference(db, "tea", "ann").get().to_dict() or {})["spent"]
    assert allowed == spent
    assert spent <= 5
    # Whoever lost to contention may try again; nobody's turn was lost with them.
    assert [attempt(0) for _ in range(5 - spent)] == [True] * (5 - spent)
    assert not attempt(0)
