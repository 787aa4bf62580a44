"""What Flink's Python workers know of a model, and what they make of counts: window counts in, report out. No Flink."""

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
from monitors.profiles.side_channels import SPARSE
from monitors.report import Report, canonical
from monitors.verdicts import window_verdict


def outcome_cells(spec: JobSpec, start: int, rows: pd.DataFrame) -> list[str]:
    """Return the cells of one slice's *rows*, as :mod:`monitors.profiles.label_join` gives them, as joined text."""
    frozen = {version: baseline_counted_with(spec, version).frozen for version in set(rows["version"])}
    return cell_texts(merge_cells(joined_outcomes.count_outcomes(spec.schema, frozen, start, rows)))


def cell_texts(cells: Iterable[Cell]) -> list[str]:
    """Return *cells* as joined text: start, version, segment, cell, n."""
    return [
        f"{c.start}{FIELD_SEPARATOR}{c.version}{FIELD_SEPARATOR}{c.segment}{FIELD_SEPARATOR}{c.cell}{FIELD_SEPARATOR}{c.n}"
        for c in cells
    ]


def layout(spec: JobSpec, version: str, stage: Stage) -> Layout:
    """Return where the variables of *stage* have their cells for *version*, those of the policy's error stream last."""
    plan = counting.layout(spec.schema, baseline_counted_with(spec, version).frozen, stage)
    return stream_findings.extended_layout(spec.policy, plan) if stage is Stage.OUTCOMES else plan


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WindowCells:
    """A window's sparse counts: (cell, n) of all of it and of its *newest* slice, and in how many *slices* it has any.

    The last is that of the most constant cell.
    """

    window: list[tuple[int, int]]
    newest: list[tuple[int, int]]
    slices: int


def unpack(packed: Sequence[str]) -> WindowCells:
    """Return what SQL joined, in one text each, as ARRAY_AGG keeps no order between columns.

    >>> unpack(["3:10:2:4", "0:2:1:0"])
    WindowCells(window=[(3, 10), (0, 2)], newest=[(3, 4), (0, 0)], slices=2)
    """
    rows = [tuple(map(int, text.split(":"))) for text in packed]
    window, newest = ([(row[0], row[at]) for row in rows] for at in (1, 3))
    return WindowCells(window, newest, max((row[2] for row in rows), default=0))


def report_line(spec: JobSpec, stage: Stage, version: str, segment: str, start: datetime, packed: Sequence[str]) -> str:
    """Return the canonical JSON of the report on one window, compared with the baseline of its version."""
    cells, plan = unpack(packed), layout(spec, version, stage)
    counted = WindowCounts(_row(plan, cells.window), _row(plan, cells.newest), cells.slices)
    return canonical(report(spec, stage, version, segment, start, counted))


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """The counts by variable of a *window* and of its *newest* slice, and in how many *slices* it has any."""

    window: Mapping[str, list[int]]
    newest: Mapping[str, list[int]]
    slices: int


def report(spec: JobSpec, stage: Stage, version: str, segment: str, start: datetime, counted: WindowCounts) -> Report:
    """Return the report on the window from *start* that holds what was *counted*, judged by the version's baseline."""
    windows, counts = spec.schema.windows, counted.window
    findings = window_verdict.judge(
        baseline_counted_with(spec, version), spec.policy, stage=stage, segment=segment, window_slices=windows.slices,
        start_ms=to_ms(start), counts=counts, newest=counted.newest, slices_with_events=counted.slices,
    )  # fmt: skip
    return Report(
        model=spec.schema.model,
        version=version,
        segment=segment,
        stage=stage,
        window_start=start,
        window_end=start + windows.size,
        baseline=spec.digest(version),
        rows=sum(counts[PREDICTION]) if stage is Stage.INPUTS else sum(counts["coverage"]),
        counts=dict(counts),
        newest_slice=dict(counted.newest),
        findings=findings,
    )


def _row(plan: Layout, cells: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
    """Return the counts by variable; what windows did not count before it was known is left out where it is nothing."""
    counts = plan.row(cells)
    return {name: row for name, row in counts.items() if any(row) or name not in SPARSE}


def slice_line(spec: JobSpec, stage: Stage, version: str, segment: str, start: datetime, packed: Sequence[str]) -> str:
    """Return one slice's counts as JSON, for a baseline in the making."""
    baseline = spec.baseline(version)
    assert baseline is not None  # the baseline job has just published its bins
    counts = _row(counting.layout(spec.schema, baseline.frozen, stage), unpack(packed).window)
    line = {"stage": stage.value, "segment": segment, "start": to_ms(start), "counts": counts}
    return json.dumps(line, sort_keys=True)


Line = Callable[[JobSpec, Stage, str, str, datetime, Sequence[str]], str]


def lines(line: Line, spec: JobSpec, stage: Stage, windows: Mapping[str, Any]) -> pd.Series:
    """Return *line* of every window in a batch of columns version, segment, start (text, UTC), cells."""
    starts = map(_utc, windows["start"])
    rows = zip(windows["version"], windows["segment"], starts, windows["cells"], strict=True)
    return pd.Series([line(spec, stage, v, s, at, cells) for v, s, at, cells in rows], dtype=object)
