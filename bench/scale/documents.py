"""What lists read when there are 10,000 documents, beside what they read when there are 100.

    .venv/bin/python bench/scale/documents.py

Character lists and the activity log, each first and second page, on Google's Firestore emulator behind a meter: calls
of Firestore and documents read. They are the same at both sizes, or it exits with 1.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from flask import Request, Response
from google.cloud.firestore import Client
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from accounts.sessions import issue_session
from activities.statistics import ActivityStats
from bench.report import machine
from bench.scale.firestore_meter import FirestoreMeter, Operations
from bench.services import services
from bench.serving import SECRET, function_environment
from characters.stars import MAX_STARS
from config.platform import effective_config
from gcp import clients
from gcp.page import NEXT_PAGE_HEADER
from local.addresses import HOST, PROJECT_ID, Ports
from routes import ROUTES, siblings
from tests.functions.costs.documents import character_id, documents
from tests.functions.things import NOW

SIZES = (100, 10_000)
LIMIT = 20  # both sizes fill two pages and have more
PORTS = Ports().shifted(14_000)
METER_PORT = 29_011
USER = "ann"
PAGED = ("/api/characters", "/api/my-characters", "/api/my-favorites", "/api/my-activities")
COMBINED = ("/api/characters-combined", "/api/my-activities-combined", "/api/my-activity-stats")
KINDS = ("characters/", "users/")  # of all that the table of costs is measured with


def fill(db: Client, numbers: Iterable[int]) -> None:
    """The user has a character and an activity of each of these numbers."""
    writer = db.bulk_writer()
    for number in numbers:
        for path, fields in documents(USER, number, NOW + timedelta(seconds=number)):
            if path.startswith(KINDS):
                writer.set(db.document(path), fields)
    writer.close()  # type: ignore[no-untyped-call]  # the package leaves it so


def finish(db: Client, size: int) -> None:
    """The user's stars and statistics are those of so many: a user has at most MAX_STARS."""
    stars = {character_id(number): NOW + timedelta(seconds=number) for number in range(min(size, MAX_STARS))}
    db.document("stars", USER).set({"characters": stars, "updatedAt": NOW})
    counted = ActivityStats(script_activities=size, total_activities=size, last_activity_at=NOW)
    db.document("activityStats", USER).set(counted.to_document())


def ask(path: str, query: Mapping[str, str]) -> Response:
    """The operation's answer, as Hosting would have it called. Raises SystemExit when it is none."""
    token = issue_session(USER, [SECRET], now=datetime.now(UTC))
    headers = Headers({"Authorization": f"Bearer {token}"})
    first = siblings(next(route for route in ROUTES if route.match(path) is not None))[0]
    request = Request(EnvironBuilder(path=path, query_string=dict(query), headers=headers).get_environ())
    answer: Response = getattr(import_module(first.module), first.function)(request)
    if answer.status_code != 200:
        raise SystemExit(f"{path}: {answer.status_code} {answer.get_data(as_text=True)}")
    return answer


def measure(meter: FirestoreMeter) -> dict[str, Operations]:
    """What each list costs, by its name and page."""
    effective_config(clients.firestore())  # read once in half a minute, with no operation in particular
    costs: dict[str, Operations] = {}

    def cost(name: str, path: str, query: Mapping[str, str]) -> Response:
        before = meter.read()
        answer = ask(path, query)
        costs[name] = meter.read() - before
        return answer

    limit = {"limit": str(LIMIT)}
    for path in PAGED:
        token = cost(path, path, limit).headers[NEXT_PAGE_HEADER]
        cost(f"{path}, page 2", path, limit | {"pageToken": token})
    for path in COMBINED:
        cost(path, path, limit)
    return costs


def print_report(found: Mapping[int, Mapping[str, Operations]]) -> bool:
    """Whether the sizes cost the same."""
    few, many = (found[size] for size in SIZES)
    print(f"## Lists of {SIZES[0]:,} and of {SIZES[1]:,} documents\n\n{machine()}\n")
    print(f"| operation, pages of {LIMIT} | calls with {SIZES[0]:,} | with {SIZES[1]:,} | documents read | | ratio |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, one in few.items():
        other = many[name]
        print(f"| {name} | {one.calls} | {other.calls} | {one.reads} | {other.reads} | {other.reads / one.reads:.2f} |")
    differing = [name for name in few if few[name] != many[name]]
    said = f"These differ: {', '.join(differing)}." if differing else "No operation costs more where there is more."
    more = [path for path in PAGED for found_by_size in found.values() if is_dearer(found_by_size, path)]
    pages = (
        f"{' and '.join(sorted(set(more)))} read more for page 2" if more else "No page 2 reads more than its page 1"
    )
    print(f"\n{said} {pages}. Of favourites the user has as many as of characters, but at most {MAX_STARS:,}.")
    return not differing


def is_dearer(costs: Mapping[str, Operations], path: str) -> bool:
    """Whether the list's second page reads more than its first."""
    return costs[f"{path}, page 2"].reads > costs[path].reads


def main() -> int:
    environment = function_environment(PORTS)
    with tempfile.TemporaryDirectory() as folder, services(PORTS, Path(folder)):
        emulator = environment["FIRESTORE_EMULATOR_HOST"]
        os.environ.update(environment)
        db, found, filled = Client(project=PROJECT_ID), {}, 0
        identity = Identity(USER, "Ann", "ann@example.com", has_password=True)
        ensure_user(db, identity, InitialTokens(20, SECRET), now=NOW)
        os.environ["FIRESTORE_EMULATOR_HOST"] = f"{HOST}:{METER_PORT}"
        with FirestoreMeter(emulator, METER_PORT) as meter:
            for size in SIZES:
                fill(db, range(filled, size))
                finish(db, filled := size)
                print(f"  there are {size} documents of each kind", file=sys.stderr, flush=True)
                found[size] = measure(meter)
    return int(not print_report(found))


if __name__ == "__main__":
    sys.exit(main())
