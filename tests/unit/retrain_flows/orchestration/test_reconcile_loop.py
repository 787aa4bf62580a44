"""The reconcile loop: a run where there is something new to act on, one at a time, and patience after failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from features import errors
from retrain_flows.orchestration.reconcile_loop import Progress, ReconcileLoop

MINUTE = 60.0
HOUR = 60 * MINUTE


class World:
    """What the loop sees: digests by model, the runs it has started, and how far these are."""

    def __init__(self, *models: str) -> None:
        self.waiting = dict.fromkeys(models, "")
        self.started: list[str] = []
        self.progress = Progress.DONE
        self.lines: list[str] = []
        self.away = False
        self.closed = ""
        self.looks = 0
        self.loop: ReconcileLoop[int] = ReconcileLoop(
            models, timedelta(minutes=1), waiting=self._waiting, start=self._start, progress=lambda run: self.progress,
            say=self.lines.append,
        )  # fmt: skip

    def _waiting(self, models: Sequence[str]) -> dict[str, str | errors.LeewayError]:
        self.looks += 1
        if self.closed:
            raise errors.RegistryAway(self.closed)
        broken = errors.NotFound("there is no such model")
        return {model: broken if self.waiting[model] == "broken" else self.waiting[model] for model in models}

    def _start(self, model: str) -> int:
        if self.away:
            raise ConnectionRefusedError
        self.started.append(model)
        return len(self.started)


def test_with_nothing_to_do_nothing_is_started() -> None:
    """However often it looks."""
    world = World("a", "b")
    for minute in range(1000):
        world.loop.look(minute * MINUTE)
    assert [] == world.started


def test_what_has_been_acted_on_is_left_alone_for_an_hour() -> None:
    """A deferred decision starts no run each minute; what it waits for may depend on the clock, so it is seen again."""
    world = World("a")
    world.waiting["a"] = "deferred"
    for minute in range(60):
        world.loop.look(minute * MINUTE)
    assert ["a"] == world.started
    world.loop.look(HOUR)
    assert ["a", "a"] == world.started


def test_a_change_is_acted_on_at_the_next_look() -> None:
    """A later window, a matured label's window, an end of a run."""
    world = World("a")
    for minute, digest in enumerate(["first", "first", "second", "second", ""]):
        world.waiting["a"] = digest
        world.loop.look(minute * MINUTE)
    assert ["a", "a"] == world.started


def test_a_model_has_one_run_at_a_time_and_holds_up_no_other() -> None:
    """What changes meanwhile is acted on when the run has ended."""
    world = World("a", "b")
    world.progress = Progress.RUNNING
    world.waiting["a"] = "1"
    world.loop.look(0)
    world.waiting.update(a="2", b="1")
    world.loop.look(MINUTE)
    assert ["a", "b"] == world.started
    world.progress = Progress.DONE
    world.loop.look(2 * MINUTE)
    assert ["a", "b", "a"] == world.started


def test_a_run_that_fails_is_repeated_with_growing_pauses() -> None:
    """2, 4, 8, 16, 32 minutes, then each hour; a success ends that."""
    world = World("a")
    world.waiting["a"], world.progress = "same", Progress.FAILED
    times = []
    for minute in range(300):
        before = len(world.started)
        world.loop.look(minute * MINUTE)
        times += [minute] * (len(world.started) - before)
    assert [0, 2, 6, 14, 30, 62, 122, 182, 242] == times


def test_an_error_of_one_model_is_printed_once_and_stops_no_other() -> None:
    """Until it is over, and comes again."""
    world = World("a", "b")
    world.waiting.update(a="broken", b="1")
    for minute in range(3):
        world.loop.look(minute * MINUTE)
    assert (["b"], ["a cannot be looked after now: there is no such model"]) == (world.started, world.lines)
    for digest in ("", "broken"):
        world.waiting["a"] = digest
        world.loop.look(5 * MINUTE)
    assert 2 == len(world.lines)


def test_while_the_server_is_away_alerts_are_sent_and_nothing_is_forgotten() -> None:
    """Each look still asks for what waits, which sends alerts; the runs are started when the server is back."""
    world = World("a", "b")
    world.waiting.update(a="1", b="1")
    world.away = True
    for minute in range(3):
        with pytest.raises(ConnectionRefusedError):
            world.loop.look(minute * MINUTE)
    world.away = False
    world.loop.look(3 * MINUTE)
    assert (["a", "b"], 4) == (world.started, world.looks)


def test_a_registry_that_is_away_is_looked_for_again() -> None:
    """One line for each model, and no end of the loop."""
    world = World("a", "b")
    world.closed = "the registry does not answer"
    world.loop.look(0)
    world.loop.look(MINUTE)
    assert 2 == len(world.lines)
    world.closed, world.waiting["b"] = "", "1"
    world.loop.look(2 * MINUTE)
    assert ["b"] == world.started
