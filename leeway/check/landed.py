"""Checks of what lands for a model: whether all of its tables, topics and views can be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from features.errors import LeewayError
from leeway.check.environment import Check, Result
from leeway.landed import readers
from leeway.landed.readers import Reader
from leeway.landed.tables.table_reader import TableReader
from leeway.landed.topics.topic_reader import TopicReader
from leeway.landed.views.view_reader import ViewReader
from leeway.project.load import Model
from leeway.project.validation_errors import count

MAX_ROWS = 200_000
"""New rows or records of a source that are read; the sample of its events is as large."""
MANY_ROWS = 1_000
"""Rows of one key alone from which on it does not grow."""


def landed(model: Model, now: datetime) -> Iterator[Check]:
    """Read what is new of each of the model's tables, topics and views that land, up to some, and yield its checks."""
    for source in model.landed:
        name = source.name if source.is_facts else f"{source.name} table"
        try:
            reader = readers.reader(source)
            reader.land(now, most=MAX_ROWS)
            problems = list(_problems(reader))
            yield from (Check(name, result, message) for result, message in problems)
            if not problems:
                yield Check(name, "ok", _all_read(reader))
        except LeewayError as error:
            yield Check(name, "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
        except OSError as error:
            yield Check(name, "error", f"what is new cannot be written to {source.folder}: {error}")


def _all_read(reader: Reader) -> str:
    so_far, source = reader.so_far(), reader.source
    what = f"{count(so_far.total, source.unit.removesuffix('s'))} of {source.label} read"
    return f"{what}, up to {so_far.cursor}" if so_far.cursor else what


def _problems(reader: Reader) -> Iterator[tuple[Result, str]]:
    """Yield result and message of what keeps rows or records from being read, or makes that slow."""
    if isinstance(reader, TableReader):
        yield from _of_table(reader)
    if isinstance(reader, TopicReader):
        yield from _of_topic(reader)
    if isinstance(reader, ViewReader):
        yield from _of_view(reader)


def _of_view(reader: ViewReader) -> Iterator[tuple[Result, str]]:
    """Yield what keeps facts from being read by a view's query. Raises ProjectError where it is none."""
    so_far = reader.so_far()
    if not so_far.total:
        reader.examine()
    if so_far.set_aside:
        yield (
            "warning",
            f"{count(so_far.set_aside, 'record')} could not be used: see the dead letters of {reader.source.name}",
        )


def _of_topic(reader: TopicReader) -> Iterator[tuple[Result, str]]:
    """Yield what has been deleted from a topic before it was read, or may be."""
    label = reader.source.label
    if lost := reader.landed().lost:
        yield (
            "error",
            f"{count(lost, 'offset')} of {label} had been deleted before they were read: raise its retention.ms, or "
            "let `leeway up` follow it",
        )
    if reader.compacted():
        yield (
            "warning",
            f"{label} is compacted: a version of a fact that is replaced before it is read is missing; set its "
            "cleanup.policy to delete",
        )


def _of_table(reader: TableReader) -> Iterator[tuple[Result, str]]:
    """Yield what keeps rows of a table from being read, or makes it slow."""
    table, landed = reader.table, reader.landed()
    key = table.table.key
    if unusable := reader.queries.count_unusable():
        what = "whole number" if table.table.counts else "time in ISO 8601"
        fix = "give them one, or declare another key" if landed.total else "an overlap of the other kind may be meant"
        yield "error", f"{count(unusable, 'row')} without a {what} in `{key}`, and never read: {fix}"
    if landed.start is not None and (lost := _too_late(reader)):
        yield (
            "error",
            f"{count(lost, 'row')} became visible more than the overlap behind the largest `{key}`, and never read: "
            f"raise {table.key}.overlap, so that all rows are read again",
        )
    if landed.total >= MANY_ROWS and landed.start is None and landed.has_one_key:
        yield "error", f"`{key}` is {landed.high_text} in all {landed.total:,} rows: declare a column that grows"
    if not reader.queries.is_indexed():
        yield "warning", f"no index of {table.table.name} begins with `{key}`: each reading goes through all rows"


def _too_late(reader: TableReader) -> int:
    """Return how many rows before the place from which the next query reads have not landed, at least."""
    landed = reader.landed()
    if landed.start is None:
        return 0
    return max(reader.queries.count_below(landed.start[1]) - landed.total_before_start, 0)
