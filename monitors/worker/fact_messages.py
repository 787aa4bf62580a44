"""Fact features in a Flink job, without Flink: chunks to messages by key, and messages to values of rows.

A message is joined text: the slot (a group and a key, as JSON), what it carries, and that as JSON. All messages of a
slot go to one worker, which holds the slot's :class:`features.facts.key_state.KeyState`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.events import decode, location
from features.facts import reading
from features.facts.declaration import FactFeatures
from features.facts.fact import Fact
from features.facts.groups import Group, groups, key_columns
from features.facts.key_state import KeyState, state_of
from features.files.file_chunks import Chunk
from features.schema import EventSchema, FeatureKind
from features.values.untyped import Reject, dead_letter
from features.window import agreed_newest, to_ms
from monitors.job_spec import FIELD_SEPARATOR, join
from monitors.worker.keyed_state import KeyedState

ROWS, FACTS = "(rows)", "facts"
"""What a message carries; no facts can have the first as their name."""
_PARTS, _SINCE = "parts", "since"
"""Keys of the number of stored pieces, and of the moment before which facts have been dropped."""


@dataclass(frozen=True, slots=True)
class FactSpec:
    """What a worker needs to know: the events of the rows, and the fact features."""

    schema: EventSchema
    facts: FactFeatures

    @property
    def row_schema(self) -> EventSchema:
        """The events of the rows with the key columns alone."""
        keys = dict.fromkeys(key_columns(groups(self.facts)), FeatureKind.CATEGORICAL)
        return self.schema.model_copy(update={"features": keys, "segments": ()})


@dataclass(frozen=True, slots=True)
class Messages:
    """What a chunk gives: messages, dead letters (JSON), and the time (ms) up to which its rows advance event time."""

    high: int
    messages: list[str]
    rejects: list[str]


def decode_chunk(spec: FactSpec, role: str, reference: str, *, now: datetime) -> Messages:
    """Return the messages of a chunk.

    Facts do not advance event time: one that is stamped far ahead closes nothing.

    Parameters
    ----------
    spec
        The job's specification.
    role
        :data:`ROWS`, or the name of the facts.
    reference
        The chunk, as its ``encode()`` wrote it.
    now
        The present, which times are compared with.
    """
    chunk = location.decode(reference)
    assert isinstance(chunk, Chunk)  # rows and facts are in directories
    if role == ROWS:
        return _of_rows(spec, chunk, now)
    rows = reading.read(spec.facts, groups(spec.facts), role, chunk, now=now)
    slots: dict[str, list[Fact]] = defaultdict(list)
    for number, group in enumerate(groups(spec.facts)):
        for key, fact in rows.by_group.get(group.name, ()):
            slots[json.dumps([number, key])].append(fact)
    return Messages(
        0, [join(slot, FACTS, json.dumps(some)) for slot, some in slots.items()], _letters(role, rows.rejects)
    )


def _of_rows(spec: FactSpec, chunk: Chunk, now: datetime) -> Messages:
    """Return the messages of rows, one a group and key."""
    decoded = decode.decode(spec.row_schema, "requests", chunk, now=now)
    columns = {name: decoded.table[name].to_pylist() for name in decoded.table.column_names}
    places = [(chunk.path, int(line)) for line in decoded.lines]
    rows = list(zip(places, columns[decode.ID], columns[decode.TIME], strict=True))
    slots: dict[str, list[Any]] = defaultdict(list)
    for number, group in enumerate(groups(spec.facts)):
        for row, key in zip(rows, zip(*(columns[name] for name in group.row_columns), strict=True), strict=True):
            slots[json.dumps([number, key])].append(row)
    high = agreed_newest(decoded.table[decode.TIME].to_numpy(), to_ms(spec.schema.times.max_jump))
    return Messages(high, [join(slot, ROWS, json.dumps(some)) for slot, some in slots.items()],
                    _letters(ROWS, decoded.rejects))  # fmt: skip


def _letters(role: str, rejects: Iterable[Reject]) -> list[str]:
    return [dead_letter(role, one) for one in rejects]


def slot_of(message: str) -> str:
    """Return the slot of a message."""
    return message[: message.index(FIELD_SEPARATOR)]


def group_of(of: tuple[Group, ...], slot: str) -> Group:
    """Return the group of a slot."""
    return of[int(json.loads(slot)[0])]


def facts_of(content: str) -> list[Fact]:
    """Return the facts that a message carries."""
    return [Fact(i, time, known, tuple(values)) for i, time, known, values in json.loads(content)]


class StoredFacts:
    """The facts of one slot in a stream function's keyed state: pieces that are added, and rewritten when some go.

    Parameters
    ----------
    state
        The keyed state; its values are text.
    """

    def __init__(self, state: KeyedState) -> None:
        self._state = state

    def load(self, group: Group) -> KeyState:
        """Return the facts as a state."""
        parts = int(self._state.get(_PARTS) or 0)
        return state_of(group, (fact for n in range(parts) for fact in facts_of(self._state.get(str(n)))))

    def append(self, content: str) -> None:
        """Store the facts of a message, too."""
        parts = int(self._state.get(_PARTS) or 0)
        self._state.put(str(parts), content)
        self._state.put(_PARTS, str(parts + 1))

    @property
    def since(self) -> int:
        """The moment (ms) before which facts have been dropped; 0 where none has."""
        return int(self._state.get(_SINCE) or 0)

    def rewrite(self, facts: Iterable[Fact], since: int) -> None:
        """Store *facts* in place of all others; those from before *since* (ms) have been dropped."""
        self._state.put(_SINCE, str(since))
        for n in range(int(self._state.get(_PARTS) or 0)):
            self._state.remove(str(n))
        self._state.put(_PARTS, "0")
        self.append(json.dumps(list(facts)))


def answers(group: Group, state: KeyState, content: str, since: int) -> Iterator[tuple[str, str]]:
    """Yield the row's place as text, and its values of one group as JSON, for each row of a message.

    Parameters
    ----------
    group
        The group.
    state
        The facts of the key; empty for a key that is not there.
    content
        What the message carries.
    since
        The earliest time (ms) of a row whose facts are still stored; an earlier one gets no values.
    """
    for place, row_id, time in json.loads(content):
        made = {
            "row": place,
            "id": row_id,
            "time": time,
            "values": _values(group, state, time) if time >= since else None,
        }
        yield json.dumps(place), json.dumps(made)


def _values(group: Group, state: KeyState, time: int) -> dict[str, Any]:
    values = {name: state.value(name, time) for name in group.features}
    return {name: group.fallbacks[name] if value is None else value for name, value in values.items()}


def joined(parts: Iterable[str]) -> str:
    """Return the parts of one row, one a group, as one line; without ``values`` where one of them has none."""
    decoded = [json.loads(part) for part in parts]
    values = [part.pop("values") for part in decoded]
    whole = None if None in values else {name: value for some in values for name, value in some.items()}
    return json.dumps({**decoded[0], "values": whole}, sort_keys=True)
