"""Fact features in a job, without Flink: chunks to messages, stored state, and the join of a row's groups."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.events import location
from features.facts import lookup
from features.facts.groups import groups
from features.window import UTC, from_ms
from monitors.job_spec import FIELD_SEPARATOR
from monitors.worker import fact_messages
from monitors.worker.fact_messages import FACTS, ROWS, FactSpec, StoredFacts
from monitors.worker.keyed_state import MemoryState
from tests.support import fact_worlds
from tests.support.fact_worlds import BEGIN, MINUTE, SCHEMA, bits, declared

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def messages(spec: FactSpec, role: str, folder: Path) -> list[str]:
    """Return the messages of all chunks of a folder."""
    parts = [part.encode() for part in location.references(folder)]
    return [m for part in parts for m in fact_messages.decode_chunk(spec, role, part, now=NOW).messages]


def stream(spec: FactSpec, texts: list[str], *, restart_every: int) -> dict[str, dict[str, Any]]:
    """Return the values of rows by id from messages in their order; states are loaded from what is stored, so often."""
    stored: dict[str, MemoryState] = defaultdict(MemoryState)
    states, parts, of = dict[str, Any](), defaultdict[str, list[str]](list), groups(spec.facts)
    for number, text in enumerate(texts):
        if number % restart_every == 0:
            states.clear()
        slot, kind, content = text.split(FIELD_SEPARATOR)
        group = fact_messages.group_of(of, slot)
        state = states.setdefault(slot, StoredFacts(stored[slot]).load(group))
        if kind == FACTS:
            if sum(state.add(fact) for fact in fact_messages.facts_of(content)):
                StoredFacts(stored[slot]).append(content)
        else:
            for place, line in fact_messages.answers(group, state, content, 0):
                parts[place].append(line)
    rows = [json.loads(fact_messages.joined(lines)) for lines in parts.values()]
    return {row["id"]: {name: bits(value) for name, value in row["values"].items()} for row in rows}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 60))
def test_a_stream_that_is_restarted_anywhere_has_the_values_of_a_batch(
    tmp_path_factory: pytest.TempPathFactory, seed: int, files: int, restart_every: int
) -> None:
    """From stored facts to the last bit; rows come after the facts that had to be there, in any cut into files."""
    folder = tmp_path_factory.mktemp("world")
    rows = fact_worlds.requests(30, seed)
    fact_worlds.write(folder / "facts", fact_worlds.records(60, seed), files)
    fact_worlds.write(folder / "rows", rows, 2)
    spec = FactSpec(SCHEMA, declared(folder / "facts"))
    texts = [*messages(spec, "landings", folder / "facts"), *messages(spec, ROWS, folder / "rows")]
    end = from_ms(BEGIN + 200 * MINUTE)
    values = lookup.load(spec.facts, start=from_ms(BEGIN), end=end, now=NOW).values
    made = lookup.add_columns(pa.Table.from_pylist(rows), values).select(["id", *spec.facts.features]).to_pylist()

    expected = {row.pop("id"): {name: bits(value) for name, value in row.items()} for row in made}
    assert expected == stream(spec, texts, restart_every=restart_every)


def test_facts_do_not_advance_event_time(tmp_path: Path) -> None:
    """Rows do, up to the newest that others agree with."""
    fact_worlds.write(tmp_path / "facts", fact_worlds.records(5, 0), 1)
    rows = fact_worlds.requests(30, 0)
    fact_worlds.write(tmp_path / "rows", [*rows, {**rows[0], "time": BEGIN + 10**9}], 1)
    spec = FactSpec(SCHEMA, declared(tmp_path / "facts"))
    highs = [
        fact_messages.decode_chunk(spec, role, part.encode(), now=NOW).high
        for role, folder in (("landings", "facts"), (ROWS, "rows"))
        for part in location.references(tmp_path / folder)
    ]

    assert [0, max(row["time"] for row in rows)] == highs


def test_rewritten_facts_replace_all_others() -> None:
    """Fewer pieces are stored than before, and none of the old ones."""
    group, state = groups(declared())[0], MemoryState()
    stored = StoredFacts(state)
    for number in range(3):
        stored.append(json.dumps([[str(number), BEGIN, BEGIN, ["1", 1.0, None]]]))
    facts = stored.load(group).facts()
    stored.rewrite(facts[1:], BEGIN)

    assert (facts[1:], {"0", "parts", "since"}) == (stored.load(group).facts(), set(state))


def test_a_row_that_is_too_late_has_no_values() -> None:
    """In place of wrong ones: its facts are gone."""
    group = groups(declared())[0]
    rows = json.dumps([[["a", 1], "old", BEGIN], [["a", 2], "new", BEGIN + 1]])
    state = StoredFacts(MemoryState()).load(group)
    lines = [json.loads(line) for _, line in fact_messages.answers(group, state, rows, BEGIN + 1)]

    assert [True, False] == [line["values"] is None for line in lines]
    assert None is json.loads(fact_messages.joined([json.dumps(line) for line in lines]))["values"]
