"""Sample stream in Flink: predictions and labels wait by slice until labels have matured, and are published as parts.

The operator that waits is that of the monitors' label join (:class:`monitors.flink.label_join_job.SliceJoin`). What a
slice gives is written by the worker, as a part that appears once (:mod:`monitors.samples.parts`): after a kill the job
goes on from its checkpoint, and passes over parts that are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction
from pyflink.table import DataTypes, Schema

from features.window import to_ms
from monitors.flink import environment_job, files_source_job, kafka_source_job, run_job
from monitors.flink.committed_output import CommittedFiles
from monitors.flink.kafka_source_job import Topics
from monitors.flink.label_join_job import TICK, SliceJoin
from monitors.flink.run_job import Running
from monitors.flink.sinks_job import Folders, Outputs, insert
from monitors.flink.sql_job import interval, retime
from monitors.job_spec import FIELD_SEPARATOR, join
from monitors.worker import sample_pieces
from monitors.worker.sample_pieces import SampleSpec

_TEXTS = DataTypes.ARRAY(DataTypes.STRING())
_DECODED = {"high": DataTypes.BIGINT(), "pieces": _TEXTS, "rejects": _TEXTS}
_OF_RECORDS = {"pieces": "ARRAY<STRING>", "progress": "STRING"}
_LINES = Types.ROW_NAMED(["kind", "line"], [Types.STRING(), Types.STRING()])


class _Publish(SliceJoin):
    """Publishes slices as parts; yields a line of progress for each, and for rows that came too late."""

    def __init__(self, spec: SampleSpec) -> None:
        super().__init__(spec.schema.windows, to_ms(spec.schema.label_delay), lasting=True)
        self._spec = spec

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Store a piece until its slice is due, unless that has been published."""
        bucket, role, start, rows = value[0].split(FIELD_SEPARATOR)
        yield from super().process_element((int(bucket), role, int(start), rows), ctx)

    def joined(self, start: int, predictions: Sequence[str], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Publish a slice."""
        receipt = sample_pieces.publish(self._spec, start, predictions, labels)
        if receipt is None:
            for rows in predictions:
                yield from self.late("predictions", start, rows)
            return
        yield "progress", json.dumps({"part": receipt.name, "rows": receipt.rows, "late": 0, "rejected": 0})

    def late(self, role: str, start: int, rows: str) -> Iterator[tuple[str, str]]:
        """Count rows whose slice has been published: a part that can be seen does not change."""
        yield "progress", json.dumps({"part": "", "rows": 0, "late": sample_pieces.rows_in(rows), "rejected": 0})


def start(
    spec: SampleSpec, directories: files_source_job.Directories, state: Path, name: str
) -> tuple[Running, CommittedFiles]:
    """Start the streaming job, from its newest checkpoint if there is one; return it and its output.

    Parameters
    ----------
    spec
        The model's events, and where samples go.
    directories
        Where the events appear.
    state
        Directory of logs, checkpoints and output.
    name
        Identifies the job; checkpoints are found by it.

    Raises
    ------
    EngineError
        Flink does not start.
    """
    logs, outputs = state / "logs", Folders.under(state / "out" / name)
    checkpoints = environment_job.Checkpoints.resumed(state / "checkpoints" / name)
    tables = environment_job.environment(logs, streaming=True, checkpoints=checkpoints)
    with run_job.flink_errors(logs):
        result = _submit(tables, spec, directories, outputs)
    return Running(result, logs), CommittedFiles(outputs.reports, outputs.rejects, outputs.progress)


def _submit(tables: Any, spec: SampleSpec, directories: files_source_job.Directories, outputs: Folders) -> Any:
    """Start the job; return its ``TableResult``."""
    files_source_job.create_chunks(tables, "chunks", directories, follow=True)
    delay = interval(to_ms(spec.schema.windows.watermark_delay))
    files_source_job.create_decoded(tables, "decoded", _DECODED, partial(_decode, spec), watermark=f"rt - {delay}")
    _publish(tables, spec, tables.sql_query("SELECT p FROM decoded CROSS JOIN UNNEST(pieces) AS u(p)"))
    return insert(tables, outputs, {
        "progress": "SELECT line FROM published",
        "rejects": "SELECT r AS line FROM decoded CROSS JOIN UNNEST(rejects) AS u(r)",
    })  # fmt: skip


def submit_topics(tables: Any, spec: SampleSpec, topics: Topics, outputs: Outputs) -> Any:
    """Start the job that reads predictions and labels from topics; return its ``TableResult``.

    Event time is that of the topics that are behind: labels hold slices back, until none has come for `topics.idle`.
    """
    views = kafka_source_job.create_decoded(tables, spec.schema, topics, _OF_RECORDS, partial(_decode_records, spec))
    pieces = " UNION ALL ".join(f"SELECT p FROM {view} CROSS JOIN UNNEST(pieces) AS u(p)" for view in views)
    retime(tables, "pieces", f"SELECT p FROM ({pieces})", {"p": "STRING"}, "0")
    _publish(tables, spec, tables.from_path("pieces"))
    progress = " UNION ALL ".join(f"SELECT progress AS line FROM {view} WHERE progress <> ''" for view in views)
    return insert(tables, outputs, {"progress": f"SELECT line FROM published UNION ALL {progress}"})


def _publish(tables: Any, spec: SampleSpec, pieces: Any) -> None:
    """Create the view ``published`` of lines of progress, of a table whose first column is a piece."""
    keyed = tables.to_data_stream(pieces).key_by(lambda _: sample_pieces.BUCKET, key_type=Types.INT())
    lines = keyed.process(_Publish(spec), output_type=_LINES).uid("samples")
    schema = Schema.new_builder().column("kind", DataTypes.STRING()).column("line", DataTypes.STRING()).build()
    tables.create_temporary_view("published", tables.from_data_stream(lines, schema))


def _decode(spec: SampleSpec, role: Any, chunk: str) -> tuple[Any, ...]:
    made = sample_pieces.decode_chunk(spec, role, chunk)
    # With every chunk comes a tick, so that timers are set again after a restart before event time goes on.
    return made.high, [*made.pieces, join(sample_pieces.BUCKET, TICK, 0, "")], made.rejects


def _decode_records(spec: SampleSpec, role: Any, records: Any) -> tuple[list[str], str]:
    pieces, progress = sample_pieces.decode_records(spec, role, records)
    return [*pieces, join(sample_pieces.BUCKET, TICK, 0, "")], progress
