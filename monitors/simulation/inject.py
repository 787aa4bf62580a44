"""Changes of known size, put into slices that were counted before: what would have been found, and how soon?

Only counts are changed, never rows: deterministic, every total is kept, size 0 changes nothing. What the counts of one
variable do not tell stays as it was: other variables, what is made of several of them, the other stage. So a delay that
is measured this way says what the changed variable's own signals do; a real change is often seen in others as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from features.errors import DataError
from monitors.baseline.baseline import Baseline
from monitors.quality import value_reference
from monitors.report import Signal, Stage
from monitors.sequential import slice_scores
from monitors.simulation import concept_shift
from monitors.simulation.concept_shift import plain
from monitors.simulation.tilting import exponential_tilting, rounded_to_total
from monitors.stats import threshold
from monitors.stats.bins import Bins, Counts, NumericBins

Tallies = Mapping[str, Sequence[int]]
Change = Callable[[Tallies], dict[str, list[int]]]
"""Returns the counts of one slice as they would be after the change; what is not changed is passed on."""


class ChangeKind(str, Enum):
    """What changes; the functions of this module say how, and what that does and does not imitate."""

    COVARIATE = "covariate"
    PRIOR = "prior"
    CONCEPT = "concept"
    MISSING = "missing"
    UNITS = "units"
    STUCK = "stuck"

    @property
    def stage(self) -> Stage:
        """The stage whose counts change."""
        return Stage.OUTCOMES if self in (ChangeKind.PRIOR, ChangeKind.CONCEPT) else Stage.INPUTS

    @property
    def signals(self) -> frozenset[Signal]:
        """The signals that are right to tell of it."""
        return _SIGNALS.get(self, frozenset({Signal.QUALITY}))


FAULTS = (ChangeKind.MISSING, ChangeKind.UNITS, ChangeKind.STUCK)
"""The kinds that are a broken pipeline."""
_SIGNALS = {
    ChangeKind.COVARIATE: frozenset({Signal.FEATURE}),
    ChangeKind.PRIOR: frozenset({Signal.LABEL, Signal.PERFORMANCE}),
    ChangeKind.CONCEPT: frozenset({Signal.PERFORMANCE}),
}


@dataclass(frozen=True, slots=True)
class InjectedChange:
    """A change of one *kind* and *size*: sd (covariate), share of labels (prior), relative rise of the loss (concept),
    share of rows (faults)."""

    kind: ChangeKind
    size: float

    def __str__(self) -> str:
        """Return the change in words.

        >>> changes = [(ChangeKind.COVARIATE, 0.25), (ChangeKind.CONCEPT, 0.1), (ChangeKind.STUCK, 1)]
        >>> tuple(str(InjectedChange(kind, size)) for kind, size in changes)
        ('covariate, 0.25 sd', 'concept, loss +10%', 'stuck, 100% of rows')
        """
        said = {ChangeKind.COVARIATE: f"{self.size:g} sd", ChangeKind.PRIOR: f"{self.size:.0%} of labels",
                ChangeKind.CONCEPT: f"loss +{self.size:.0%}"}  # fmt: skip
        return f"{self.kind.value}, {said.get(self.kind, f'{self.size:.0%} of rows')}"


def change(shift: InjectedChange, baseline: Baseline, variable: str) -> Change:
    """Return what *shift* does to the counts of slices; covariate shifts and faults are in the feature *variable*.

    Raises:
        DataError: the shift is larger than counts can show, or of labels where there are none.
    """
    if shift.kind.stage is Stage.OUTCOMES and not baseline.slices(Stage.OUTCOMES):
        msg = f"a {shift.kind.value} shift is one of labels, and the baseline has none"
        raise DataError(msg, hint="add `events.labels`, and make a baseline of a period with labels")
    if shift.kind is ChangeKind.PRIOR:
        return concept_shift.prior(shift.size, baseline)
    if shift.kind is ChangeKind.CONCEPT:
        return concept_shift.concept(shift.size, baseline)
    bins = baseline.bins[variable]
    if shift.kind is ChangeKind.COVARIATE:
        cells, total = threshold.compared(bins), baseline.counts(Stage.INPUTS, variable)
        codes = slice_scores.share_scores({variable: total}, {variable: cells}).codes[0, 0]
        return lambda counts: {
            **plain(counts),
            variable: exponential_tilting(counts[variable], cells, codes, shift.size),
        }
    target = at_fault(bins, shift.kind, baseline.counts(Stage.INPUTS, variable).sum(axis=0))
    return lambda counts: {**plain(counts), variable: broken(counts[variable], bins, target, shift.size)}


def at_fault(bins: Bins, kind: ChangeKind, total: Counts) -> int:
    """Return the cell that values fall into by a fault; *total* is what the baseline counted.

    MISSING: nulls. UNITS: far beyond the range, as another unit of a number is, or unseen, as another spelling of a
    category is. STUCK: a number's middle bin, a category's fullest cell that held at most half. Not imitated: a unit
    that moves values within the range, and values stuck at an extreme.
    """
    numeric, k = isinstance(bins, NumericBins), bins.body
    if kind is ChangeKind.MISSING:
        return k + 2 if numeric else k + 1
    if kind is ChangeKind.UNITS:
        return k + 5 if numeric else k
    body = total[:k]
    return k // 2 if numeric else int(np.where(2 * body <= body.sum(), body, -1).argmax())


def broken(counts: Sequence[int], bins: Bins, target: int, size: float) -> list[int]:
    """Return *counts* with a share *size* of the rows that have a value moved to the cell *target*.

    They are taken evenly from all values. Not imitated: a fault that hits some rows more than others.

    >>> from monitors.stats.bins import CategoricalBins
    >>> broken([6, 2, 0, 0, 2], CategoricalBins(categories=("a", "b")), 4, 0.5)
    [3, 1, 0, 0, 6]
    """
    out = np.array(counts, np.int64)
    sources = [cell for cell in value_reference.present_cells(bins) if cell != target]
    n = int(out[sources].sum())
    left = rounded_to_total(out[sources], n - round(size * n))
    out[target] += n - left.sum()
    out[sources] = left
    return [int(n) for n in out]
