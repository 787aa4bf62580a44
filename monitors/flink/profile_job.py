"""Profile job: sliding-window counts of features, predictions, labels and losses, one SQL for batch and stream.

Flink carries references to chunks in and counts out; :mod:`monitors.worker` handles events. Between them is plain SQL::

    chunks -> decode -> cells per slice -> HOP windows -> compare with the baseline -> reports   (inputs)
                     -> row batches -> predictions with the newest label within the label delay
                        -> cells per slice -> HOP windows -> compare -> reports                  (outcomes)
                     -> dead letters, progress
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import udf

from features.window import to_ms
from monitors.finding import Stage
from monitors.flink import error_stream_job, files_source_job, kafka_source_job, label_join_job, late_events_job
from monitors.flink.sinks_job import Outputs, insert
from monitors.flink.sql_job import field, interval, retime
from monitors.job_spec import BUCKETS, BUCKETS_OF_ONE_WORKER, JobSpec
from monitors.worker import report_lines

_TEXT = DataTypes.STRING()
Place = files_source_job.Directories | kafka_source_job.Topics
"""Where the events are: what is there now (directories and topics alike), or what appears in directories or topics."""


def submit(tables: Any, spec: JobSpec, place: Place, outputs: Outputs, *, follow: bool) -> Any:
    """Start the job that reports on every window; return its ``TableResult``, whose ``wait()`` is its end.

    Without labels there are no reports on outcomes.

    Parameters
    ----------
    tables
        The table environment.
    spec
        The job's specification.
    place
        Where the events are.
    outputs
        Where reports, dead letters and progress go.
    follow
        Whether the job waits for new events, or ends with those that are there.
    """
    spec = _waiting(spec, place, lasting=follow)
    views = create_cell_views(tables, spec, place, follow=follow)
    side = _side_queries(views)
    if follow:
        side["progress"] += f" UNION ALL SELECT line FROM {late_events_job.LINES}"
    stages = list(_slices(spec))
    for stage in stages:
        _hop(tables, spec, stage)
    return insert(
        tables, outputs, {"reports": _all_lines(tables, spec, report_lines.report_line, stages, "windows"), **side}
    )


def submit_slices(tables: Any, spec: JobSpec, directories: files_source_job.Directories, outputs: Outputs) -> Any:
    """Start the batch job that writes every slice's counts, for a baseline: the same views without windows.

    Parameters
    ----------
    tables
        The table environment.
    spec
        The job's specification.
    directories
        Where the events are.
    outputs
        Where the counts go, as reports.
    """
    policy = spec.policy.model_copy(update={"error_stream": None})  # it is no baseline's business
    spec = _waiting(replace(spec, policy=policy), directories, lasting=False)
    views = create_cell_views(tables, spec, directories, follow=False)
    lines = _all_lines(tables, spec, report_lines.slice_line, list(_slices(spec)), "slices")
    return insert(tables, outputs, {"reports": lines, **_side_queries(views)})


def _waiting(spec: JobSpec, place: Place, *, lasting: bool) -> JobSpec:
    """Return *spec* with the label join's buckets: several only where workers share a job that goes on."""
    shared = lasting and isinstance(place, kafka_source_job.Topics)
    return replace(spec, outcomes=place.labels is not None, buckets=BUCKETS if shared else BUCKETS_OF_ONE_WORKER)


def create_cell_views(tables: Any, spec: JobSpec, place: Place, *, follow: bool) -> tuple[str, str]:
    """Create the views ``inputs_slices`` and ``outcomes_slices``: start_time, end_time, rt, version, segment, cell, n.

    Times of outcomes are shifted, see :mod:`monitors.flink.label_join_job`. With *follow*, ``late_lines`` reports late
    events. Returns the names of the views of decoded predictions and of decoded labels.
    """
    if isinstance(place, kafka_source_job.Topics):
        views = kafka_source_job.create_views(tables, spec, place)
    else:
        views = (files_source_job.create_decoded_view(tables, spec, place, follow=follow),) * 2
    _cells(tables, spec, "inputs_cells", f"SELECT c AS cell_text FROM {views[0]} CROSS JOIN UNNEST(cells) AS u(c)")
    cells = ["inputs_cells"]
    if follow:  # where all is there at once, nothing is late
        _cells(tables, spec, "late_cells", late_events_job.create_views(tables, spec, "inputs_cells"))
        cells.append("late_cells")
    _tumble(tables, spec, Stage.INPUTS, cells)
    if spec.outcomes:
        label_join_job.create_view(tables, spec, views, lasting=follow)
        outcomes = f"SELECT told AS cell_text FROM matched WHERE kind = '{label_join_job.CELL}'"
        if spec.policy.error_stream is not None:
            outcomes += (
                f" UNION ALL SELECT cell_text FROM {error_stream_job.create_cells(tables, spec, lasting=follow)}"
            )
        _cells(tables, spec, "outcomes_cells", outcomes, label_join_job.window_shift(spec))
        _tumble(tables, spec, Stage.OUTCOMES, ["outcomes_cells"])
    return views


def _slices(spec: JobSpec) -> dict[Stage, int]:
    """Return the stages that are counted, and by how much (ms) their windows come after the events in them."""
    return {Stage.INPUTS: 0, Stage.OUTCOMES: label_join_job.window_shift(spec)} if spec.outcomes else {Stage.INPUTS: 0}


def _cells(tables: Any, spec: JobSpec, name: str, texts: str, shift: int = 0) -> None:
    """Create the view *name* from joined texts of start, version, segment, cell, n."""
    kinds = {"start_ms": "BIGINT", "version": "STRING", "segment": "STRING", "cell": "INT", "n": "BIGINT"}
    fields = ", ".join(f"{field('cell_text', i, kind)} AS {name}" for i, (name, kind) in enumerate(kinds.items()))
    # A cell's time is its slice's last millisecond: it is late only when the whole slice has been closed.
    last = to_ms(spec.schema.windows.slide) - 1 + shift
    retime(tables, name, f"SELECT {fields} FROM ({texts})", kinds, f"start_ms + {last}")


def _tumble(tables: Any, spec: JobSpec, stage: Stage, cells: Sequence[str]) -> None:
    """Create the view ``<stage>_slices`` from views of *cells*."""
    every = " UNION ALL ".join(f"SELECT version, segment, cell, n, rt FROM {view}" for view in cells)
    tables.execute_sql(f"CREATE TEMPORARY VIEW {stage.value}_counted AS {every}")
    slide = to_ms(spec.schema.windows.slide)
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW {stage.value}_slices AS SELECT window_start AS start_time, window_end AS end_time, "
        "window_time AS rt, version, segment, cell, SUM(n) AS n, CAST(1 AS BIGINT) AS slices, "
        "SUM(n) AS newest "
        f"FROM TUMBLE(TABLE {stage.value}_counted, DESCRIPTOR(rt), {interval(slide)}{_offset(spec, stage)}) "
        "GROUP BY window_start, window_end, window_time, version, segment, cell"
    )


def _offset(spec: JobSpec, stage: Stage) -> str:
    """Return the last argument of a window function: where windows start, if that is not at whole slices."""
    beyond = _slices(spec)[stage] % to_ms(spec.schema.windows.slide)
    return f", {interval(beyond)}" if beyond else ""


def _hop(tables: Any, spec: JobSpec, stage: Stage) -> None:
    """Create the view ``<stage>_windows``: sliding windows with the counts of their newest slice."""
    windows = spec.schema.windows
    slide, size = to_ms(windows.slide), to_ms(windows.size)
    tables.execute_sql(
        f"CREATE TEMPORARY VIEW {stage.value}_windows AS SELECT window_start AS start_time, window_end AS end_time, "
        "version, segment, cell, SUM(n) AS n, SUM(slices) AS slices, "
        # Slices do not overlap, so sequential verdicts rest on them: every window carries its newest.
        "SUM(CASE WHEN end_time = window_end THEN n ELSE 0 END) AS newest "
        f"FROM HOP(TABLE {stage.value}_slices, DESCRIPTOR(rt), {interval(slide)}, {interval(size)}"
        f"{_offset(spec, stage)}) GROUP BY window_start, window_end, version, segment, cell"
    )


def _lines(tables: Any, spec: JobSpec, stage: Stage, line: report_lines.Line, view: str) -> str:
    """Return the query of one line of JSON for every window (or slice) in *view*."""

    def write(version: pd.Series, segment: pd.Series, start: pd.Series, cells: pd.Series) -> pd.Series:
        return report_lines.lines(
            line, spec, stage, {"version": version, "segment": segment, "start": start, "cells": cells}
        )

    function = f"{view}_line"
    tables.create_temporary_system_function(function, udf(write, result_type=_TEXT, func_type="pandas"))
    start = f"CAST(start_time - {interval(_slices(spec)[stage])} AS STRING)"
    return (
        f"SELECT CONCAT(version, '/', segment) AS k, {function}(version, segment, {start}, "
        "ARRAY_AGG(CONCAT_WS(':', CAST(cell AS STRING), CAST(n AS STRING), CAST(slices AS STRING), "
        "CAST(newest AS STRING)))) AS line "
        f"FROM {view} GROUP BY start_time, end_time, version, segment"
    )


def _all_lines(tables: Any, spec: JobSpec, line: report_lines.Line, stages: Sequence[Stage], of: str) -> str:
    return " UNION ALL ".join(_lines(tables, spec, stage, line, f"{stage.value}_{of}") for stage in stages)


def _side_queries(views: tuple[str, str]) -> dict[str, str]:
    once = dict.fromkeys(views)
    rejects = (f"SELECT r AS line FROM {view} CROSS JOIN UNNEST(rejects) AS u(r)" for view in once)
    progress = (f"SELECT progress AS line FROM {view}" for view in once)
    return {"rejects": " UNION ALL ".join(rejects), "progress": " UNION ALL ".join(progress)}
