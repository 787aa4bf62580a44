"""Window reports made in this process from counted slices: the profile job's windows and verdicts without an engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from features.window import from_ms, to_ms
from monitors.baseline.baseline import Slice
from monitors.finding import Stage
from monitors.job_spec import JobSpec
from monitors.profiles.side_channels import without_zero
from monitors.report import Report
from monitors.simulation import rewindow
from monitors.worker import report_lines


def reports(
    spec: JobSpec, version: str, stage: Stage, slices: Iterable[Slice], *, last_only: bool = False
) -> Iterator[Report]:
    """Yield the report on every window of a version's slices, by segment and then by time.

    Parameters
    ----------
    spec
        The job's specification; the version's baseline is published where it says.
    version
        The model version.
    stage
        Inputs or outcomes.
    slices
        Its slices, of any segments, in any order.
    last_only
        Whether only the window is judged that ends with the last slice of all.
    """
    cut, slide = spec.schema.windows, to_ms(spec.schema.windows.slide)
    by_segment: dict[str, list[Slice]] = defaultdict(list)
    for one in sorted(slices, key=lambda s: s.start):
        by_segment[one.segment].append(one)
    newest = max((own[-1].start for own in by_segment.values()), default=0)
    for segment, own in sorted(by_segment.items()):
        for window in rewindow.windows(own, cut.slices, slide):
            if last_only and window.start + cut.slices * slide != newest + slide:
                continue
            counted = report_lines.WindowCounts(
                without_zero(window.counts), without_zero(window.newest), window.slices_with_events
            )
            yield report_lines.report(spec, stage, version, segment, from_ms(window.start), counted)
