"""Skew of features as a fault: logged values of features of facts that are not those which the facts give.

A model that was trained on the one and answers with the other is wrong without any drift. Rows under this fault are not
trained on. Not a fault are values that differed as often in the baseline's own period, as where callers send values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitors.config import MonitorPolicy
from monitors.quality.fault import Fault, FaultKind
from monitors.quality.value_faults import largest_by_chance

METRIC = "different_share"
"""Name of the metric: the share of sampled rows whose logged value is not the recomputed one."""


@dataclass(frozen=True, slots=True)
class SkewCounts:
    """Sampled rows that were compared, and those that differ, by feature; a feature that is not logged has no rows."""

    rows: Mapping[str, int] = field(default_factory=dict)
    different: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: SkewCounts) -> SkewCounts:
        """Return the sum of both.

        >>> SkewCounts({"x": 3}, {"x": 1}).plus(SkewCounts({"x": 2}, {"x": 0}))
        SkewCounts(rows={'x': 5}, different={'x': 1})
        """
        names = dict.fromkeys([*self.rows, *other.rows])
        return SkewCounts(
            {name: self.rows.get(name, 0) + other.rows.get(name, 0) for name in names},
            {name: self.different.get(name, 0) + other.different.get(name, 0) for name in names},
        )


def line(name: str, sample: SkewCounts, baseline: SkewCounts, policy: MonitorPolicy, level: float) -> float:
    """Return the share of differing rows from which it is a fault.

    It lies `monitor.max_skew` above the baseline's own share, and above what chance makes of that share.
    """
    before, rows, n = baseline.different.get(name, 0), baseline.rows.get(name, 0), sample.rows[name]
    chance = largest_by_chance(before, max(rows, 1), n, level) / n if rows else 0.0
    return round(max((before / rows if rows else 0.0) + policy.max_skew, chance), 6)


def faults(sample: SkewCounts, baseline: SkewCounts, policy: MonitorPolicy, level: float) -> Iterator[Fault]:
    """Yield the fault of each feature whose logged values differ too often from the recomputed ones.

    Parameters
    ----------
    sample
        The sample of a window.
    baseline
        That of the baseline's own period; without rows, as where the baseline is of a history that was not logged,
        none differed.
    policy
        The monitoring policy.
    level
        Probability of a false fault.
    """
    for name, n in sample.rows.items():
        if n < policy.min_rows:
            continue
        share, most = sample.different[name] / n, line(name, sample, baseline, policy, level)
        if share > most:
            then = baseline.different.get(name, 0) / max(baseline.rows.get(name, 0), 1)
            yield Fault(FaultKind.SKEW, (name,), METRIC, round(share, 6), most, _reason(name, sample, then))


def _reason(name: str, sample: SkewCounts, then: float) -> str:
    different, n = sample.different[name], sample.rows[name]
    saw = f"{different:,} of {n:,} sampled rows were logged with another {name} than the facts give"
    share = f"{different / n:.1%}, {then:.1%} in the baseline"
    why = "facts come later than `delay`, a caller sends values of its own, or another program computes them"
    return f"{saw} ({share}): {why}; `leeway features diff` shows the rows"
