"""A broken pipeline is not drift: shares of nulls, of nonsense, of never-seen and of impossible values, and stuck ones.

A fault needs three things at once: a share beyond the policy's, more than chance, and more than any window-length run
of the baseline had. It is told as drift of :attr:`monitors.finding.Signal.QUALITY`, which blocks retraining on such
data. What takes several variables, or a window's slices, to see is added by :mod:`monitors.quality.router`.

Two things cannot be told from counts. A value that hangs in a bin so wide that a mere shift of the baseline would fit
into it whole (the last tenth of a skewed variable) is taken for such a shift. And a new category is told as unseen
values, whether it is a new product or a typing error: the reason says if the known ones are still there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import special

from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Verdict
from monitors.quality import rescaling
from monitors.quality.fault import Fault, FaultKind, words
from monitors.stats.bins import CategoricalBins, Counts, NumericBins

VARIED = 0.5
"""A variable can get stuck only in a cell that held less than this share: a week of clear sky is no broken sensor."""
OPEN, FEW = 0.05, 10
"""A vocabulary is open if so many rows or more may be new values; one that was seen fewer times is rare in it."""
_CHECKS = 4
_KINDS = {
    "missing": FaultKind.MISSING_BURST,
    "non_finite": FaultKind.NON_FINITE,
    "unseen": FaultKind.UNSEEN,
    "far_out_of_range": FaultKind.OUT_OF_RANGE,
    "stuck": FaultKind.STUCK,
}


@dataclass(frozen=True, eq=False)
class ValueReference:
    """One variable of the baseline on all its cells: the *total* and every window-length run, (runs, cells)."""

    bins: NumericBins | CategoricalBins
    total: Counts
    blocks: Counts

    @cached_property
    def reference_counts(self) -> dict[str, tuple[int, int]]:
        """The total's (how many, of how many) by name."""
        return {name: (int(x), int(n)) for name, (x, n) in share_counts(self.bins, self.total).items()}

    @cached_property
    def historical_max(self) -> dict[str, float]:
        """The largest share that any run had, by name; ``stuck``: of a single cell, ``rare``: of all rare values."""
        there = self.blocks[:, present(self.bins)]
        stuck = there.max(axis=1, initial=0), there.sum(axis=1)
        every = {**share_counts(self.bins, self.blocks), "stuck": stuck}
        every["rare"] = self.blocks[:, self.rare_cells].sum(axis=1), stuck[1]
        return {name: float(np.max(x[n > 0] / n[n > 0], initial=0.0)) for name, (x, n) in every.items()}

    @cached_property
    def move_max(self) -> dict[int, float]:
        """The largest share of the baseline that a move of the world brings into each outermost bin that is wide."""
        bins = self.bins
        if not isinstance(bins, NumericBins) or not rescaling.has_width(bins) or not len(self.blocks):
            return {}
        most = rescaling.moves(bins, self.total).max(axis=0)
        return {cell: float(most[bins.ordered.index(cell)]) for cell in range(bins.body) if not bins.is_narrow(cell)}

    @cached_property
    def expected_unseen(self) -> int:
        """How many of the baseline's values might have been seen once only, and so how many new ones to expect.

        As many rows in so many are expected to hold a value never seen before as held one seen once (Good 1953, who
        has it from Turing). Which of the *others* were seen once is not kept; at most all of them.
        """
        if not isinstance(self.bins, CategoricalBins):
            return 0
        k = self.bins.body
        once = int((self.total[: k - 1] == 1).sum())
        return once + len(self.bins.others) + int(self.total[k])

    @cached_property
    def rare_cells(self) -> list[int]:
        """The cells of rare values: others and unseen ones, in an open vocabulary also those seen a few times only.

        The most frequent of a thousand rare values are frequent by luck, and no more likely to come again.
        """
        if not isinstance(self.bins, CategoricalBins):
            return []
        k, rows = self.bins.body, int(self.total[: self.bins.body + 1].sum())
        least = FEW if self.expected_unseen > OPEN * rows else 0
        return [*(cell for cell in range(k - 1) if self.total[cell] < least), k - 1, k]


def finding(variable: str, found: Sequence[Fault], reference: ValueReference, window: Counts) -> Finding:
    """Return the finding that tells of the faults *found* in *variable*, one at least.

    Its metric is that of the fault furthest beyond its line; the reason names them all.
    """
    worst = min(found, key=lambda f: f.line - f.share)
    return Finding(
        signal=Signal.QUALITY,
        variable=variable,
        window_verdict=Verdict.DRIFT,
        metric=worst.metric,
        effect=worst.share,
        threshold=worst.line,
        n=int(window.sum()),
        baseline_n=int(reference.total.sum()),
        metrics=shares(reference.bins, window),
        reason="; ".join(f.reason for f in sorted(found, key=lambda f: f.line - f.share)),
    )


def faults(
    variable: str, reference: ValueReference, window: Counts, policy: MonitorPolicy, level: float
) -> Iterator[Fault]:
    """Yield the faults of one variable, *level* being shared by its checks.

    None where either side is below the policy's least number of rows.
    """
    if min(int(window.sum()), int(reference.total.sum())) < policy.min_rows:
        return
    for name, (x, n) in share_counts(reference.bins, window).items():
        known, of = reference.reference_counts[name]
        if name == "out_of_range" or n == 0 or of == 0:
            continue  # out of range is told, but a season does it too
        rise = policy.max_out_of_range if name == "far_out_of_range" else policy.max_missing_increase
        if name == "unseen" and not _beyond_rare(reference, window, rise, level / _CHECKS):
            continue
        expected = min(max(known, reference.expected_unseen), of) if name == "unseen" else known
        chance = largest_by_chance(expected, of, int(n), level / _CHECKS) / int(n)
        line = round(max(known / of + rise, chance, reference.historical_max[name]), 6)
        if (share := round(int(x) / int(n), 6)) > line:
            yield _fault(variable, name, (share, line, known / of), reference, window)
    yield from _stuck(variable, reference, window, level / _CHECKS)


def shares(bins: NumericBins | CategoricalBins, counts: Counts) -> dict[str, float]:
    """Return each quality share of one row of *counts*, by metric name; shares of nothing are left out.

    >>> shares(CategoricalBins(categories=("a",)), np.array([6, 0, 2, 2]))
    {'missing_share': 0.2, 'unseen_share': 0.25}
    """
    return {f"{k}_share": round(float(x / n), 6) for k, (x, n) in share_counts(bins, counts).items() if n}


def share_counts(bins: NumericBins | CategoricalBins, counts: Counts) -> dict[str, tuple[Counts, Counts]]:
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


def _beyond_rare(reference: ValueReference, window: Counts, rise: float, level: float) -> bool:
    """Say whether unseen values took from the frequent ones, rather than from the rare as in any open vocabulary.

    New users, products or tail numbers come where old ones went: unseen and rare values together hold about what the
    rare ones held in the baseline, however fast they turn over. A fault hits frequent values too.
    """
    there = present(reference.bins)
    known, of = int(reference.total[reference.rare_cells].sum()), int(reference.total[there].sum())
    now, n = int(window[reference.rare_cells].sum()), int(window[there].sum())
    chance = largest_by_chance(known, of, n, level) / n
    return now / n > max(known / of + rise, chance, reference.historical_max["rare"])


def _stuck(variable: str, reference: ValueReference, window: Counts, level: float) -> Iterator[Fault]:
    """Yield a fault if all values of the window share one cell, which neither chance nor the baseline explains.

    Cells are all that is seen. A bin may be so wide that the world's move brings nearly everything into it: there the
    share to beat is that of the most fitting move, and nothing is said where runs of the baseline came near (a day of
    wind from one side).
    """
    cell, n = int(window[: reference.bins.body].argmax()), int(window[present(reference.bins)].sum())
    known, of = int(reference.total[cell]), int(reference.total[present(reference.bins)].sum())
    if n == 0 or of == 0 or window[cell] < n or known / of > VARIED:
        return
    highest = float(special.betaincinv(known + 1, of - known, 1 - level / 2))
    if isinstance(reference.bins, NumericBins) and not reference.bins.is_narrow(cell):
        if reference.historical_max["stuck"] > VARIED:
            return
        highest = max(highest, reference.move_max.get(cell, 1.0))
    line = round(max(known / of, reference.historical_max["stuck"]), 6)
    if line < 1 and n * math.log(highest) <= math.log(level / 2):
        yield _fault(variable, "stuck", (1.0, line, known / of), reference, window)


def _fault(
    variable: str, name: str, figures: tuple[float, float, float], reference: ValueReference, window: Counts
) -> Fault:
    share, line, then = figures
    kind = FaultKind.SCHEMA if name == "missing" and share == 1 else _KINDS[name]
    fault = Fault(kind, (variable,), f"{name}_share", share, line, "", {"baseline": round(then, 6)})
    return replace(fault, reason=words(fault, reference.bins, reference.total, window))


def present(bins: NumericBins | CategoricalBins) -> list[int]:
    """Return the cells of values that are there, whatever they are."""
    return list(bins.ordered) if isinstance(bins, NumericBins) else list(range(bins.body + 1))
