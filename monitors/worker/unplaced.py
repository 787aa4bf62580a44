"""Unplaced records in batch mode: rejected records without a readable time, moved into the newest closed window.

They are counted at the epoch. A stream moves them into the slice that is open when they arrive
(:mod:`monitors.worker.late_events`); in batch everything is there at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from features.window import from_ms
from monitors.finding import Stage
from monitors.job_spec import JobSpec, baseline_counted_with
from monitors.profiles.side_channels import OF_REFUSED
from monitors.report import Report
from monitors.worker import report_lines
from monitors.worker.report_lines import WindowCounts

EPOCH = from_ms(0)
"""Time at which records without a readable time are counted."""


def place_unplaced(spec: JobSpec, reports: Iterable[Report]) -> list[Report]:
    """Return reports without those of the epoch, whose counts are added to each version's newest one of all traffic.

    A version without one gets a report on the first window after its baseline: none of its records could be used yet.

    Parameters
    ----------
    spec
        The job's specification.
    reports
        Reports of a batch run.
    """
    every = list(reports)
    real = [r for r in every if r.window_start >= EPOCH + spec.schema.windows.size]
    first = EPOCH + spec.schema.windows.slide
    for lost in (r for r in every if r.window_end == first and r.stage is Stage.INPUTS and not r.segment):
        mine = [r for r in real if (r.version, r.stage, r.segment) == (lost.version, lost.stage, "")]
        newest = max(mine, key=lambda r: r.window_end, default=None)
        real = [r for r in real if r is not newest] + [_with(spec, newest or _first(spec, lost), lost.newest_slice)]
    return sorted(real, key=lambda r: r.key)


def _first(spec: JobSpec, lost: Report) -> Report:
    windows, end = spec.schema.windows, baseline_counted_with(spec, lost.version).end
    start = windows.last_closed(end + windows.watermark_delay) + windows.slide - windows.size
    empty = {name: [0] * len(row) for name, row in lost.counts.items()}
    return lost.model_copy(update={"window_start": start, "counts": empty, "newest_slice": empty})


def _with(spec: JobSpec, report: Report, more: Mapping[str, Sequence[int]]) -> Report:
    """Return *report* with the rejected records in *more* added to its window and newest slice, judged again."""
    window, newest = ({**row, **{k: _sum(row.get(k), more[k]) for k in OF_REFUSED if k in more}}
                      for row in (report.counts, report.newest_slice))  # fmt: skip
    counted = WindowCounts(window, newest, spec.schema.windows.slices)
    return report_lines.report(spec, Stage.INPUTS, report.version, "", report.window_start, counted)


def _sum(before: Sequence[int] | None, more: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(before or [0] * len(more), more, strict=True)]
