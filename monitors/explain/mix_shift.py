"""Mix shift: a change split into segments that grew or shrank, and shifts within segments (Kitagawa decomposition).

It tells different customers from the same customers behaving differently. With segment shares p, q and segment means m,
n before and now, the change is ``sum((q - p) (m + n) / 2)``, the mix, plus ``sum((p + q) / 2 (n - m))``, the shift
within segments. The two add up exactly, and neither side is the standard of the other.

References
----------
Kitagawa (1955), "Components of a difference between two rates", J. Am. Stat. Assoc. 50.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.profiles.outcome_counts import LOSS_UNIT
from monitors.report import Report
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances

CLEAR_MAJORITY = 0.75
"""Share of a change from which it is said to be mix, or within segments; in between it is both."""


@dataclass(frozen=True, slots=True)
class MixShift:
    """A variable's change, split by the segments of one feature.

    Each part is a total variation, 0 to 1 (of a loss, in its own units); they need not add up, as moves may cancel out.

    Parameters
    ----------
    by
        The segmenting feature.
    total
        The change of all rows.
    mix
        The part that comes from segments of another size.
    within
        The part that comes from changes within segments.
    """

    by: str
    total: float
    mix: float
    within: float

    @property
    def mix_share(self) -> float:
        """``mix / (mix + within)``: 1 is all mix, 0 all within, or no change."""
        moved = self.mix + self.within
        return self.mix / moved if moved else 0.0


def decompose(before: Counts, now: Counts) -> tuple[Distances, Distances]:
    """Return the change of shares by mix and within segments, (cells,) each, from counts, (segments, cells) each.

    A segment that is absent on one side is taken to have the shares of the other, so that its coming or going is mix.

    >>> mix, within = decompose(np.array([[90, 10], [50, 50]]), np.array([[45, 5], [100, 100]]))
    >>> mix.round(3).tolist(), within.round(3).tolist()
    ([-0.12, 0.12], [0.0, 0.0])
    """
    p, q = (c.sum(axis=1) / max(c.sum(), 1) for c in (before, now))
    m, n = (c / np.maximum(c.sum(axis=1, keepdims=True), 1) for c in (before, now))
    m, n = np.where((p > 0)[:, None], m, n), np.where((q > 0)[:, None], n, m)
    return ((q - p)[:, None] * (m + n) / 2).sum(axis=0), ((p + q)[:, None] / 2 * (n - m)).sum(axis=0)


def split(by: str, before: Mapping[str, Counts], now: Mapping[str, Counts]) -> MixShift:
    """Return the mix shift of counts, (cells,) by segment of the feature *by*."""
    names = sorted({*before, *now})
    width = len(next(iter({**before, **now}.values())))
    none = np.zeros(width, np.int64)
    then, after = (np.stack([np.asarray(side.get(name, none)) for name in names]) for side in (before, now))
    mix, within = decompose(then, after)
    return MixShift(by, *(float(np.abs(part).sum() / 2) for part in (mix + within, mix, within)))


def splits(baseline: Baseline, stage: Stage, variable: str, reports: Iterable[Report]) -> tuple[MixShift, ...]:
    """Return the mix shifts of a variable by every segmenting feature except itself.

    Parameters
    ----------
    baseline
        The version's baseline.
    stage, variable
        The variable whose counts are split.
    reports
        The reports of one window, of all its segments.

    Returns
    -------
    tuple of MixShift
        Without those features for which baseline or window have no segments.
    """
    now = {r.segment: np.array(r.counts[variable]) for r in reports if r.segment and variable in r.counts}
    return tuple(
        split(by, before, {s: c for s, c in now.items() if s.startswith(f"{by}=")})
        for by in baseline.events.segments
        if by != variable and (before := _baseline_counts(baseline, stage, variable, by)) and now
    )


def loss_splits(baseline: Baseline, reports: Sequence[Report]) -> Iterator[MixShift]:
    """Yield the mix shifts of the mean loss, in its own units, by segmenting feature; *reports* are of outcomes."""
    for by in baseline.events.segments:
        now = {r.segment: _loss_and_rest([r.counts]) for r in reports if r.segment.startswith(f"{by}=")}
        names = {s.segment for s in baseline.outcomes if s.segment.startswith(f"{by}=")}
        slices = {name: baseline.slices(Stage.OUTCOMES, name) for name in names}
        if names and now:
            yield split(by, {name: _loss_and_rest([s.counts for s in own]) for name, own in slices.items()}, now)


def mix_shift_text(split: MixShift) -> str:
    """Return a mix shift in a phrase, with its parts.

    >>> mix_shift_text(MixShift("origin", 0.2, 0.01, 0.19))
    'a shift within segments of origin: 0.200 in all, 0.010 by mix, 0.190 within'
    """
    what = "both the mix of segments and a shift within them"
    if split.mix_share > CLEAR_MAJORITY:
        what = "a different mix of segments"
    elif split.mix_share < 1 - CLEAR_MAJORITY:
        what = "a shift within segments"
    return f"{what} of {split.by}: {split.total:.3f} in all, {split.mix:.3f} by mix, {split.within:.3f} within"


def _loss_and_rest(slice_counts: Iterable[Mapping[str, Sequence[int]]]) -> Counts:
    """Return losses as if they were cells: the sum of losses, and what is left of 1 a row, which may be negative."""
    pairs = [(counts["loss"][0], counts["coverage"][0]) for counts in slice_counts]
    loss, rows = (sum(side) for side in zip(*pairs, strict=True))
    return np.array([loss, round(rows / LOSS_UNIT) - loss])


def _baseline_counts(baseline: Baseline, stage: Stage, variable: str, by: str) -> dict[str, Counts]:
    every = baseline.inputs if stage is Stage.INPUTS else baseline.outcomes
    names = {s.segment for s in every if s.segment.startswith(f"{by}=")}
    return {name: baseline.counts(stage, variable, name).sum(axis=0) for name in names}
