"""Arrival of records, from a window's counts in all traffic: rejected records, late predictions, missing labels."""

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
    """What a baseline is compared by.

    Parameters
    ----------
    refusable
        Variables in the order of the cells of rejected records.
    window
        The smallest share of predictions with a label in any of its runs of a window's length.
    slice
        The same of any slice.
    """

    refusable: tuple[str, ...]
    window: float
    slice: float


def arrival_reference(baseline: Baseline, segment: str, length: int) -> ArrivalReference:
    """Return the arrival reference of a baseline.

    Parameters
    ----------
    baseline
        The baseline.
    segment
        The segment; of segments other than all traffic, labels are not checked.
    length
        Slices in a window.
    """
    coverage = baseline.counts(Stage.OUTCOMES, "coverage")
    window, single = (0.0 if segment else least_labelled(coverage, n) for n in (length, 1))
    return ArrivalReference(baseline.events.refusable, window, single)


def least_labelled(coverage: Counts, length: int) -> float:
    """Return the smallest share of predictions with a label in runs of *length* slices of *coverage*, (slices, 2).

    0 where the baseline had no labels: then their absence is not new.

    >>> import numpy as np
    >>> least_labelled(np.array([[9, 1], [8, 2]]), 1)
    0.8
    """
    if not len(coverage):
        return 0.0
    runs = threshold.runs(coverage, length) if length > 1 else coverage
    runs = runs if len(runs) else coverage.sum(axis=0, keepdims=True)
    rows = runs.sum(axis=1)
    return float((runs[rows > 0, 0] / rows[rows > 0]).min()) if rows.any() else 0.0


def feed_counts(
    reference: ArrivalReference, counts: Cells, newest: Cells | None, *, whole: bool, ahead: int
) -> FeedCounts:
    """Return how the records of a window, and of its newest slice, arrived.

    Parameters
    ----------
    reference
        The baseline's arrival reference.
    counts
        The window's counts by variable.
    newest
        The newest slice's counts.
    whole
        Whether the window is complete; the number of rows is checked only then.
    ahead
        How many slices the window ends after the baseline.
    """
    rows = sum(counts.get(PREDICTION, ())) or None if whole else None
    late = int(counts[LATE][0]) if counts.get(LATE) else None  # no window counted before that was
    refused, lacking = records_set_aside(reference.refusable, counts)
    latest = records_set_aside(reference.refusable, newest or {})
    return FeedCounts(
        rows=rows,
        late=late,
        refused=refused,
        unusable=lacking,
        newest=FeedCounts(refused=latest[0], unusable=latest[1]),
        ahead=ahead,
    )


def records_set_aside(refusable: Sequence[str], counts: Cells) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of rejected records by variable whose value did not fit, and by unusable part.

    Parameters
    ----------
    refusable
        Variables in the order of the cells of rejected records.
    counts
        A window's counts by variable.

    Examples
    --------
    >>> records_set_aside(["c", "x"], {"refused": [0, 3], "unusable": [0, 0, 1, 0]})
    ({'x': 3}, {'model_version': 1})
    """
    refused, lacking = (
        {why: int(n) for why, n in zip(causes, counts.get(of, ()), strict=False) if n}
        for causes, of in ((refusable, REFUSED), (UNUSABLE_PARTS, UNUSABLE))
    )
    return refused, lacking


def any_arrived(counts: Cells) -> int:
    """Return how many predictions arrived in a slice with these counts: usable or not, in time or late."""
    return sum(sum(counts.get(name, ())) for name in (PREDICTION, *ARRIVED))


def unlabelled(reference: ArrivalReference, counts: Cells, newest: Cells | None, level: float) -> Iterator[Fault]:
    """Yield the fault of missing labels, if there is one: that of the newest slice rather than that of the window.

    Parameters
    ----------
    reference
        The baseline's arrival reference.
    counts
        The window's counts by variable.
    newest
        The newest slice's counts.
    level
        Probability of a false fault.
    """
    sides = ((newest or {}, reference.slice, "in the newest slice, "), (counts, reference.window, ""))
    for cells, least, where in sides:
        with_label, without = cells.get("coverage", (0, 0))
        for fault in volume.missing_labels((with_label, without), least, level):
            yield replace(fault, reason=where + fault.reason)
            return
