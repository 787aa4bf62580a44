"""Processes killed during a replay: each report is stored once, each incident is decided once.

One stack runs the replay of a stream whose rule turns round. At each test a part of the replay is sent, and processes
are killed with SIGKILL while it is on its way. `LEEWAY_FAULT_ROUNDS` says how often each is killed, `LEEWAY_FAULT_SEED`
which moments and pairs are chosen.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from features.events import publishing
from leeway import assembly, context
from leeway.context import Context
from leeway.project import environment
from monitors.flink import run_job
from registry import queries
from registry.records import RunState
from tests.support import small_disk as disk
from tests.support import stack_replay as running
from tests.support import turning_concept as turning
from tests.support.small_disk import Disk
from tests.support.stack_replay import Running

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]

SEED = int(os.environ.get("LEEWAY_FAULT_SEED", "6"))


def plan() -> list[tuple[str, ...]]:
    """Return what is killed at once, in order: each alone, then pairs, as often as there are rounds."""
    rng = random.Random(SEED)
    kills: list[tuple[str, ...]] = []
    for _ in range(turning.ROUNDS):
        kills += [(v,) for v in rng.sample(running.VICTIMS, len(running.VICTIMS))]
        kills += [tuple(rng.sample(running.VICTIMS, 2)) for _ in range(3)]
    return kills


PLAN = plan()


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    """A stack whose first version is at work, before the first event; its end is the end of everything."""
    # Not among pytest's own folders: another run of pytest closes them to others, and PostgreSQL may be another user.
    with tempfile.TemporaryDirectory(prefix="leeway-turning-") as made:
        yield from _up(Path(made))


def _up(folder: Path) -> Iterator[Running]:
    turning.write_project(folder)
    with disk.mounted(folder / ".leeway" / "checkpoints", "32m") as checkpoints:
        try:
            running.leeway(folder, "up", "--all")
            with context.open(folder) as opened:
                yield from _begun(opened, checkpoints)
        finally:
            running.leeway(folder, "down", code=None)


def _begun(opened: Context, checkpoints: Disk) -> Iterator[Running]:
    folder = opened.project.folder
    bootstrap = environment.of_stack(opened.dir)["LEEWAY_KAFKA"]
    for topic, partitions in (("turning.predictions", turning.PARTITIONS), ("turning.labels", 1)):
        publishing.ensure(bootstrap, topic, partitions)
    with running.producer(bootstrap) as producer:
        made = Running(folder, opened, checkpoints, producer, {}, [])
        made.send(turning.history(folder))
        producer.flush(timeout=30)
        running.leeway(folder, "retrain", "--first")
        running.leeway(folder, "score", "asked", "predictions/0.jsonl")
        made.left = turning.replay(folder)
        made.expected = _undisturbed(opened)
        yield made


def _undisturbed(opened: Context) -> dict[running.Key, str]:
    folder = opened.project.folder
    spec = assembly.spec(opened, opened.model())
    outcome = run_job.run_once(spec, turning.directories(folder), folder / "logs")
    return {running.key(*r.key[1:]): r.evidence_digest for r in outcome.reports}


def part_ends() -> list[float]:
    """Return the day until which each part of the replay goes: a third before the rule turns, the others after it.

    None is so short that it closes no window.
    """
    early = max(1, min(len(PLAN) // 3, turning.TURN - turning.HISTORY))
    late = len(PLAN) - early
    steady = [turning.HISTORY + (turning.TURN - turning.HISTORY) * (i + 1) / early for i in range(early)]
    return [*steady, *(turning.REACT + (turning.DAYS - turning.REACT) * (i + 1) / (late + 1) for i in range(late))]


@pytest.mark.parametrize("number", range(len(PLAN)), ids=[f"{i}-{'+'.join(k)}" for i, k in enumerate(PLAN)])
def test_a_kill_loses_no_report_and_doubles_none(stack: Running, number: int) -> None:
    """The part of the replay that was on its way is reported as if nothing had happened."""
    until = part_ends()[number]
    if until > turning.REACT and not stack.turned:
        _turn(stack)
    rng = random.Random(f"{SEED}-{number}")
    part = stack.take(until)
    assert not stack.due(part[-1].time) <= stack.known(), "nothing is on its way that the kill could do harm to"
    at, before = rng.randrange(len(part)), stack.restarts()
    stack.send(part[:at])
    for victim in PLAN[number]:
        time.sleep(rng.uniform(0, 3))
        stack.kill(victim)
    stack.send(part[at:])
    stack.recovered(PLAN[number], before)
    stack.caught_up(part[-1].time)
    stack.compare()


def _turn(stack: Running) -> None:
    with stack.nobody_reacts():
        stack.send(part := stack.take(turning.REACT))
        stack.caught_up(part[-1].time)
    stack.turned = True


def test_a_full_disk_for_checkpoints_is_told_and_waited_out(stack: Running) -> None:
    """The job fails and says why, doctor names the disk; with room again it goes on, from its newest checkpoint."""
    if stack.disk.refused:
        pytest.skip(f"a small disk cannot be mounted here: {stack.disk.refused}")
    if not stack.turned:
        _turn(stack)
    part, known = stack.take(turning.DAYS), len(stack.log("monitor-m"))
    assert not _told_of(stack, "no room left")
    stack.killed.append("room for checkpoints")
    with stack.disk.full() as fill:
        stack.send(part)
        stack.until(lambda: _told_by(stack, known, fill), "the monitor's word that its job has failed for want of room")
        assert "has ended (failed)" in stack.log("monitor-m")[known:]
        assert _told_of(stack, f"no room left in {stack.disk.folder}")
    stack.caught_up(part[-1].time)
    stack.compare()
    assert "connected again" in stack.log("monitor-m")[known:]
    assert not _told_of(stack, "no room left")


def _told_by(stack: Running, known: int, fill: Callable[[], None]) -> bool:
    """Keep the disk full, whatever a failed job has given back; return whether the monitor has told of it."""
    fill()
    return f"0 MiB are free in {stack.disk.folder}" in stack.log("monitor-m")[known:]


def _told_of(stack: Running, what: str) -> bool:
    """Return whether doctor tells of the disks, as an error, that *what*."""
    told = json.loads(running.leeway(stack.folder, "doctor", "--json", code=None))["checks"]
    return any((c["name"], c["result"]) == ("disk", "error") and what in c["message"] for c in told)


def test_in_the_end_all_is_as_if_nothing_had_been_killed(stack: Running) -> None:
    """Every report of an undisturbed run, once; one decision an incident; at most one promotion; a log without gaps."""
    if not stack.turned:
        _turn(stack)
    stack.send(stack.take(turning.DAYS + 9))
    stack.until(lambda: set(stack.expected) <= stack.known(), "the last report")
    stack.compare()
    stack.until(lambda: _settled(stack.opened), "a decision for each incident, and its end", 600)
    stack.accounts()


def _settled(opened: Context) -> bool:
    reg = opened.registry
    runs = queries.runs(reg, "m")
    ended = bool(runs) and all(r.state is not RunState.RUNNING for r in runs)
    return ended and not queries.undecided(reg, "m") and bool(queries.incidents(reg, "m"))
