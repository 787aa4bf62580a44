"""A broken pipeline is not drift: shares of nulls, of nonsense, of never-seen and of impossible values, and stuck ones.

A fault needs three things at once: a share beyond the policy's, more than chance, and more than any window-length run
of the baseline had. It is told as drift of :attr:`Signal.QUALITY`, which blocks retraining on such data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from monitors.bins import CategoricalBins, Counts, NumericBins
from monitors.policy import MonitorPolicy
from monitors.report import Finding, Signal, Verdict

VARIED = 0.5
"""A variable can get stuck only in a cell that held less than this share: a week of clear sky is no broken sensor."""
_CHECKS = 4


@dataclass(frozen=True, eq=False)
class Reference:
    """One variable of the baseline on all its cells: the *total* and every window-length run, (runs, cells)."""

    bins: NumericBins | CategoricalBins
    total: Counts
    blocks: Counts

    @cached_property
    def known(self) -> dict[str, tuple[int, int]]:
        """The total's (how many, of how many) by name."""
        return {name: (int(x), int(n)) for name, (x, n) in tallies(self.bins, self.total).items()}

    @cached_property
    def habits(self) -> dict[str, float]:
        """The largest share that any run had, by name; ``stuck`` is that of a single cell."""
        there = self.blocks[:, _present(self.bins)]
        stuck = there.max(axis=1, initial=0), there.sum(axis=1)
        every = {**tallies(self.bins, self.blocks), "stuck": stuck}
        return {name: float(np.max(x[n > 0] / n[n > 0], initial=0.0)) for name, (x, n) in every.items()}


@dataclass(frozen=True)
class Fault:
    """A share that lies beyond its line, and what that means in words."""

    metric: str
    share: float
    line: float
    reason: str


def finding(variable: str, reference: Reference, window: Counts, policy: MonitorPolicy, level: float) -> Finding | None:
    """Return the quality finding of *variable* if it has a fault, else None; *level* is shared by its checks.

    The finding's metric is that of the fault furthest beyond its line; the reason names them all.
    """
    found = sorted(faults(reference, window, policy, level), key=lambda f: f.line - f.share)
    if not found:
        return None
    return Finding(
        signal=Signal.QUALITY,
        variable=variable,
        verdict=Verdict.DRIFT,
        metric=found[0].metric,
        effect=found[0].share,
        threshold=found[0].line,
        n=int(window.sum()),
        baseline_n=int(reference.total.sum()),
        metrics=shares(reference.bins, window),
        reason="; ".join(f.reason for f in found),
    )


def faults(reference: Reference, window: Counts, policy: MonitorPolicy, level: float) -> Iterator[Fault]:
    """Yield the faults of one variable. None where either side is below the policy's least number of rows."""
    if min(int(window.sum()), int(reference.total.sum())) < policy.min_rows:
        return
    for name, (x, n) in tallies(reference.bins, window).items():
        known, of = reference.known[name]
        if name == "out_of_range":
            continue  # told, but a season does it too
        if n == 0 or of == 0:
            continue
        rise = policy.max_out_of_range if name == "far_out_of_range" else policy.max_missing_increase
        chance = largest_by_chance(known, of, int(n), level / _CHECKS) / int(n)
        line = round(max(known / of + rise, chance, reference.habits[name]), 6)
        if (share := round(int(x) / int(n), 6)) > line:
            yield Fault(f"{name}_share", share, line, _words(name, share, known / of, reference.bins))
    yield from _stuck(reference, window, level / _CHECKS)


def shares(bins: NumericBins | CategoricalBins, counts: Counts) -> dict[str, float]:
    """Return each quality share of one row of *counts*, by metric name; shares of nothing are left out.

    >>> shares(CategoricalBins(categories=("a",)), np.array([6, 0, 2, 2]))
    {'missing_share': 0.2, 'unseen_share': 0.25}
    """
    return {f"{k}_share": round(float(x / n), 6) for k, (x, n) in tallies(bins, counts).items() if n}


def tallies(bins: NumericBins | CategoricalBins, counts: Counts) -> dict[str, tuple[Counts, Counts]]:
    """Return (how many, of how many) by name; broadcasts over the leading axes of *counts*.

    ``missing`` and ``non_finite`` are of all rows, ``out_of_range`` (``far`` or not) and ``unseen`` of the values that
    are there.
    """
    k, rows = bins.body, counts.sum(axis=-1)
    if isinstance(bins, CategoricalBins):
        missing = counts[..., k + 1]
        return {"missing": (missing, rows), "unseen": (counts[..., k], rows - missing)}
    missing, infinite = counts[..., k + 2], counts[..., k + 3]
    near, far = counts[..., k] + counts[..., k + 1], counts[..., k + 4] + counts[..., k + 5]
    return {
        "missing": (missing, rows),
        "non_finite": (infinite, rows),
        "out_of_range": (near + far, rows - missing - infinite),
        "far_out_of_range": (far, rows - missing - infinite),
    }


def largest_by_chance(known: int, of: int, n: int, level: float) -> int:
    """Return the count that *n* new rows exceed with probability *level* at most, after *known* of *of* rows before.

    The binomial tail at the upper Clopper-Pearson limit of the old share, each at half the level: exact whatever the
    true share is (Berger and Boos 1994), where the normal approximation fails at small levels.

    >>> largest_by_chance(0, 5000, 30, 0.001), largest_by_chance(250, 5000, 1000, 0.001)
    (2, 87)
    """
    highest = float(special.betaincinv(known + 1, of - known, 1 - level / 2)) if known < of else 1.0
    if highest >= 1 or special.bdtr(0, n, highest) >= 1 - level / 2:
        return n if highest >= 1 else 0
    # The inverse is continuous in the count; the nudge keeps a whole number from being rounded up.
    return math.ceil(float(special.bdtrik(1 - level / 2, n, highest)) - 1e-6)


def _stuck(reference: Reference, window: Counts, level: float) -> Iterator[Fault]:
    """Yield a fault if all values of the window share one cell, which neither chance nor the baseline explains.

    Cells are all that is seen. The outermost bins of a number are wide, and a season may move every value into one of
    them: there only a bin of a single value counts.
    """
    cell, n = int(window[: reference.bins.body].argmax()), int(window[_present(reference.bins)].sum())
    if isinstance(reference.bins, NumericBins) and not reference.bins.is_narrow(cell):
        return
    known, of = int(reference.total[cell]), int(reference.total[_present(reference.bins)].sum())
    if n == 0 or of == 0 or window[cell] < n or known / of > VARIED:
        return
    highest = float(special.betaincinv(known + 1, of - known, 1 - level / 2))
    line = round(max(known / of, reference.habits["stuck"]), 6)
    if line < 1 and n * math.log(highest) <= math.log(level / 2):
        held = f"which held {known / of:.1%} of the baseline's"
        words = f"stuck: all {n:,} values are in the cell {reference.bins.labels[cell]}, {held}"
        yield Fault("stuck_share", 1.0, line, words)


def _present(bins: NumericBins | CategoricalBins) -> list[int]:
    """Return the cells of values that are there, whatever they are."""
    return list(bins.ordered) if isinstance(bins, NumericBins) else list(range(bins.body + 1))


def _words(name: str, now: float, then: float, bins: NumericBins | CategoricalBins) -> str:
    if name == "far_out_of_range" and isinstance(bins, NumericBins):
        ends = f"{bins.edges[0]:.6g} to {bins.edges[-1]:.6g}"
        return f"{now:.1%} of values lie far outside the baseline's {ends}: another unit, rather than another world"
    return f"{now:.1%} {name.replace('_', '-')}, {then:.1%} in the baseline"
