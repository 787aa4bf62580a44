"""The profile job: rolling counts of features, predictions, labels and losses, one SQL for history and live stream.

Flink carries references to chunks in and counts out; :mod:`monitors.worker` looks inside. Between them is plain SQL:

    chunks -> decode -> cells per slice -> HOP windows -> compare with the baseline -> reports   (inputs)
                     -> predictions LEFT JOIN labels within the label delay -> newest label per prediction
                        -> cells per slice -> HOP windows -> compare -> reports                  (outcomes)
                     -> dead letters, progress
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf

from features.window import to_ms
from monitors import error_stream_job, files_job, topics_job, worker
from monitors.report import Stage
from monitors.sinks_job import Outputs, insert
from monitors.sql_job import SEPARATOR, field, interval, retime

_TEXT, _TEXTS = DataTypes.STRING(), DataTypes.ARRAY(DataTypes.STRING())
Place = files_job.Directories | topics_job.Topics
"""Where the events are: what is there now (directories and topics alike), or what appears in directories or topics."""


def submit(tables: Any, spec: worker.Spec, place: Place, outputs: Outputs, *, follow: bool) -> Any:
    """Start the job that reports on every window; return its ``TableResult``, whose ``wait()`` is its end."""
    windows = spec.schema.windows
    views = create_cell_views(tables, spec, place, follow=follow)
    for stage in Stage:
        _hop(tables, stage, to_ms(windows.slide), to_ms(windows.size))
    side = _side_queries(views)
    if isinstance(place, topics_job.Topics):
        topics_job.create_late_view(tables, "prediction_rows", to_ms(windows.slide))
        side["progress"] += " UNION ALL SELECT line FROM late"
    return insert(tables, outputs, {"reports": _all_lines(tables, spec, worker.report_line, "windows"), **side})


def submit_slices(tables: Any, spec: worker.Spec, directories: files_job.Directories, outputs: Outputs) -> Any:
    """Start the batch job that writes every slice's counts, for a baseline: the same views, no window over them."""
    spec = replace(spec, policy=spec.policy.model_copy(update={"error_stream": None}))  # it is no baseline's business
    views = create_cell_views(tables, spec, directories, follow=False)
    lines = _all_lines(tables, spec, worker.slice_line, "slices")
    return insert(tables, outputs, {"reports": lines, **_side_queries(views)})


def create_cell_views(tables: Any, spec: worker.Spec, place: Place, *, follow: bool) -> tuple[str, str]:
    """Create ``inputs_slices`` and ``outcomes_slices``: start_time, end_time, rt, version, segment, cell, n.

    Return the views of decoded predictions and of decoded labels that they are made of.
    """
    if isinstance(place, topics_job.Topics):
        predictions, labels = topics_job.create_views(tables, spec, place)
    else:
        predictions = labels = files_job.create_decoded_view(tables, spec, place, follow=follow)
    slide = to_ms(spec.schema.windows.slide)
    _cells(tables, Stage.INPUTS, f"SELECT c AS cell_text FROM {predictions} CROSS JOIN UNNEST(cells) AS u(c)", slide)
    _rows(tables, predictions, labels)
    watched = spec.policy.error_stream is not None
    _join(tables, to_ms(spec.schema.label_delay), slide, ordered=watched)
    _outcomes(tables, spec)
    outcomes = "SELECT c AS cell_text FROM outcomes CROSS JOIN UNNEST(cells) AS u(c)"
    if watched:
        outcomes += f" UNION ALL SELECT cell_text FROM {error_stream_job.create_cells(tables, spec)}"
    _cells(tables, Stage.OUTCOMES, outcomes, slide)
    return predictions, labels


def _cells(tables: Any, stage: Stage, texts: str, slide: int) -> None:
    """Create ``<stage>_slices`` from lines of start, version, segment, cell, n."""
    kinds = {"start_ms": "BIGINT", "version": "STRING", "segment": "STRING", "cell": "INT", "n": "BIGINT"}
    fields = ", ".join(f"{field('cell_text', i, kind)} AS {name}" for i, (name, kind) in enumerate(kinds.items()))
    # A cell's time is its slice's last millisecond: it is late only when the whole slice has been closed.
    retime(tables, f"{stage.value}_cells", f"SELECT {fields} FROM ({texts})", kinds, f"start_ms + {slide - 1}")
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW {stage.value}_slices AS SELECT window_start AS start_time, window_end AS end_time, "
        "window_time AS rt, version, segment, cell, SUM(n) AS n, CAST(1 AS BIGINT) AS slices, "
        "SUM(n) AS newest "
        f"FROM TUMBLE(TABLE {stage.value}_cells, DESCRIPTOR(rt), {interval(slide)}) "
        "GROUP BY window_start, window_end, window_time, version, segment, cell"
    )


def _rows(tables: Any, decoded_predictions: str, decoded_labels: str) -> None:
    """Create ``prediction_rows`` and ``label_rows``, each event a row with its own time."""
    predictions = {"id": "STRING", "ms": "BIGINT", "version": "STRING", "segments": "STRING", "prediction": "STRING"}
    labels = {"id": "STRING", "ms": "BIGINT", "label": "STRING"}
    for role, view, kinds in (("prediction", decoded_predictions, predictions), ("label", decoded_labels, labels)):
        fields = ", ".join(f"{field('r', i, kind)} AS {name}" for i, (name, kind) in enumerate(kinds.items()))
        retime(tables, f"{role}_rows", f"SELECT {fields} FROM {view} CROSS JOIN UNNEST({role}s) AS u(r)", kinds, "ms")


def _join(tables: Any, delay: int, slide: int, *, ordered: bool) -> None:
    """Create ``joined``: each prediction once with its newest label within the label delay, or with none.

    If *ordered*, also with what puts predictions in order: their time (*predicted_at*; text, UTC) and id.
    """
    tables.execute_sql(
        "CREATE TEMPORARY VIEW joined_rows AS SELECT p.id, p.rt, p.version, p.segments, p.prediction, "
        "l.label, l.ms AS label_ms FROM prediction_rows AS p LEFT JOIN label_rows AS l ON p.id = l.id "
        f"AND l.rt BETWEEN p.rt AND p.rt + {interval(delay)}"
    )
    # Deliveries may repeat and labels may be mended: of one id in one slice, the newest label counts, once. The largest
    # text that starts with the label's time is that row; ROW_NUMBER over a window gave repeated rows in batch mode.
    # IFNULL keeps a prediction without a label: CONCAT of a null is null.
    newest = (
        f"MAX(CONCAT(LPAD(CAST(IFNULL(label_ms, 0) AS STRING), 20, '0'), {SEPARATOR}, IFNULL(label, ''), "
        f"{SEPARATOR}, prediction, {SEPARATOR}, version, {SEPARATOR}, segments"
        f"{f', {SEPARATOR}, CAST(rt AS STRING)' if ordered else ''}))"
    )
    key = ", id" if ordered else ""
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW newest AS SELECT CAST(window_start AS STRING) AS start_time, {newest} AS r{key} FROM "
        f"TUMBLE(TABLE joined_rows, DESCRIPTOR(rt), {interval(slide)}) GROUP BY window_start, window_end, id"
    )
    parts = ["label_ms", "label", "prediction", "version", "segments", *(["predicted_at"] if ordered else [])]
    fields = ", ".join(f"{field('r', i)} AS {name}" for i, name in enumerate(parts))
    tables.execute_sql(f"CREATE TEMPORARY VIEW joined AS SELECT start_time, {fields}{key} FROM newest")


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
        f"SELECT CONCAT(version, '/', segment) AS k, {function}(version, segment, CAST(start_time AS STRING), "
        "ARRAY_AGG(CONCAT_WS(':', CAST(cell AS STRING), CAST(n AS STRING), CAST(slices AS STRING), "
        "CAST(newest AS STRING)))) AS line "
        f"FROM {view} GROUP BY start_time, end_time, version, segment"
    )


def _all_lines(tables: Any, spec: worker.Spec, line: worker.Line, of: str) -> str:
    return " UNION ALL ".join(_lines(tables, spec, stage, line, f"{stage.value}_{of}") for stage in Stage)


def _side_queries(views: tuple[str, str]) -> dict[str, str]:
    once = dict.fromkeys(views)
    rejects = (f"SELECT r AS line FROM {view} CROSS JOIN UNNEST(rejects) AS u(r)" for view in once)
    progress = (f"SELECT progress AS line FROM {view}" for view in once)
    return {"rejects": " UNION ALL ".join(rejects), "progress": " UNION ALL ".join(progress)}
