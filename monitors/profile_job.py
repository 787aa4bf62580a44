"""The profile job: rolling counts of features, predictions, labels and losses, one SQL for history and live stream.

Flink carries references to chunks in and counts out; :mod:`monitors.worker` looks inside. Between them is plain SQL:

    chunks -> decode -> cells per slice -> HOP windows -> compare with the baseline -> reports   (inputs)
                     -> predictions LEFT JOIN labels within the label delay -> newest label per prediction
                        -> cells per slice -> HOP windows -> compare -> reports                  (outcomes)
                     -> dead letters, progress
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyflink.table import DataTypes, Schema
from pyflink.table.udf import udf

from features.window import to_ms
from monitors import files_job, worker
from monitors.report import Stage

_SEPARATOR = "U&'\\001F'"  # worker.FIELD as SQL
_TEXT, _TEXTS = DataTypes.STRING(), DataTypes.ARRAY(DataTypes.STRING())
_DECODED = {"high": DataTypes.BIGINT(), "cells": _TEXTS, "predictions": _TEXTS, "labels": _TEXTS, "rejects": _TEXTS,
            "progress": _TEXT}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outputs:
    """Directories into which the job commits lines of JSON: one file a checkpoint, or one at the end of a batch."""

    reports: Path
    rejects: Path
    progress: Path


def interval(span_ms: int) -> str:
    """Return a SQL interval of *span_ms* milliseconds.

    >>> interval(90_061_001)
    "INTERVAL '1 1:1:1.001' DAY(3) TO SECOND(3)"
    """
    days, left = divmod(span_ms, 86_400_000)
    hours, left = divmod(left, 3_600_000)
    minutes, left = divmod(left, 60_000)
    return f"INTERVAL '{days} {hours}:{minutes}:{left // 1000}.{left % 1000:03d}' DAY(3) TO SECOND(3)"


def submit(
    tables: Any, spec: worker.Spec, directories: files_job.Directories, outputs: Outputs, *, follow: bool
) -> Any:
    """Start the job that reports on every window; return its ``TableResult``, whose ``wait()`` is its end."""
    windows = spec.schema.windows
    create_cell_views(tables, spec, directories, follow=follow)
    for stage in Stage:
        _hop(tables, stage, to_ms(windows.slide), to_ms(windows.size))
    lines = " UNION ALL ".join(
        _lines(tables, spec, stage, worker.report_line, f"{stage.value}_windows") for stage in Stage
    )
    return _insert(tables, {outputs.reports: lines, **_side_outputs(outputs)})


def submit_slices(tables: Any, spec: worker.Spec, directories: files_job.Directories, outputs: Outputs) -> Any:
    """Start the batch job that writes every slice's counts, for a baseline: the same views, no window over them."""
    create_cell_views(tables, spec, directories, follow=False)
    lines = " UNION ALL ".join(
        _lines(tables, spec, stage, worker.slice_line, f"{stage.value}_slices") for stage in Stage
    )
    return _insert(tables, {outputs.reports: lines, **_side_outputs(outputs)})


def create_cell_views(tables: Any, spec: worker.Spec, directories: files_job.Directories, *, follow: bool) -> None:
    """Create ``inputs_slices`` and ``outcomes_slices``: start_time, end_time, rt, version, segment, cell, n."""
    files_job.create_view(tables, "chunks", directories, follow=follow)
    _decode(tables, spec)
    slide = to_ms(spec.schema.windows.slide)
    _cells(tables, Stage.INPUTS, "SELECT c AS cell_text FROM decoded CROSS JOIN UNNEST(cells) AS u(c)", slide)
    _join(tables, to_ms(spec.schema.label_delay), slide)
    _outcomes(tables, spec)
    _cells(tables, Stage.OUTCOMES, "SELECT c AS cell_text FROM outcomes CROSS JOIN UNNEST(cells) AS u(c)", slide)


def _decode(tables: Any, spec: worker.Spec) -> None:
    kind = DataTypes.ROW([DataTypes.FIELD(name, column) for name, column in _DECODED.items()])

    def decode(roles: pd.Series, chunks: pd.Series) -> pd.DataFrame:
        rows = [worker.decode(spec, role, chunk) for role, chunk in zip(roles, chunks, strict=True)]
        return pd.DataFrame(rows, columns=worker.DECODED)

    tables.create_temporary_system_function("decode_chunk", udf(decode, result_type=kind, func_type="pandas"))
    fields = ", ".join(f"d.{name} AS {name}" for name in _DECODED)
    rows = tables.sql_query(
        f"SELECT {fields} FROM (SELECT decode_chunk(role, chunk) AS d FROM chunks WHERE role <> '')"
    )
    schema = Schema.new_builder()
    for name, column in _DECODED.items():
        schema.column(name, column)
    # The crossing to a stream and back makes the planner decode once for all who read it, and gives the chunk its time:
    # its newest prediction's. Event time moves on with predictions only; labels are facts about the past.
    delay = interval(to_ms(spec.schema.windows.watermark_delay))
    schema.column_by_expression("rt", "TO_TIMESTAMP_LTZ(high, 3)").watermark("rt", f"rt - {delay}")
    tables.create_temporary_view("decoded", tables.from_data_stream(tables.to_data_stream(rows), schema.build()))


def _field(text: str, index: int, kind: str = "STRING") -> str:
    part = f"SPLIT_INDEX({text}, {_SEPARATOR}, {index})"
    return part if kind == "STRING" else f"CAST({part} AS {kind})"


def _retime(tables: Any, name: str, query: str, columns: dict[str, str], time: str) -> None:
    """Create the view *name*: *query* with a row time computed from its own column, under the source's watermark."""
    schema = Schema.new_builder()
    for column, kind in columns.items():
        schema.column(column, kind)
    schema.column_by_expression("rt", f"TO_TIMESTAMP_LTZ({time}, 3)").watermark("rt", "SOURCE_WATERMARK()")
    stream = tables.to_data_stream(tables.sql_query(query))
    tables.create_temporary_view(name, tables.from_data_stream(stream, schema.build()))


def _cells(tables: Any, stage: Stage, texts: str, slide: int) -> None:
    """Create ``<stage>_slices`` from lines of start, version, segment, cell, n."""
    kinds = {"start_ms": "BIGINT", "version": "STRING", "segment": "STRING", "cell": "INT", "n": "BIGINT"}
    fields = ", ".join(f"{_field('cell_text', i, kind)} AS {name}" for i, (name, kind) in enumerate(kinds.items()))
    # A cell's time is its slice's last millisecond: it is late only when the whole slice has been closed.
    _retime(tables, f"{stage.value}_cells", f"SELECT {fields} FROM ({texts})", kinds, f"start_ms + {slide - 1}")
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW {stage.value}_slices AS SELECT window_start AS start_time, window_end AS end_time, "
        "window_time AS rt, version, segment, cell, SUM(n) AS n, CAST(1 AS BIGINT) AS slices, "
        "SUM(n) AS newest "
        f"FROM TUMBLE(TABLE {stage.value}_cells, DESCRIPTOR(rt), {interval(slide)}) "
        "GROUP BY window_start, window_end, window_time, version, segment, cell"
    )


def _join(tables: Any, delay: int, slide: int) -> None:
    """Create ``joined``: each prediction once with its newest label within the label delay, or with none."""
    kinds = {"id": "STRING", "ms": "BIGINT", "version": "STRING", "segments": "STRING",
             "prediction": "STRING"}  # fmt: skip
    fields = ", ".join(f"{_field('r', i, kind)} AS {name}" for i, (name, kind) in enumerate(kinds.items()))
    _retime(
        tables, "prediction_rows", f"SELECT {fields} FROM decoded CROSS JOIN UNNEST(predictions) AS u(r)", kinds, "ms"
    )
    labels = {"id": "STRING", "ms": "BIGINT", "label": "STRING"}
    fields = ", ".join(f"{_field('r', i, kind)} AS {name}" for i, (name, kind) in enumerate(labels.items()))
    _retime(tables, "label_rows", f"SELECT {fields} FROM decoded CROSS JOIN UNNEST(labels) AS u(r)", labels, "ms")
    tables.execute_sql(
        "CREATE TEMPORARY VIEW joined_rows AS SELECT p.id, p.rt, p.version, p.segments, p.prediction, "
        "l.label, l.ms AS label_ms FROM prediction_rows AS p LEFT JOIN label_rows AS l ON p.id = l.id "
        f"AND l.rt BETWEEN p.rt AND p.rt + {interval(delay)}"
    )
    # Deliveries may repeat and labels may be mended: of one id in one slice, the newest label counts, once. The largest
    # text that starts with the label's time is that row; ROW_NUMBER over a window gave repeated rows in batch mode.
    # IFNULL keeps a prediction without a label: CONCAT of a null is null.
    newest = (
        f"MAX(CONCAT(LPAD(CAST(IFNULL(label_ms, 0) AS STRING), 20, '0'), {_SEPARATOR}, IFNULL(label, ''), "
        f"{_SEPARATOR}, prediction, {_SEPARATOR}, version, {_SEPARATOR}, segments))"
    )
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW newest AS SELECT CAST(window_start AS STRING) AS start_time, {newest} AS r FROM "
        f"TUMBLE(TABLE joined_rows, DESCRIPTOR(rt), {interval(slide)}) GROUP BY window_start, window_end, id"
    )
    parts = {"label_ms": 0, "label": 1, "prediction": 2, "version": 3, "segments": 4}
    fields = ", ".join(f"{_field('r', i)} AS {name}" for name, i in parts.items())
    tables.execute_sql(f"CREATE TEMPORARY VIEW joined AS SELECT start_time, {fields} FROM newest")


def _outcomes(tables: Any, spec: worker.Spec) -> None:
    """Create ``outcomes``: the cells of a batch of joined rows on the batch's first row."""

    def count(*columns: pd.Series) -> pd.Series:
        out = pd.Series([None] * len(columns[0]), dtype=object)
        if len(out):
            names = ("start", "label_ms", "label", "prediction", "version", "segments")
            out[0] = worker.outcome_cells(spec, {n: c.to_numpy(object) for n, c in zip(names, columns, strict=True)})
        return out

    tables.create_temporary_system_function("count_outcomes", udf(count, result_type=_TEXTS, func_type="pandas"))
    tables.execute_sql(
        "CREATE TEMPORARY VIEW outcomes AS SELECT cells FROM (SELECT count_outcomes(start_time, label_ms, label, "
        "prediction, version, segments) AS cells FROM joined) WHERE cells IS NOT NULL"
    )


def _hop(tables: Any, stage: Stage, slide: int, size: int) -> None:
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW {stage.value}_windows AS SELECT window_start AS start_time, window_end AS end_time, "
        "version, segment, cell, SUM(n) AS n, SUM(slices) AS slices, "
        # Slices do not overlap, so verdicts over time rest on them: the newest is told with every window.
        "SUM(CASE WHEN end_time = window_end THEN n ELSE 0 END) AS newest "
        f"FROM HOP(TABLE {stage.value}_slices, DESCRIPTOR(rt), {interval(slide)}, {interval(size)}) "
        "GROUP BY window_start, window_end, version, segment, cell"
    )


def _lines(tables: Any, spec: worker.Spec, stage: Stage, line: worker.Line, view: str) -> str:
    """Return the query that makes one line of JSON of every window (or slice) in *view*."""

    def write(version: pd.Series, segment: pd.Series, start: pd.Series, cells: pd.Series) -> pd.Series:
        return worker.lines(line, spec, stage, {"version": version, "segment": segment, "start": start, "cells": cells})

    function = f"{view}_line"
    tables.create_temporary_system_function(function, udf(write, result_type=_TEXT, func_type="pandas"))
    return (
        f"SELECT {function}(version, segment, CAST(start_time AS STRING), "
        "ARRAY_AGG(CONCAT_WS(':', CAST(cell AS STRING), CAST(n AS STRING), CAST(slices AS STRING), "
        "CAST(newest AS STRING)))) AS line "
        f"FROM {view} GROUP BY start_time, end_time, version, segment"
    )


def _side_outputs(outputs: Outputs) -> dict[Path, str]:
    return {
        outputs.rejects: "SELECT r AS line FROM decoded CROSS JOIN UNNEST(rejects) AS u(r)",
        outputs.progress: "SELECT progress AS line FROM decoded",
    }


def _insert(tables: Any, queries: dict[Path, str]) -> Any:
    statements = tables.create_statement_set()
    for i, (directory, query) in enumerate(queries.items()):
        tables.execute_sql(
            f"CREATE TEMPORARY TABLE sink_{i} (line STRING) WITH ('connector' = 'filesystem', "
            f"'path' = '{directory.resolve().as_uri()}', 'format' = 'raw', "
            "'sink.rolling-policy.rollover-interval' = '200 ms', 'sink.rolling-policy.check-interval' = '100 ms')"
        )
        statements.add_insert_sql(f"INSERT INTO sink_{i} {query}")
    return statements.execute()


def outputs(directory: Path) -> Outputs:
    """Return the job's output directories under *directory*."""
    return Outputs(directory / "reports", directory / "rejects", directory / "progress")
