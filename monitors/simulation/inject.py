"""Injected changes of known size in counted slices: would the monitor have found them, and after how long?

Only counts are changed, never rows: the result is deterministic, every total is kept, and size 0 changes nothing. What
the counts of one variable do not determine stays as it was: other variables, what is derived from several of them, the
other stage. So a delay that is measured this way is that of the changed variable's own signals; a real change often
shows in others as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from features.errors import DataError
from features.schema import VALUE_HASHES
from monitors.baseline.baseline import Baseline
from monitors.finding import Signal, Stage
from monitors.profiles import value_hashes
from monitors.quality import value_reference
from monitors.sequential import slice_scores
from monitors.sequential.slice_scores import SliceCounts
from monitors.simulation import concept_shift
from monitors.simulation.concept_shift import copied
from monitors.simulation.tilting import exponential_tilting, rounded_to_total
from monitors.stats import threshold
from monitors.stats.bins import Bins, Counts, NumericBins

Change = Callable[[SliceCounts], dict[str, list[int]]]
"""Returns the counts of one slice, by variable, as they are after a change."""


class ChangeKind(str, Enum):
    """What changes; how, and what that does not imitate, is with the functions that make it."""

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
        """The signals that should find it."""
        return _SIGNALS.get(self, frozenset({Signal.QUALITY}))


FAULTS = (ChangeKind.MISSING, ChangeKind.UNITS, ChangeKind.STUCK)
"""The kinds that are faults of a data pipeline, and no drift."""
_SIGNALS = {
    ChangeKind.COVARIATE: frozenset({Signal.FEATURE}),
    ChangeKind.PRIOR: frozenset({Signal.LABEL, Signal.PERFORMANCE}),
    ChangeKind.CONCEPT: frozenset({Signal.PERFORMANCE}),
}


@dataclass(frozen=True, slots=True)
class InjectedChange:
    """A change of known size.

    Parameters
    ----------
    kind
        What changes.
    size
        The shift in sd (covariate; prior of a number), the share of all labels (prior), the relative rise of the loss
        (concept), or the share of rows (faults).
    """

    kind: ChangeKind
    size: float

    def __str__(self) -> str:
        """Return the change in words.

        >>> changes = [(ChangeKind.COVARIATE, 0.25), (ChangeKind.CONCEPT, 0.1), (ChangeKind.STUCK, 1)]
        >>> tuple(str(InjectedChange(kind, size)) for kind, size in changes)
        ('covariate, 0.25 sd', 'concept, loss +10%', 'stuck, 100% of rows')
        """
        size_text = {ChangeKind.COVARIATE: f"{self.size:g} sd", ChangeKind.PRIOR: f"{self.size:.0%} of labels",
                ChangeKind.CONCEPT: f"loss +{self.size:.0%}"}  # fmt: skip
        return f"{self.kind.value}, {size_text.get(self.kind, f'{self.size:.0%} of rows')}"


def change(shift: InjectedChange, baseline: Baseline, variable: str) -> Change:
    """Return the function that makes a change in the counts of a slice.

    Parameters
    ----------
    shift
        The change.
    baseline
        The baseline, whose codes and usual counts define its size.
    variable
        The feature in which covariate shifts and faults are.

    Raises
    ------
    DataError
        The change is larger than counts can show, or one of labels where the baseline has none.
    """
    if shift.kind.stage is Stage.OUTCOMES and not baseline.slices(Stage.OUTCOMES):
        msg = f"a {shift.kind.value} shift is one of labels, and the baseline has none"
        raise DataError(msg, hint="add `events.labels`, and make a baseline of a period with labels")
    if shift.kind is ChangeKind.PRIOR:
        return concept_shift.prior_shift(shift.size, baseline)
    if shift.kind is ChangeKind.CONCEPT:
        return concept_shift.concept_shift(shift.size, baseline)
    bins = baseline.bins[variable]
    if shift.kind is ChangeKind.COVARIATE:
        cells, total = threshold.compared(bins), baseline.counts(Stage.INPUTS, variable)
        codes = slice_scores.share_scores({variable: total}, {variable: cells}).codes[0, 0]
        return lambda counts: {
            **copied(counts),
            variable: exponential_tilting(counts[variable], cells, codes, shift.size),
        }
    target = fault_cell(bins, shift.kind, baseline.counts(Stage.INPUTS, variable).sum(axis=0))
    hashed = baseline.derived.hashed
    stuck = hashed.index(variable) if shift.kind is ChangeKind.STUCK and variable in hashed else None

    def changed(counts: SliceCounts) -> dict[str, list[int]]:
        out = {**copied(counts), variable: fault_injected(counts[variable], bins, target, shift.size)}
        if stuck is not None and VALUE_HASHES in out:
            n = sum(counts[variable][cell] for cell in value_reference.present_cells(bins))
            out[VALUE_HASHES] = value_hashes.with_one_value(out[VALUE_HASHES], stuck, n, shift.size)
        return out

    return changed


def fault_cell(bins: Bins, kind: ChangeKind, total: Counts) -> int:
    """Return the index of the cell into which a fault moves values.

    MISSING: nulls. UNITS: far beyond the range, as another unit of a number is, or unseen, as another spelling of a
    category is. STUCK: a number's middle bin; of a category the fullest cell with at most half of the values. Not
    imitated: a unit that moves values within the range, and values stuck at an extreme.

    Parameters
    ----------
    bins
        The frozen bins of the variable.
    kind
        One of :data:`FAULTS`.
    total
        The baseline's counts, (cells,).
    """
    numeric, k = isinstance(bins, NumericBins), bins.body
    if kind is ChangeKind.MISSING:
        return k + 2 if numeric else k + 1
    if kind is ChangeKind.UNITS:
        return k + 5 if numeric else k
    body = total[:k]
    return k // 2 if numeric else int(np.where(2 * body <= body.sum(), body, -1).argmax())


def fault_injected(counts: Sequence[int], bins: Bins, target: int, size: float) -> list[int]:
    """Return counts with a share of the rows that have a value moved into one cell, evenly from all others.

    Not imitated: a fault that hits some rows more than others.

    Parameters
    ----------
    counts
        All counts of a variable, (cells,).
    bins
        Its frozen bins.
    target
        The index of the cell that rows move to.
    size
        The share of rows, 0 to 1.

    Examples
    --------
    >>> from monitors.stats.bins import CategoricalBins
    >>> fault_injected([6, 2, 0, 0, 2], CategoricalBins(categories=("a", "b")), 4, 0.5)
    [3, 1, 0, 0, 6]
    """
    out = np.array(counts, np.int64)
    sources = [cell for cell in value_reference.present_cells(bins) if cell != target]
    n = int(out[sources].sum())
    left = rounded_to_total(out[sources], n - round(size * n))
    out[target] += n - left.sum()
    out[sources] = left
    return [int(n) for n in out]
