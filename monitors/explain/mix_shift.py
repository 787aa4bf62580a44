"""Is it a different crowd, or the same people behaving differently: a change split into mix shift and shift within.

Kitagawa's decomposition (1955, "Components of a difference between two rates"): with segment shares p, q and segment
means m, n before and now, the change is ``sum((q - p) (m + n) / 2)``, the mix, plus ``sum((p + q) / 2 (n - m))``, the
shift within segments. The two add up exactly, and neither side is the standard of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.report import Report
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances


@dataclass(frozen=True, slots=True)
class MixShift:
    """How far a variable's shares moved in all, because segments grew and shrank, and inside segments.

    Each a total variation, 0 to 1; they need not add up, as parts may cancel out. *mix_share* is the mix's part of the
    movement: 1 is all mix, 0 is all within.
    """

    by: str
    total: float
    mix: float
    within: float

    @property
    def mix_share(self) -> float:
        """``mix / (mix + within)``; 0 where nothing moved."""
        moved = self.mix + self.within
        return self.mix / moved if moved else 0.0


def decompose(before: Counts, now: Counts) -> tuple[Distances, Distances]:
    """Return the change of shares by mix and within segments, (cells,) each, of counts (segments, cells).

    A segment that is absent on one side is taken to behave as it does on the other, so that its coming or going is mix.

    >>> mix, within = decompose(np.array([[90, 10], [50, 50]]), np.array([[45, 5], [100, 100]]))
    >>> mix.round(3).tolist(), within.round(3).tolist()
    ([-0.12, 0.12], [0.0, 0.0])
    """
    p, q = (c.sum(axis=1) / max(c.sum(), 1) for c in (before, now))
    m, n = (c / np.maximum(c.sum(axis=1, keepdims=True), 1) for c in (before, now))
    m, n = np.where((p > 0)[:, None], m, n), np.where((q > 0)[:, None], n, m)
    return ((q - p)[:, None] * (m + n) / 2).sum(axis=0), ((p + q)[:, None] / 2 * (n - m)).sum(axis=0)


def split(by: str, before: Mapping[str, Counts], now: Mapping[str, Counts]) -> MixShift:
    """Return the split of one variable's counts by segment of the feature *by*."""
    names = sorted({*before, *now})
    width = len(next(iter({**before, **now}.values())))
    none = np.zeros(width, np.int64)
    then, after = (np.stack([np.asarray(side.get(name, none)) for name in names]) for side in (before, now))
    mix, within = decompose(then, after)
    return MixShift(by, *(float(np.abs(part).sum() / 2) for part in (mix + within, mix, within)))


def splits(baseline: Baseline, stage: Stage, variable: str, reports: Iterable[Report]) -> tuple[MixShift, ...]:
    """Return the splits of *variable* by every segmenting feature, from *reports* of one window's segments.

    None by the variable itself, nor where the baseline or the window knows no segments.
    """
    now = {r.segment: np.array(r.counts[variable]) for r in reports if r.segment and variable in r.counts}
    return tuple(
        split(by, before, {s: c for s, c in now.items() if s.startswith(f"{by}=")})
        for by in baseline.events.segments
        if by != variable and (before := _baseline_counts(baseline, stage, variable, by)) and now
    )


def _baseline_counts(baseline: Baseline, stage: Stage, variable: str, by: str) -> dict[str, Counts]:
    every = baseline.inputs if stage is Stage.INPUTS else baseline.outcomes
    names = {s.segment for s in every if s.segment.startswith(f"{by}=")}
    return {name: baseline.counts(stage, variable, name).sum(axis=0) for name in names}
