"""The keyed function of fact features, without a cluster: facts are dropped when rows have passed them, not before."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from features.facts.groups import groups
from features.window import to_ms
from monitors.flink import fact_features_job
from monitors.flink.fact_features_job import LATE_ROWS
from monitors.job_spec import join
from monitors.worker.fact_messages import FACTS, ROWS, FactSpec, StoredFacts
from monitors.worker.keyed_state import MemoryState
from tests.support.fact_worlds import BEGIN, MINUTE, SCHEMA, declared

SPEC = FactSpec(SCHEMA, declared())
SLOT = json.dumps([0, ["UA"]])
GROUP = groups(SPEC.facts)[0]
GONE = "gone"
LIFETIME = GROUP.reach + to_ms(LATE_ROWS)


@dataclass
class Context:
    """What Flink passes to the function: the watermark, the key, and timers that it collects."""

    watermark: int = 0
    timers: set[int] = field(default_factory=set)

    def timer_service(self) -> Context:
        """Return what sets timers."""
        return self

    def current_watermark(self) -> int:
        """Return the watermark."""
        return self.watermark

    def register_event_time_timer(self, time: int) -> None:
        """Collect a timer."""
        self.timers.add(time)

    def get_current_key(self) -> str:
        """Return the key."""
        return SLOT


class Worker:
    """A function on a worker, with what it has stored; another one begins from that."""

    def __init__(self, *, waits: bool, stored: dict[Any, MemoryState] | None = None) -> None:
        self.stored = defaultdict(MemoryState) if stored is None else stored
        self.context = Context()
        self._function = fact_features_job._Values(SPEC, waits=waits, lasting=False)
        self._function.open(None)  # type: ignore[arg-type]
        self._function._stored = lambda key: self.stored[key]

    def facts(self, *minutes: int) -> None:
        """Send facts that happened at some minutes, of their minute as the value."""
        facts = [[str(m), BEGIN + m * MINUTE, BEGIN + m * MINUTE, [str(m), float(m), None]] for m in minutes]
        assert [] == self._send(FACTS, facts)

    def rows(self, *times: int) -> list[Any]:
        """Send rows of some times (ms), and return the sums that they get at once; GONE where they get no values."""
        return self._send(ROWS, [[["a", number], f"r{number}", time] for number, time in enumerate(times)])

    def _send(self, kind: str, content: Any) -> list[Any]:
        return self._sums(self._function.process_element([join(SLOT, kind, json.dumps(content))], self.context))

    def fire(self, time: int) -> list[Any]:
        """Fire a timer, and return the sums of rows that get them."""
        return self._sums(self._function.on_timer(time, self.context))

    @staticmethod
    def _sums(rows: Any) -> list[Any]:
        values = [json.loads(row[1])["values"] for row in rows]
        return [GONE if value is None else value["sum"] for value in values]

    def in_store(self) -> set[str]:
        """Return the ids of the stored facts."""
        return {fact.id for fact in StoredFacts(self.stored[SLOT]).load(GROUP).facts()}


def test_a_stream_answers_at_once_and_a_batch_at_the_end_of_its_key() -> None:
    """In a batch facts may come after their rows."""
    stream, batch = Worker(waits=False), Worker(waits=True)
    stream.facts(1, 2)

    assert [3.0] == stream.rows(BEGIN + 10 * MINUTE)
    assert [] == batch.rows(BEGIN + 10 * MINUTE)
    batch.facts(1, 2)
    assert ([3.0], {1}) == (batch.fire(1), batch.context.timers)
    assert [] == batch.fire(1)


def test_facts_go_when_rows_have_passed_them() -> None:
    """By their window, the delay, a tile and two days; from the store, too, and not before the timer's own time."""
    worker = Worker(waits=False)
    worker.facts(1, 3)
    worker.facts(17)
    first, second = sorted(worker.context.timers)
    worker.context.watermark = second - 1
    worker.fire(first)

    assert BEGIN + 3 * MINUTE + GROUP.tile + LIFETIME == first
    assert {"17"} == worker.in_store()
    worker.context.watermark = second
    worker.fire(second)
    assert set() == worker.in_store()


def test_a_late_row_has_its_values_or_none_at_all() -> None:
    """A day behind the newest rows it has those that it would have had; later than that nobody knows."""
    worker, row = Worker(waits=False), BEGIN + 10 * MINUTE
    worker.facts(1, 3, 17)
    worker.context.watermark = row + to_ms(LATE_ROWS)

    assert [4.0, GONE] == worker.rows(row, row - 1)


def test_what_was_dropped_is_still_known_after_a_restart() -> None:
    """There is no watermark yet then; a row whose facts are gone has no values, in place of wrong ones."""
    worker = Worker(waits=False)
    worker.facts(1, 3, 17)
    (last,) = worker.context.timers
    worker.context.watermark = last
    worker.fire(last)
    again = Worker(waits=False, stored=worker.stored)
    earliest = last - LIFETIME + GROUP.reach

    assert [None, GONE] == again.rows(earliest, earliest - 1)


def test_facts_that_come_again_are_stored_once() -> None:
    """A file that is read again costs no room."""
    worker = Worker(waits=False)
    worker.facts(1, 2)
    pieces = dict(worker.stored[SLOT])
    worker.facts(2, 1)

    assert pieces == worker.stored[SLOT]
