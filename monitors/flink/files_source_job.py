"""File source in Flink: lists chunks of event files, once or as files appear, always in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor
from pyflink.table import DataTypes, Schema
from pyflink.table.udf import udf

from features.events import location
from features.files import file_chunks
from features.window import to_ms
from monitors.flink.sql_job import interval
from monitors.job_spec import JobSpec
from monitors.worker import decoding

_TEXT = DataTypes.STRING()
_TEXTS = DataTypes.ARRAY(DataTypes.STRING())
_DECODED = {"high": DataTypes.BIGINT(), "cells": _TEXTS, "sheets": _TEXTS, "rejects": _TEXTS, "progress": _TEXT}
POLLS_PER_SECOND = 4
"""How often a second the directories are listed."""


class Listing(Protocol):
    """Files by their role, in the order in which a job reads them."""

    def waiting(self, done: frozenset[str]) -> list[tuple[str, Path]]:
        """Return (role, file) of every file not yet *done*."""

    def all(self) -> list[tuple[str, str]]:
        """Return (role, reference) of everything that is there now."""

    def place(self, role: str) -> location.Place:
        """Return where the records of *role* are."""


@dataclass(frozen=True, slots=True)
class Directories:
    """Where a model's predictions and labels appear."""

    predictions: location.Place
    labels: location.Place | None = None

    def waiting(self, done: frozenset[str]) -> list[tuple[str, Path]]:
        """Return (role, file) of every file not yet *done*: labels first, each role in the order of its names.

        Predictions advance event time, and a label counts only while its prediction is stored. Predictions are listed
        first, so that all labels written before them are found: a writer that writes labels before the predictions of a
        later time never loses one.
        """
        predictions = new_files("predictions", self.predictions, done)
        labels = new_files("labels", self.labels, done) if self.labels else []
        return labels + predictions

    def all(self) -> list[tuple[str, str]]:
        """Return (role, reference) of everything that is there now, in the same order, topics included."""
        predictions = [("predictions", part.encode()) for part in location.references(self.predictions)]
        labels = [("labels", part.encode()) for part in location.references(self.labels)] if self.labels else []
        return labels + predictions

    def place(self, role: str) -> location.Place:
        """Return where the events of *role* are."""
        return self.labels if role == "labels" and self.labels else self.predictions


def new_files(role: str, place: location.Place, done: frozenset[str]) -> list[tuple[str, Path]]:
    """Return (role, file) of the files at *place* that are not yet *done*, in the order of their names."""
    return [(role, p) for p in file_chunks.list_files(location.directory(place)) if str(p) not in done]


class _Lister(KeyedProcessFunction):  # type: ignore[misc]
    """Yields, on every tick, the chunks of new files; the files that were listed are checkpointed state."""

    def __init__(self, directories: Listing) -> None:
        self._directories = directories
        self._done: ValueState

    def open(self, runtime_context: RuntimeContext) -> None:
        self._done = runtime_context.get_state(ValueStateDescriptor("done", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        done: frozenset[str] = self._done.value() or frozenset()
        new = self._directories.waiting(done)
        for role, path in new:
            csv = location.csv_format(self._directories.place(role))
            yield from (Row(role, chunk.encode()) for chunk in location.file_references(path, csv))
        if new:
            self._done.update(done | {str(path) for _, path in new})


def create_decoded_view(tables: Any, spec: JobSpec, directories: Directories, *, follow: bool) -> str:
    """Create the view of decoded chunks, with the columns of :data:`monitors.worker.decoding.DECODED`; return its name.

    Parameters
    ----------
    tables
        The table environment.
    spec
        The job's specification.
    directories
        Where the events are.
    follow
        Whether to wait for new files, or to end with those that are there.
    """
    create_chunks(tables, "chunks", directories, follow=follow)
    # Event time moves on with predictions only; labels are facts about the past.
    delay = interval(to_ms(spec.schema.windows.watermark_delay))
    create_decoded(tables, "decoded", _DECODED, partial(decoding.decode_chunk, spec), watermark=f"rt - {delay}")
    return "decoded"


def create_decoded(
    tables: Any, name: str, columns: Mapping[str, Any], decode: Callable[[str, str], Sequence[Any]], *, watermark: str
) -> None:
    """Create the view *name* of the chunks in the view ``chunks``, decoded by a vectorised function.

    Parameters
    ----------
    tables
        The table environment.
    name
        Name of the view.
    columns
        Its columns and their types; ``high`` is the event time of a chunk in ms.
    decode
        Returns the values of the columns for a role and a chunk.
    watermark
        The watermark, an expression of ``rt``, the time of ``high``.
    """

    def decode_chunks(roles: pd.Series, chunks: pd.Series) -> pd.DataFrame:
        rows = [tuple(decode(role, chunk)) for role, chunk in zip(roles, chunks, strict=True)]
        return pd.DataFrame(rows, columns=list(columns))

    kind = DataTypes.ROW([DataTypes.FIELD(column, of) for column, of in columns.items()])
    tables.create_temporary_system_function("decode_chunk", udf(decode_chunks, result_type=kind, func_type="pandas"))
    fields = ", ".join(f"d.{column} AS {column}" for column in columns)
    rows = tables.sql_query(
        f"SELECT {fields} FROM (SELECT decode_chunk(role, chunk) AS d FROM chunks WHERE role <> '')"
    )
    schema = Schema.new_builder()
    for column, of in columns.items():
        schema.column(column, of)
    schema.column_by_expression("rt", "TO_TIMESTAMP_LTZ(high, 3)").watermark("rt", watermark)
    # The crossing to a stream and back makes the planner decode once for all who read it, and gives chunks their time.
    tables.create_temporary_view(name, tables.from_data_stream(tables.to_data_stream(rows), schema.build()))


def create_chunks(tables: Any, name: str, directories: Listing, *, follow: bool) -> None:
    """Create the view *name* (role STRING, chunk STRING): what is there now, or with *follow* what appears."""
    if not follow:
        rows = directories.all()
        fields = [DataTypes.FIELD("role", DataTypes.STRING()), DataTypes.FIELD("chunk", DataTypes.STRING())]
        tables.create_temporary_view(name, tables.from_elements(rows or [("", "")], DataTypes.ROW(fields)))
        return
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE {name}_ticks (n BIGINT) WITH ('connector' = 'datagen', "
        f"'rows-per-second' = '{POLLS_PER_SECOND}', 'fields.n.kind' = 'random')"
    )
    kind = Types.ROW_NAMED(["role", "chunk"], [Types.STRING(), Types.STRING()])
    ticks = tables.to_data_stream(tables.from_path(f"{name}_ticks")).key_by(lambda _: 0, key_type=Types.INT())
    stream = ticks.process(_Lister(directories), output_type=kind).uid(f"{name}-lister")
    tables.create_temporary_view(name, tables.from_data_stream(stream))
