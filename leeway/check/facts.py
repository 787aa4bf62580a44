"""Checks of a model's facts: whether they are there and can be used, and whether each column has a value at all.

A misspelled column reads as missing in all facts, and its feature would be what `empty` says for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from features.errors import DataError
from features.events import location
from features.facts import reading
from features.facts.groups import Group, groups
from features.facts.reading import FactRows
from features.files.file_chunks import Chunk
from features.values.untyped import records_of
from leeway.check.environment import Check
from leeway.project.load import Model
from leeway.project.validation_errors import count

MAX_CHUNKS = 4
"""First chunks of each directory that are read: some hundred thousand facts."""


def facts(model: Model, now: datetime) -> Iterator[Check]:
    """Yield the checks of each of the model's sources of facts."""
    for source in model.facts.sources:
        yield from _of_source(model, source, now)


def _of_source(model: Model, source: str, now: datetime) -> Iterator[Check]:
    """Yield the checks of one source."""
    name, place = f"{model.name}: facts {source}", reading.place(model.facts.sources[source])
    try:
        chunks = [part for part in islice(location.references(place), MAX_CHUNKS) if isinstance(part, Chunk)]
    except DataError as error:
        yield Check(name, "error", f"{error.message}: create the directory, or correct facts.{source}.path")
        return
    if not chunks:
        yield Check(name, "warning", f"{place.path} has no facts yet: every feature of them is what `empty` says")
        return
    of = groups(model.facts)
    read = [reading.read(model.facts, of, source, chunk, now=now) for chunk in chunks]
    rejected = _rejected(read, of_topic=chunks[0].format == "records")
    problems = [*rejected, *(each for group in of if group.source == source for each in _empty(group, read))]
    yield from (Check(name, "warning", problem) for problem in problems)
    if not problems:
        most = max(sum(len(rows.by_group[group.name]) for rows in read) for group in of if group.source == source)
        yield Check(name, "ok", f"{count(most, 'fact')} read, none set aside")


def _rejected(read: Sequence[FactRows], *, of_topic: bool) -> Iterator[str]:
    rejects = [one for rows in read for one in rows.rejects]
    if rejects:
        first = rejects[0]
        place = f"{first.path} offset {first.line}" if of_topic else f"{Path(first.path).name}:{first.line}"
        yield f"{count(records_of(rejects), 'record')} set aside, first {place}: {first.reason}"


def _empty(group: Group, read: Sequence[FactRows]) -> Iterator[str]:
    """Yield a message for each column of a group that has no value in any fact."""
    facts_of = [fact for rows in read for _, fact in rows.by_group[group.name]]
    if not facts_of and not any(rows.rejects for rows in read):
        keys = ", ".join(f"`{column}`" for _, column in group.keys)
        yield f"no fact has a key ({keys}): correct `key` in {', '.join(group.features)}, or the facts"
    for index, (column, kind) in enumerate(group.columns):
        if facts_of and all(fact.values[index] is None for fact in facts_of):
            names = [n for n, each in group.features.items() if (each.column, each.column_kind) == (column, kind)]
            yield f"no fact has a value in `{column}`: correct the column in {', '.join(names)}, or the facts"
