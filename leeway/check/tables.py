"""Checks of a model's tables: whether they can be read as they are declared, and whether all of their rows are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from features.errors import LeewayError
from leeway.check.environment import Check, Result
from leeway.project.load import Model
from leeway.project.tables import LandedTable
from leeway.project.validation_errors import count
from leeway.tables.table_reader import TableReader

MAX_ROWS = 200_000
"""New rows of a table that are read; the sample of its events is as large."""
MANY_ROWS = 1_000
"""Rows of one key alone from which on it does not grow."""


def tables(model: Model, now: datetime) -> Iterator[Check]:
    """Read the new rows of each of the model's tables, up to some, and yield its checks."""
    for table in model.tables:
        name = table.name if table.is_facts else f"{table.name} table"
        try:
            reader = TableReader(table)
            reader.land(now, most=MAX_ROWS)
            problems = list(_problems(reader))
            yield from (Check(name, result, message) for result, message in problems)
            if not problems:
                yield Check(name, "ok", _all_read(table, reader))
        except LeewayError as error:
            yield Check(name, "error", f"{error.message}{'; ' + error.hint if error.hint else ''}")
        except OSError as error:
            yield Check(name, "error", f"its rows cannot be written to {table.folder}: {error}")


def _all_read(table: LandedTable, reader: TableReader) -> str:
    landed = reader.landed()
    return f"{count(landed.total, 'row')} of {table.table.name} read, up to {table.table.key} {landed.high_text}"


def _problems(reader: TableReader) -> Iterator[tuple[Result, str]]:
    """Yield result and message of what keeps rows of the table from being read, or makes it slow."""
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
