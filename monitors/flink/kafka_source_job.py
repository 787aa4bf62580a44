"""Kafka topics as Flink sources: records come as bytes with their place, and are decoded in one vectorised step.

Event time is the records' own: each partition has a watermark of its own, so partitions may run ahead of each other.
Labels are a source of their own: they hold back the windows of outcomes, never those of inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf

from features.conventions import MAX_AHEAD, Times
from features.kafka.records import Records
from features.schema import Role, Source
from features.window import to_ms
from monitors.flink import kafka_table
from monitors.flink.sql_job import first_row, interval, retime
from monitors.job_spec import JobSpec
from monitors.worker import decoding

_TEXTS = DataTypes.ARRAY(DataTypes.STRING())
COLUMNS = {"cells": "ARRAY<STRING>", "sheets": "ARRAY<STRING>", "rejects": "ARRAY<STRING>", "progress": "STRING"}
"""The columns of decoded batches beside their key, with their SQL types."""


@dataclass(frozen=True, slots=True)
class Topics:
    """A model's topics as a job reads them.

    *group* is the consumer group whose offsets tell how far it is. A partition without records for *idle* no longer
    holds back the others. *subtasks* is how many read each topic. *bounded* ends the job where the topics end now.
    """

    predictions: Source
    labels: Source | None
    group: str
    idle: timedelta = timedelta(seconds=30)
    subtasks: tuple[int, int] = (1, 1)
    bounded: bool = False


def create_views(tables: Any, spec: JobSpec, topics: Topics) -> tuple[str, str]:
    """Create views of decoded batches, with :data:`COLUMNS`; return that of predictions and that of labels."""
    predictions = _decoded(tables, spec, topics, "predictions")
    return predictions, _decoded(tables, spec, topics, "labels") if topics.labels else predictions


def _decoded(tables: Any, spec: JobSpec, topics: Topics, role: Role) -> str:
    source, subtasks = topics.predictions, topics.subtasks[0]
    if role == "labels" and topics.labels:
        source, subtasks = topics.labels, topics.subtasks[1]
    options = {**_options(topics), "scan.parallelism": str(subtasks)}
    _table(tables, f"{role}_topic", kafka_table.options(source.bootstrap, source.topic or "", options), spec)
    kinds = {name: DataTypes.STRING() if kind == "STRING" else _TEXTS for name, kind in COLUMNS.items()}
    result = DataTypes.ROW([DataTypes.FIELD(name, kind) for name, kind in kinds.items()])

    def decode(partitions: pd.Series, offsets: pd.Series, values: pd.Series) -> pd.DataFrame:
        records = Records.of(source, partitions.to_list(), offsets.to_list(), values.to_list())
        told = decoding.decode_records(spec, role, records) if len(values) else None
        return first_row(COLUMNS, told, len(values))

    function = f"decode_{role}"
    tables.create_temporary_system_function(function, udf(decode, result_type=result, func_type="pandas"))
    fields = ", ".join(f"d.{name} AS {name}" for name in COLUMNS)
    query = (
        f"SELECT {fields} FROM (SELECT {function}(`partition`, `offset`, v) AS d FROM {role}_topic) "
        "WHERE d.progress IS NOT NULL"
    )
    # The crossing to a stream and back makes the planner decode once for all who read it. Only a view with a row time
    # passes the source's watermark on; what the time is does not matter.
    retime(tables, f"decoded_{role}", query, COLUMNS, "0")
    return f"decoded_{role}"


def _table(tables: Any, name: str, options: str, spec: JobSpec) -> None:
    tables.execute_sql(
        f"CREATE TEMPORARY TABLE {name} (v BYTES, `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL, "
        "at_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, "
        f"clock AS {_clock(spec.schema.times)}, "
        f"WATERMARK FOR clock AS clock - {interval(to_ms(spec.schema.windows.watermark_delay))}) WITH ({options})"
    )


def _clock(times: Times) -> str:
    """Return the SQL of how far a record moves event time: by its timestamp, unless nothing can have happened then.

    Kafka keeps whatever timestamp a producer gives, and one of 2099 would close every window for good.
    """
    ahead = f"CURRENT_ROW_TIMESTAMP() + {interval(to_ms(MAX_AHEAD))}"
    latest = f"TO_TIMESTAMP_LTZ({to_ms(times.latest)}, 3)" if times.latest else ahead
    return f"CASE WHEN at_time < {latest} THEN at_time ELSE TO_TIMESTAMP_LTZ({to_ms(times.earliest)}, 3) END"


def _options(topics: Topics) -> dict[str, str]:
    bounded = {"scan.bounded.mode": "latest-offset"} if topics.bounded else {}
    return {
        "properties.group.id": topics.group,
        "properties.isolation.level": "read_committed",
        # What a checkpoint knows goes before this; without one, everything that the topic still has is read.
        "scan.startup.mode": "earliest-offset",
        "scan.watermark.idle-timeout": f"{to_ms(topics.idle)} ms",
        "scan.topic-partition-discovery.interval": "1 min",
        "format": "raw",
        **bounded,
    }
