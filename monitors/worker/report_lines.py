"""Report step of the Flink job: a window's counts in, its report as canonical JSON out. No Flink."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from features.schema import PREDICTION
from features.window import UTC, to_ms
from monitors.error_stream import stream_findings
from monitors.finding import Stage
from monitors.job_spec import FIELD_SEPARATOR, JobSpec, baseline_counted_with
from monitors.profiles import counting, joined_outcomes
from monitors.profiles.cells import Cell, Layout, merge_cells
from monitors.profiles.side_channels import without_zero
from monitors.report import Report, canonical
from monitors.verdicts import window_verdict


def outcome_cells(spec: JobSpec, start: int, rows: pd.DataFrame) -> list[str]:
    """Return the outcome cells of one slice, as joined text.

    Parameters
    ----------
    spec
        The job's specification.
    start
        Start of the slice, in milliseconds since the epoch.
    rows
        Joined predictions, as :func:`monitors.profiles.label_join.match` returns them.
    """
    frozen = {version: baseline_counted_with(spec, version).frozen for version in set(rows["version"])}
    return cell_texts(merge_cells(joined_outcomes.count_outcomes(spec.schema, frozen, start, rows)))


def cell_texts(cells: Iterable[Cell]) -> list[str]:
    """Return *cells* as joined text: start, version, segment, cell, n."""
    return [
        f"{c.start}{FIELD_SEPARATOR}{c.version}{FIELD_SEPARATOR}{c.segment}{FIELD_SEPARATOR}{c.cell}{FIELD_SEPARATOR}{c.n}"
        for c in cells
    ]


def layout(spec: JobSpec, version: str, stage: Stage) -> Layout:
    """Return the layout of a stage's cells for *version*, those of the policy's error stream last."""
    plan = counting.layout(spec.schema, baseline_counted_with(spec, version).frozen, stage)
    return stream_findings.extended_layout(spec.policy, plan) if stage is Stage.OUTCOMES else plan


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WindowCells:
    """A window's sparse counts.

    Parameters
    ----------
    window
        (cell, n) of the whole window.
    newest
        (cell, n) of its newest slice.
    slices
        Number of slices with events: those of the cell that occurs in most.
    """

    window: list[tuple[int, int]]
    newest: list[tuple[int, int]]
    slices: int


def unpack(packed: Sequence[str]) -> WindowCells:
    """Return the counts that SQL joined, one text per cell, as ARRAY_AGG keeps no order between columns.

    >>> unpack(["3:10:2:4", "0:2:1:0"])
    WindowCells(window=[(3, 10), (0, 2)], newest=[(3, 4), (0, 0)], slices=2)
    """
    rows = [tuple(map(int, text.split(":"))) for text in packed]
    window, newest = ([(row[0], row[at]) for row in rows] for at in (1, 3))
    return WindowCells(window, newest, max((row[2] for row in rows), default=0))


def report_line(spec: JobSpec, stage: Stage, version: str, segment: str, start: datetime, packed: Sequence[str]) -> str:
    """Return the canonical JSON of the report on one window, compared with its version's baseline.

    Parameters
    ----------
    spec
        The job's specification.
    stage
        Inputs or outcomes.
    version
        The model version.
    segment
        The segment; empty for all traffic.
    start
        Start of the window.
    packed
        Its counts, as :func:`unpack` reads them.
    """
    cells, plan = unpack(packed), layout(spec, version, stage)
    counted = WindowCounts(_row(plan, cells.window), _row(plan, cells.newest), cells.slices)
    return canonical(report(spec, stage, version, segment, start, counted))


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """A window's counts by variable.

    Parameters
    ----------
    window
        Those of the whole window, (cells,) each.
    newest
        Those of its newest slice.
    slices
        Number of slices with events.
    """

    window: Mapping[str, list[int]]
    newest: Mapping[str, list[int]]
    slices: int


def report(spec: JobSpec, stage: Stage, version: str, segment: str, start: datetime, counted: WindowCounts) -> Report:
    """Return the report on one window, judged by the revision of its version's baseline that is in force for it.

    Parameters
    ----------
    spec
        The job's specification.
    stage
        Inputs or outcomes.
    version
        The model version.
    segment
        The segment; empty for all traffic.
    start
        Start of the window.
    counted
        Its counts.
    """
    windows, counts = spec.schema.windows, counted.window
    reference = spec.in_force(version, stage, start + windows.size)
    findings = window_verdict.judge(
        reference.baseline, spec.policy, stage=stage, segment=segment, window_slices=windows.slices,
        start_ms=to_ms(start), counts=counts, newest=counted.newest, slices_with_events=counted.slices,
    )  # fmt: skip
    rows = sum(counts[PREDICTION]) if stage is Stage.INPUTS else sum(counts["coverage"])
    return Report(model=spec.schema.model, version=version, segment=segment, stage=stage, window_start=start,
                  window_end=start + windows.size, baseline=reference.digest, rows=rows, counts=dict(counts),
                  newest_slice=dict(counted.newest), findings=findings)  # fmt: skip


def _row(plan: Layout, cells: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
    """Return the counts by variable; sparse side channels are left out where they are zero."""
    return without_zero(plan.row(cells))


def slice_line(spec: JobSpec, stage: Stage, version: str, segment: str, start: datetime, packed: Sequence[str]) -> str:
    """Return one slice's counts as JSON, for a baseline in the making. Parameters as of :func:`report_line`."""
    baseline = spec.baseline(version)
    assert baseline is not None  # the baseline job has just published its bins
    counts = _row(counting.layout(spec.schema, baseline.frozen, stage), unpack(packed).window)
    line = {"stage": stage.value, "segment": segment, "start": to_ms(start), "counts": counts}
    return json.dumps(line, sort_keys=True)


Line = Callable[[JobSpec, Stage, str, str, datetime, Sequence[str]], str]
"""A function that returns the line of one window or slice: :func:`report_line` or :func:`slice_line`."""


def lines(line: Line, spec: JobSpec, stage: Stage, windows: Mapping[str, Any]) -> pd.Series:
    """Return *line* of every window in a batch of columns version, segment, start (text, UTC) and cells."""
    starts = map(_utc, windows["start"])
    rows = zip(windows["version"], windows["segment"], starts, windows["cells"], strict=True)
    return pd.Series([line(spec, stage, v, s, at, cells) for v, s, at, cells in rows], dtype=object)
