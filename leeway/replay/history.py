"""The recorded history of a model as slices by version: from stored window reports, or recounted by Flink."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from features.errors import NotEnoughData, NotFound
from features.window import UTC, to_ms
from leeway import assembly
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Stage
from monitors.flink import run_job
from monitors.report import Report
from monitors.simulation import rewindow
from registry import queries
from registry.records import Promotion

Series = tuple[Stage, str]
"""Stage and segment."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """A version's time as champion: its baseline, and the slices of each series in order of time."""

    version: str
    baseline: Baseline
    slices: Mapping[Series, Sequence[Slice]]

    @property
    def ends(self) -> list[int]:
        """The ends (ms since the epoch) of all slices."""
        slide = to_ms(self.baseline.events.windows.slide)
        return [s.start + slide for some in self.slices.values() for s in some]


def champion_baseline(opened: Context, model: Model) -> Baseline:
    """Return the champion's baseline. Raises NotFound if there is none yet."""
    champion = queries.champion(opened.registry, model.name)
    baseline = champion and queries.baseline_of(opened.registry, model.name, champion.version)
    if not baseline:
        msg = f"{model.name} has no baseline, which a replay needs"
        raise NotFound(msg, hint="run `leeway baseline`, or `leeway retrain --first` to train a first version")
    return baseline


def recorded(opened: Context, model: Model, start: datetime | None, end: datetime | None) -> list[Stretch]:
    """Return the stored windows that end in (start, end]. Raises NotEnoughData if there are none."""
    rows = queries.windows(opened.registry, model.name, since=start, until=end)
    recorded_stretches = stretches(opened, model, (Report.model_validate(row.report) for row in rows))
    if not recorded_stretches:
        msg = f"the registry has no window of {model.name}{_between(start, end)} with slice counts"
        raise NotEnoughData(msg, hint="run `leeway monitor --once` first, or recount the events with --recount")
    return recorded_stretches


def recounted(opened: Context, model: Model, start: datetime | None, end: datetime | None) -> list[Stretch]:
    """Return what a Flink batch job counts in the events of [start, end). Raises NotEnoughData if that is nothing.

    Predictions that came too late for the monitor are in their own slices here, so there is no fault about them; in
    what is :func:`recorded` they are missing, with the fault that the monitor reported.
    """
    landing.land(model.landed, datetime.now(UTC))
    spec = assembly.spec(opened, model, start, end)
    outcome = run_job.run_once(spec, assembly.directories(model), opened.dir / "logs")
    counted_stretches = stretches(opened, model, outcome.reports)
    if not counted_stretches:
        msg = f"the events of {model.name}{_between(start, end)} close no window"
        raise NotEnoughData(msg, hint="choose another period, or wait for more events")
    return counted_stretches


def stretches(opened: Context, model: Model, reports: Iterable[Report]) -> list[Stretch]:
    """Return *reports* as slices by version, in order, without reports on versions that were not champion then."""
    by: dict[str, dict[Series, list[Report]]] = defaultdict(lambda: defaultdict(list))
    promotions = queries.promotions(opened.registry, model.name)
    for report in reports:
        if report.newest_slice and _champion_at(promotions, report.window_end) in (report.version, None):
            by[report.version][report.stage, report.segment].append(report)
    slide = to_ms(model.schema.windows.slide)
    baselines = ((v.version, v.baseline) for v in queries.versions(opened.registry, model.name) if v.baseline)
    return [
        Stretch(version, queries.baseline(opened.registry, digest),
                {series: rewindow.newest_slices(some, slide) for series, some in by[version].items()})
        for version, digest in baselines
        if version in by
    ]  # fmt: skip


def _champion_at(promotions: Sequence[Promotion], when: datetime) -> str | None:
    """Return the version that was the champion when a window ended; None before the first."""
    return next((p.to_version for p in reversed(promotions) if p.effective_at < when), None)


def _between(start: datetime | None, end: datetime | None) -> str:
    words = [f" {word} {at:%Y-%m-%d %H:%M}" for word, at in (("after", start), ("before", end)) if at]
    return "".join(words)


def period(past: Sequence[Stretch]) -> tuple[int, int]:
    """Return the first and the last end (ms) of a slice."""
    ends = list(_ends(past))
    return min(ends), max(ends)


def _ends(past: Sequence[Stretch]) -> Iterator[int]:
    for stretch in past:
        yield from stretch.ends
