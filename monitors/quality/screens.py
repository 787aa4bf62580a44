"""Screens: which variables of a window may have a fault, seen of all variables at once, as nearly none has.

A screen lets through all that the checks themselves would find, and little more: these look at what it names, and
decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitors.config import MonitorPolicy
from monitors.quality.stacked_shares import StackedShares
from monitors.quality.unit_reference import MIN_STEP_RATIO, UnitReference
from monitors.quality.value_reference import ValueReference
from monitors.stats.bins import Counts
from monitors.stats.distance import Distances
from monitors.stats.stacked_counts import StackedCells

SHARE_ROUNDING = 2e-6
"""Shares are compared with their lines at six decimals: by so much at most a rounded one exceeds what it is not."""
SUM_ROUNDING = 1e-9
"""Relative difference of sums of normal scores in another order, at most."""


@dataclass(frozen=True, eq=False)
class ValueScreen:
    """Screens for :func:`.value_faults.faults`.

    Parameters
    ----------
    cells
        Where the variables' cells are.
    references
        Their baselines, in the order of *cells*.
    """

    cells: StackedCells
    references: Mapping[str, ValueReference]

    def suspects(self, flat: Counts, policy: MonitorPolicy) -> list[str]:
        """Return the variables with a share above the policy's limit, or all values in one cell, in order.

        *flat* is what :meth:`.StackedCells.flat` returned.
        """
        shares = self._shares.counts(flat)
        rise = dict.fromkeys(shares, policy.max_missing_increase) | {"far_out_of_range": policy.max_out_of_range}
        (missing, rows), (infinite, _) = shares["missing"], shares["non_finite"]
        values = rows - missing - infinite
        suspicious = (values > 0) & (flat[self.cells.body].max(axis=1) == values)
        for name, usual in self._usual.items():
            x, n = shares[name]
            suspicious |= (n > 0) & (x > (usual + rise[name] - SHARE_ROUNDING) * n)
        return [self.cells.names[row] for row in np.flatnonzero(suspicious)]

    @cached_property
    def _shares(self) -> StackedShares:
        return StackedShares(self.cells)

    @cached_property
    def _usual(self) -> Mapping[str, Distances]:
        """The baseline's share of each kind that may be a fault, (variables,); NaN where it has no rows."""
        totals = self.cells.flat({name: reference.total for name, reference in self.references.items()})
        shares = self._shares.counts(totals)
        return {name: x / np.where(n > 0, n, np.nan) for name, (x, n) in shares.items() if name != "out_of_range"}


@dataclass(frozen=True, eq=False)
class StepScreen:
    """Screens for :func:`.unit_reference.plateau` of two slices.

    Parameters
    ----------
    cells
        Where the cells of a window's variables are.
    numbers
        The baselines of those that are numbers of more than one value.
    """

    cells: StackedCells
    numbers: Mapping[str, UnitReference]

    def steps(self, before: Counts, newest: Counts) -> set[str]:
        """Return the numbers whose mean normal score made a step, from the counts *before* to the *newest*."""
        with np.errstate(invalid="ignore"):
            change = np.abs(self._means(newest) - self._means(before))
        far = change >= (1 - SUM_ROUNDING) * MIN_STEP_RATIO * self._largest
        return {self.cells.names[row] for row in np.flatnonzero(far)}

    def _means(self, flat: Counts) -> Distances:
        sums, rows = (np.add.reduceat(flat[:-1] * of, self.cells.starts[:-1]) for of in (self._scores, self._ordered))
        return np.asarray(sums / np.where(rows > 0, rows, np.nan))

    @cached_property
    def _largest(self) -> Distances:
        """The largest step in the baseline, (variables,); NaN of those that are no such numbers."""
        return np.array([self.numbers[n].largest_step if n in self.numbers else np.nan for n in self.cells.names])

    @cached_property
    def _scores(self) -> Distances:
        return self._stacked({name: of.scores for name, of in self.numbers.items()})

    @cached_property
    def _ordered(self) -> Distances:
        return self._stacked({name: of.is_ordered for name, of in self.numbers.items()})

    def _stacked(self, values: Mapping[str, npt.NDArray[np.generic]]) -> Distances:
        out = np.zeros(int(self.cells.starts[-1]))
        for name, of in values.items():
            out[self.cells.places[name]] = of
        return out
