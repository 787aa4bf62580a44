"""Fact features in Flink: rows get their values point in time, in batch and in streaming mode by one keyed function.

::

    chunks of facts and rows -> decode -> messages by group and key -> state of the key -> values of rows
                                       -> dead letters                                     joined by row

A stream answers a row when it comes: facts that were known before its cutoff have had the delay of their source to
come, and the files of facts are read before those of rows. In batch mode, where the order within a key is not defined,
rows wait for the end of their key.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.table import DataTypes, Schema

from features.events import location
from features.facts import reading
from features.facts.declaration import FactFeatures
from features.facts.directory_feed import LATE_ROWS
from features.facts.groups import Group, groups
from features.facts.key_state import KeyState
from features.window import UTC, to_ms
from monitors.flink import files_source_job, state_job
from monitors.flink.sinks_job import Outputs, insert
from monitors.job_spec import FIELD_SEPARATOR
from monitors.worker import fact_messages
from monitors.worker.fact_messages import FACTS, ROWS, FactSpec, StoredFacts
from monitors.worker.keyed_state import KeyedState

_TEXTS = DataTypes.ARRAY(DataTypes.STRING())
_DECODED = {"high": DataTypes.BIGINT(), "messages": _TEXTS, "rejects": _TEXTS}
_PLACED = Types.ROW_NAMED(["place", "line"], [Types.STRING(), Types.STRING()])


@dataclass(frozen=True, slots=True)
class RowsAndFacts:
    """Where rows and facts appear; files of facts are listed first, so that they are there for rows of a later time."""

    rows: location.Place
    facts: FactFeatures

    def waiting(self, done: frozenset[str]) -> list[tuple[str, Path]]:
        """Return (role, file) of every file not yet *done*."""
        rows = files_source_job.new_files(ROWS, self.rows, done)  # listed before facts, and read after them
        facts = [each for n in self.facts.sources for each in files_source_job.new_files(n, self.place(n), done)]
        return facts + rows

    def all(self) -> list[tuple[str, str]]:
        """Return (role, reference) of everything that is there now, in the same order."""
        roles = [*self.facts.sources, ROWS]
        return [(role, part.encode()) for role in roles for part in location.references(self.place(role))]

    def place(self, role: str) -> location.Place:
        """Return where rows, or the facts of that name, are."""
        return self.rows if role == ROWS else reading.place(self.facts.sources[role])


class _Values(KeyedProcessFunction):  # type: ignore[misc]
    """Yields (place of the row, its values of one group as JSON)."""

    def __init__(self, spec: FactSpec, *, waits: bool, lasting: bool) -> None:
        self._groups, self._waits, self._lasting = groups(spec.facts), waits, lasting
        self._stored: Callable[[object], KeyedState]
        self._states: dict[str, KeyState]
        self._rows: dict[str, list[str]]

    def open(self, runtime_context: RuntimeContext) -> None:
        self._stored = state_job.open_state(runtime_context, "facts", Types.STRING(), lasting=self._lasting)
        self._states, self._rows = {}, defaultdict(list)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Store facts, or answer rows; in batch mode rows wait."""
        slot, kind, content = value[0].split(FIELD_SEPARATOR)
        group = fact_messages.group_of(self._groups, slot)
        if kind == FACTS:
            self._add(slot, group, content, ctx)
        elif self._waits:
            self._rows[slot].append(content)
            ctx.timer_service().register_event_time_timer(1)
        else:
            newest = ctx.timer_service().current_watermark()  # none yet, right after a restart
            since = max(newest - to_ms(LATE_ROWS), StoredFacts(self._stored(slot)).since + group.reach)
            yield from self._answers(slot, group, content, since)

    def _add(self, slot: str, group: Group, content: str, ctx: KeyedProcessFunction.Context) -> None:
        """Store the facts of a message; those that count no more go when event time has passed them."""
        state, facts = self._state(slot, group), fact_messages.facts_of(content)
        new = [state.add(fact) for fact in facts]
        if not self._waits and any(new):
            StoredFacts(self._stored(slot)).append(content)
            last = max(fact.time for fact in facts)
            ctx.timer_service().register_event_time_timer(last + group.tile + self._lifetime(group))

    def _state(self, slot: str, group: Group) -> KeyState:
        """Return the state of a slot, which must be the current one: from memory, or as it is stored."""
        if slot not in self._states:
            stored = KeyState(group) if self._waits else StoredFacts(self._stored(slot)).load(group)
            self._states[slot] = stored
        return self._states[slot]

    @staticmethod
    def _lifetime(group: Group) -> int:
        return group.reach + to_ms(LATE_ROWS)

    def _answers(self, slot: str, group: Group, content: str, since: int) -> Iterator[Row]:
        yield from (Row(*pair) for pair in fact_messages.answers(group, self._state(slot, group), content, since))

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Answer the rows that wait (batch), or drop facts that count no more (stream)."""
        slot = ctx.get_current_key()
        group = fact_messages.group_of(self._groups, slot)
        if self._waits:
            for content in self._rows.pop(slot, ()):
                yield from self._answers(slot, group, content, 0)
            self._states.pop(slot, None)
            return
        state = self._state(slot, group)
        before = len(state)
        since = min(timestamp, ctx.timer_service().current_watermark()) - self._lifetime(group)
        state.forget(since)
        if len(state) < before:
            StoredFacts(self._stored(slot)).rewrite(state.facts(), since)


class _Join(KeyedProcessFunction):  # type: ignore[misc]
    """Yields a row's line when its values of all groups are there."""

    def __init__(self, count: int, *, lasting: bool) -> None:
        self._count, self._lasting = count, lasting
        self._parts: Callable[[object], KeyedState]

    def open(self, runtime_context: RuntimeContext) -> None:
        self._parts = state_job.open_state(runtime_context, "parts", Types.STRING(), lasting=self._lasting)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        parts = self._parts(value[0])
        lines = [*json.loads(parts.get("lines") or "[]"), value[1]]
        if len(lines) < self._count:
            parts.put("lines", json.dumps(lines))
            return
        parts.remove("lines")
        yield Row(value[0], fact_messages.joined(lines))


def submit(tables: Any, spec: FactSpec, place: RowsAndFacts, outputs: Outputs, *, streaming: bool, follow: bool) -> Any:
    """Start the job that gives rows their values; return its ``TableResult``.

    Parameters
    ----------
    tables
        The table environment.
    spec
        The rows' events and the fact features.
    place
        Where rows and facts are.
    outputs
        Where lines of values go (as reports), and dead letters.
    streaming
        Whether the environment is in streaming mode.
    follow
        Whether the job waits for new files, or ends with those that are there.
    """
    files_source_job.create_chunks(tables, "chunks", place, follow=follow)
    files_source_job.create_decoded(tables, "decoded", _DECODED, partial(_decode, spec), watermark="rt")
    messages = tables.sql_query("SELECT m AS message FROM decoded CROSS JOIN UNNEST(messages) AS u(m)")
    keyed = tables.to_data_stream(messages).key_by(lambda row: fact_messages.slot_of(row[0]), key_type=Types.STRING())
    values = keyed.process(_Values(spec, waits=not streaming, lasting=follow), output_type=_PLACED).uid("fact-values")
    by_row = values.key_by(lambda row: row[0], key_type=Types.STRING())
    joined = by_row.process(_Join(len(groups(spec.facts)), lasting=follow), output_type=_PLACED).uid("rows")
    schema = Schema.new_builder().column("place", DataTypes.STRING()).column("line", DataTypes.STRING()).build()
    tables.create_temporary_view("answered", tables.from_data_stream(joined, schema))
    return insert(tables, outputs, {
        "reports": "SELECT place AS k, line FROM answered",
        "rejects": "SELECT r AS line FROM decoded CROSS JOIN UNNEST(rejects) AS u(r)",
    })  # fmt: skip


def _decode(spec: FactSpec, role: str, chunk: str) -> tuple[Any, ...]:
    """Return the values of :data:`_DECODED` for a chunk; times of facts are compared with the present."""
    made = fact_messages.decode_chunk(spec, role, chunk, now=datetime.now(UTC))
    return made.high, made.messages, made.rejects
