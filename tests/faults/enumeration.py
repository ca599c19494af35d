"""An operation killed at every one of its calls, before it and after it, and what everything else makes of that."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.crashes import Death, Process, deaths
from tests.faults.invariants import at_rest_problems, read_documents, unsound
from tests.faults.redelivery import NeverAtRestError, listeners, settle_down, sleep_over_it
from tests.faults.world import Template, World
from tokens.audit import Place, audit_pages
from tokens.audit_rules import Disagreement

Act = Callable[[World, Process], object]
# Raises AssertionError where the world, which is at rest, is not what it should have become.
Expect = Callable[[World], None]


class Tried(NamedTuple):
    """What was enumerated of one operation: points where it died, and how many different states that left behind."""

    operation: str
    points: int
    states: int
    calls: Counter[str]


# Of this run, for its summary.
TRIED: list[Tried] = []


def try_every_point(
    name: str,
    start: World,
    act: Act,
    *,
    expect: Expect | None = None,
    repeat: Act | None = None,
    meanwhile: Callable[[World], None] | None = None,
    alike: bool = True,
    choose: Callable[[list[str]], list[Death]] | None = None,
) -> Tried:
    """The operation was killed at every point, each time in a world of its own, and each of these came to rest.

    `act` works as the process that it is given; `repeat` is what its caller does when no answer came. `meanwhile`
    happens right after the death. With `alike`, all worlds end as the one does in which nobody died. Raises
    AssertionError with everything that any of them got wrong.

    A process that is gone is known by nothing but what it left behind. So where two deaths left the very same state,
    as before and after a read, what follows is the same too, and is looked at once. `choose` takes some points of these
    calls where all would take too long; the summary tells how many there were.
    """
    template, begins_sound = Template(start), not unsound(start.documents)
    rehearsal, world = Process(), template.only_world()
    act(world, rehearsal)
    calls = list(rehearsal.calls)
    problems = [f"undisturbed: {each}" for each in _aftermath(world, expect)]
    undisturbed = outline(world)
    points, seen = choose(calls) if choose else list(deaths(len(calls))), set[str]()
    for death in points:
        world, process = template.only_world(), Process(death)
        _die(act, world, process)
        where = f"{death.moment} call {death.number}, {calls[death.number - 1]}"
        if not process.is_dead or process.calls != calls[: death.number]:
            problems.append(f"{where}: was not reached by {process.calls}")
            continue
        if begins_sound:
            problems += [f"{where}, at once: {each}" for each in unsound(read_documents(world.db))]
        state = world.state()
        if state in seen:
            continue
        seen.add(state)
        if meanwhile:
            meanwhile(world)
        if repeat:
            repeat(world, Process())
        problems += [f"{where}: {each}" for each in _aftermath(world, expect)]
        if alike and (ended := outline(world)) != undisturbed:
            problems.append(f"{where}: too much {dict(ended - undisturbed)}, too little {dict(undisturbed - ended)}")
    tried = Tried(name, len(points), len(seen), Counter(calls))
    TRIED.append(tried)
    assert not problems, f"{name}: {len(problems)} problems at {len(points)} points\n" + "\n".join(problems)
    return tried


def _die(act: Act, world: World, process: Process) -> None:
    try:
        act(world, process)
    except BaseException:
        # What a dead process makes of its end, nobody hears.
        if not process.is_dead:
            raise


def _aftermath(world: World, expect: Expect | None) -> list[str]:
    try:
        settle_down(world)
    except NeverAtRestError as error:
        return [str(error)]
    problems = at_rest_problems(world.db, world.bucket)
    # Before the nightly functions, which would mend it.
    problems += [f"the audit finds {each}" for each in audit_findings(world)]
    sleep_over_it(world)
    problems += [f"a day later: {each}" for each in at_rest_problems(world.db, world.bucket, swept=True)]
    if expect:
        try:
            expect(world)
        except AssertionError as error:
            problems.append(str(error))
    return problems


def outline(world: World) -> Counter[str]:
    """How many documents and objects of which kind there are; the last word of a runner that died says nothing."""
    counted: Counter[str] = Counter()
    for path, fields in world.documents.items():
        if path.startswith("runnerReports/"):
            continue
        collection = "/".join(path.split("/")[0:1] + path.split("/")[2:3])
        kind = [str(fields[name]) for name in ("type", "kind", "status", "state") if isinstance(fields.get(name), str)]
        counted[" ".join([collection, *kind])] += 1
    counted.update(f"objects in {name.partition('/')[0]}" for name in world.objects())
    return counted


def audit_findings(world: World) -> list[Disagreement]:
    """What the product's own audit says, which repairs nothing here."""
    with world.functions():
        pages = audit_pages(world.db, Place(), world.clock.now, repair=False)
        return [found.disagreement for page in pages for found in page.findings]


def hear(name: str) -> Act:
    """The function of that name is told of every event that waits; all of them are delivered again afterwards."""
    (listener,) = (each for each in listeners() if each.name == name)

    def act(world: World, process: Process) -> None:
        heard = [event for event in world.events if listener.hears(event)]
        assert heard, f"nothing to hear for {name}"
        with world.functions(process):
            for event in heard:
                listener.tell(event)

    return act
