"""Kafka source in Flink: records as bytes with their partition and offset, decoded in one vectorised step.

Event time is the records' own timestamp. Each partition has its own watermark, so partitions may run ahead of each
other. Labels are a separate source: they hold back the windows of outcomes, never those of inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf

from features.conventions import MAX_AHEAD, Times
from features.kafka.records import Records
from features.schema import EventSchema, Role, Source
from features.window import to_ms
from monitors.flink import kafka_table
from monitors.flink.sql_job import first_row, interval, retime
from monitors.job_spec import JobSpec
from monitors.worker import decoding

_TEXTS = DataTypes.ARRAY(DataTypes.STRING())
COLUMNS = {"cells": "ARRAY<STRING>", "sheets": "ARRAY<STRING>", "rejects": "ARRAY<STRING>", "progress": "STRING"}
"""Columns of decoded batches, with their SQL types."""
Decode = Callable[[Role, Records], Iterable[object]]
"""Takes a role and records of it to the values of a view's columns."""


@dataclass(frozen=True, slots=True)
class Topics:
    """A model's topics as a job reads them.

    Parameters
    ----------
    predictions
        Topic of predictions.
    labels
        Topic of labels, if any.
    group
        Consumer group whose offsets show the job's progress.
    idle
        Time without records after which a partition no longer holds back the others. It is not used if *bounded*.
    subtasks
        Number of readers of predictions and of labels.
    bounded
        Whether the job ends where the topics end now.
    """

    predictions: Source
    labels: Source | None
    group: str
    idle: timedelta = timedelta(seconds=30)
    subtasks: tuple[int, int] = (1, 1)
    bounded: bool = False


def create_views(tables: Any, spec: JobSpec, topics: Topics) -> tuple[str, str]:
    """Create views of decoded batches, with :data:`COLUMNS`; return the names of that of predictions and of labels."""
    predictions, *labels = create_decoded(tables, spec.schema, topics, COLUMNS, partial(decoding.decode_records, spec))
    return predictions, labels[0] if labels else predictions


def create_decoded(
    tables: Any, schema: EventSchema, topics: Topics, columns: Mapping[str, str], decode: Decode
) -> list[str]:
    """Create a view of decoded batches for each topic, predictions first; return their names.

    Parameters
    ----------
    tables
        The table environment.
    schema
        The model's events.
    topics
        What is read.
    columns
        The views' columns with their SQL types, STRING or ARRAY<STRING>; none is null, and the first tells a batch.
    decode
        Takes a role and records to the values of the columns.
    """
    first, second = topics.subtasks
    views = [_decoded(tables, schema, topics, ("predictions", topics.predictions, first), columns, decode)]
    if topics.labels:
        views.append(_decoded(tables, schema, topics, ("labels", topics.labels, second), columns, decode))
    return views


def _decoded(
    tables: Any,
    schema: EventSchema,
    topics: Topics,
    topic: tuple[Role, Source, int],
    columns: Mapping[str, str],
    decode: Decode,
) -> str:
    """Create the view of one topic's decoded batches; return its name."""
    role, source, subtasks = topic
    options = {**_options(topics), "scan.parallelism": str(subtasks)}
    _table(tables, f"{role}_topic", kafka_table.options(source.bootstrap, source.topic or "", options), schema)
    kinds = {name: DataTypes.STRING() if kind == "STRING" else _TEXTS for name, kind in columns.items()}
    result = DataTypes.ROW([DataTypes.FIELD(name, kind) for name, kind in kinds.items()])

    def decode_batch(partitions: pd.Series, offsets: pd.Series, values: pd.Series) -> pd.DataFrame:
        records = Records.of(source, partitions.to_list(), offsets.to_list(), values.to_list())
        fields_of_batch = decode(role, records) if len(values) else None
        return first_row(columns, fields_of_batch, len(values))

    function = f"decode_{role}"
    tables.create_temporary_system_function(function, udf(decode_batch, result_type=result, func_type="pandas"))
    fields = ", ".join(f"d.{name} AS {name}" for name in columns)
    query = (
        f"SELECT {fields} FROM (SELECT {function}(`partition`, `offset`, v) AS d FROM {role}_topic) "
        f"WHERE d.{next(iter(columns))} IS NOT NULL"
    )
    # The crossing to a stream and back makes the planner decode once for all who read it. Only a view with a row time
    # passes the source's watermark on; what the time is does not matter.
    retime(tables, f"decoded_{role}", query, columns, "0")
    return f"decoded_{role}"


def _table(tables: Any, name: str, options: str, schema: EventSchema) -> None:
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE {name} (v BYTES, `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL, "
        "at_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, "
        f"clock AS {_clock(schema.times)}, "
        f"WATERMARK FOR clock AS clock - {interval(to_ms(schema.windows.watermark_delay))}) WITH ({options})"
    )


def _clock(times: Times) -> str:
    """Return the SQL of a record's event time: its timestamp, or the earliest plausible time if that is in the future.

    Kafka accepts any timestamp from a producer, and one of 2099 would close every window for good.
    """
    ahead = f"CURRENT_ROW_TIMESTAMP() + {interval(to_ms(MAX_AHEAD))}"
    latest = f"TO_TIMESTAMP_LTZ({to_ms(times.latest)}, 3)" if times.latest else ahead
    return f"CASE WHEN at_time < {latest} THEN at_time ELSE TO_TIMESTAMP_LTZ({to_ms(times.earliest)}, 3) END"


def _options(topics: Topics) -> dict[str, str]:
    """Return the source's options that both topics have.

    A bounded topic has an end, so its event time needs no clock: however slowly labels are read, they come before it.
    """
    idle = {"scan.watermark.idle-timeout": f"{to_ms(topics.idle)} ms"}
    end = {"scan.bounded.mode": "latest-offset"} if topics.bounded else idle
    return {
        "properties.group.id": topics.group,
        "properties.isolation.level": "read_committed",
        # What a checkpoint knows goes before this; without one, everything that the topic still has is read.
        "scan.startup.mode": "earliest-offset",
        "scan.topic-partition-discovery.interval": "1 min",
        "format": "raw",
        **end,
    }
