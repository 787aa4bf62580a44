"""What the counts of a window say of how its records came: set aside, late, without labels. Of all traffic only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from features.schema import LATE, PREDICTION, REFUSED, UNUSABLE, UNUSABLE_PARTS
from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.profiles.side_channels import ARRIVED
from monitors.quality import volume
from monitors.quality.fault import Fault
from monitors.quality.volume import FeedCounts
from monitors.stats import threshold
from monitors.stats.bins import Counts

Cells = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class ArrivalReference:
    """What a baseline says of arrivals: *refusable* variables in the order of their cells, and the least shares of
    predictions with a label that any of its runs of a *window*'s length had, and any *slice*."""

    refusable: tuple[str, ...]
    window: float
    slice: float


def arrival_reference(baseline: Baseline, segment: str, length: int) -> ArrivalReference:
    """Return what *baseline* says, for windows of *length* slices; of labels in all traffic only."""
    coverage = baseline.counts(Stage.OUTCOMES, "coverage")
    window, single = (0.0 if segment else least_labelled(coverage, n) for n in (length, 1))
    return ArrivalReference(baseline.events.refusable, window, single)


def least_labelled(coverage: Counts, length: int) -> float:
    """Return the least share of predictions with a label in runs of *length* slices of *coverage* (slices, 2).

    0 where the baseline had no labels: then labels that stay away are nothing new.

    >>> import numpy as np
    >>> least_labelled(np.array([[9, 1], [8, 2]]), 1)
    0.8
    """
    if not len(coverage):
        return 0.0
    runs = threshold.runs(coverage, length) if length > 1 else coverage
    runs = runs if len(runs) else coverage.sum(axis=0, keepdims=True)
    every = runs.sum(axis=1)
    return float((runs[every > 0, 0] / every[every > 0]).min()) if every.any() else 0.0


def feed_of(known: ArrivalReference, counts: Cells, newest: Cells | None, *, whole: bool) -> FeedCounts:
    """Return what *counts* say of a window's rows, and of those of its *newest* slice.

    How many rows there are is told only where the window is *whole*.
    """
    rows = sum(counts.get(PREDICTION, ())) or None if whole else None
    late = int(counts[LATE][0]) if counts.get(LATE) else None  # no window counted before that was
    refused, lacking = records_set_aside(known.refusable, counts)
    latest = records_set_aside(known.refusable, newest or {})
    return FeedCounts(
        rows=rows,
        late=late,
        refused=refused,
        missing_labels=lacking,
        newest=FeedCounts(refused=latest[0], missing_labels=latest[1]),
    )


def records_set_aside(refusable: Sequence[str], counts: Cells) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many records were set aside for the value of each variable, and for what else of them.

    >>> records_set_aside(["c", "x"], {"refused": [0, 3], "unusable": [0, 0, 1, 0]})
    ({'x': 3}, {'model_version': 1})
    """
    refused, lacking = (
        {why: int(n) for why, n in zip(causes, counts.get(of, ()), strict=False) if n}
        for causes, of in ((refusable, REFUSED), (UNUSABLE_PARTS, UNUSABLE))
    )
    return refused, lacking


def any_arrived(counts: Cells) -> int:
    """Return how many predictions came in a slice of these *counts*, usable or not, in time or late."""
    return sum(sum(counts.get(name, ())) for name in (PREDICTION, *ARRIVED))


def unlabelled(known: ArrivalReference, counts: Cells, newest: Cells | None, level: float) -> Iterator[Fault]:
    """Yield the fault of labels that stay away, if there is one: of the newest slice before that of the window."""
    sides = ((newest or {}, known.slice, "in the newest slice, "), (counts, known.window, ""))
    for cells, least, where in sides:
        with_label, without = cells.get("coverage", (0, 0))
        for fault in volume.labels((with_label, without), least, level):
            yield replace(fault, reason=where + fault.reason)
            return
