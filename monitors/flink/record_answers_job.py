"""Job from a topic to a topic: a Python function takes records in batches to events, each committed exactly once.

What the function does is its affair; it knows the model, which this package does not. Flink's checkpoints have the
offsets of the topic that is read, and commit what was written since the last one in one transaction: after a failure or
a kill the job goes on from there, and what was written and not committed is never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyflink.table import DataTypes, Schema
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from features.kafka.records import Records
from features.schema import Source
from monitors.flink import kafka_table
from monitors.flink.sinks_job import EventTopic, insert
from monitors.worker import record_answers
from monitors.worker.record_answers import Answer, RecordFunction

_COLUMNS = {
    "at_ms": DataTypes.BIGINT(), "k": DataTypes.STRING(), "v": DataTypes.BYTES(), "digest": DataTypes.STRING(),
    "letters": DataTypes.ARRAY(DataTypes.STRING()), "progress": DataTypes.STRING(),
}  # fmt: skip
PROMPT = {
    "python.fn-execution.bundle.size": "20000",
    "python.fn-execution.arrow.batch.size": "2000",
    "python.fn-execution.bundle.time": "100",
    "execution.buffer-timeout.interval": "5 ms",
    # A batch's answers come all at once; 4 MB hold them (embedded: on a cluster its own configuration counts).
    "taskmanager.network.memory.floating-buffers-per-gate": "128",
    "taskmanager.network.memory.max-buffers-per-channel": "128",
}
"""Flink's options of a job whose answers are waited for: a batch is what came in a tenth of a second.

Most of a small batch's cost does not depend on its rows. A reader of committed answers waits for a checkpoint anyway,
which ends the batch.
"""


@dataclass(frozen=True, slots=True)
class Requests:
    """The topic that a job reads.

    Parameters
    ----------
    source
        The topic.
    group
        Consumer group under which offsets are committed with each checkpoint. A job without a checkpoint goes on from
        there, and reads a topic that the group has not read from its beginning: no record is answered again because the
        job has changed.
    subtasks
        Number of readers.
    bounded
        Whether the job ends where the topic ends now.
    """

    source: Source
    group: str
    subtasks: int = 1
    bounded: bool = False


class _Answer(ScalarFunction):  # type: ignore[misc]
    """Calls the function with each batch of records."""

    def __init__(self, function: RecordFunction, source: Source) -> None:
        self._function, self._source = function, source
        self._call: Answer

    def open(self, function_context: FunctionContext) -> None:
        self._call = self._function.open()

    def eval(self, partitions: pd.Series, offsets: pd.Series, values: pd.Series) -> pd.DataFrame:
        if not len(values):
            return pd.DataFrame(columns=list(_COLUMNS))
        records = Records.of(self._source, partitions.to_list(), offsets.to_list(), values.to_list())
        return record_answers.frame(self._call(records), len(values))


def submit(tables: Any, function: RecordFunction, requests: Requests, outputs: EventTopic) -> Any:
    """Start the job; return its ``TableResult``.

    Parameters
    ----------
    tables
        The table environment.
    function
        Takes batches of records to events.
    requests
        What is read.
    outputs
        Where events, dead letters and progress go.
    """
    source = requests.source
    where = kafka_table.options(source.bootstrap, source.topic or "", _options(requests))
    tables.execute_sql(
        "CREATE TEMPORARY TABLE requests (v BYTES, `partition` INT METADATA VIRTUAL, "
        f"`offset` BIGINT METADATA VIRTUAL) WITH ({where})"
    )
    kind = DataTypes.ROW([DataTypes.FIELD(name, of) for name, of in _COLUMNS.items()])
    answer = udf(_Answer(function, source), result_type=kind, func_type="pandas")
    tables.create_temporary_system_function("answer", answer)
    fields = ", ".join(f"a.{name} AS {name}" for name in _COLUMNS)
    rows = tables.sql_query(f"SELECT {fields} FROM (SELECT answer(`partition`, `offset`, v) AS a FROM requests)")
    schema = Schema.new_builder()
    for name, of in _COLUMNS.items():
        schema.column(name, of)
    # The crossing to a stream and back makes the planner call the function once for all three who read it. Rescaled,
    # the sinks have a thread of their own: they write one batch while Python answers the next.
    answers = tables.from_data_stream(tables.to_data_stream(rows).rescale(), schema.build())
    tables.create_temporary_view("answers", answers)
    return insert(tables, outputs, {
        "events": "SELECT k, v, at_ms, digest FROM answers WHERE v IS NOT NULL",
        "rejects": "SELECT r AS line FROM answers CROSS JOIN UNNEST(letters) AS u(r)",
        "progress": "SELECT progress AS line FROM answers WHERE progress IS NOT NULL",
    })  # fmt: skip


def _options(requests: Requests) -> dict[str, str]:
    """Return the options of the topic that is read."""
    bounded = {"scan.bounded.mode": "latest-offset"} if requests.bounded else {}
    return {
        "properties.group.id": requests.group,
        "properties.isolation.level": "read_committed",
        "properties.auto.offset.reset": "earliest",
        "scan.startup.mode": "group-offsets",
        "scan.topic-partition-discovery.interval": "1 min",
        "scan.parallelism": str(requests.subtasks),
        "format": "raw",
        **bounded,
    }
