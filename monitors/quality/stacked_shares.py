"""Shares of missing, non-finite, unseen and out-of-range values of several variables at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitors.stats.bins import Counts
from monitors.stats.distance import Distances
from monitors.stats.stacked_counts import Indices, StackedCells


@dataclass(frozen=True, eq=False)
class StackedShares:
    """Counts of quality of the variables of *cells*: what :func:`.value_reference.share_counts` is for one."""

    cells: StackedCells

    def counts(self, flat: Counts) -> dict[str, tuple[Counts, Counts]]:
        """Return (count, of how many), (variables,) each, by name of the share; a share that one has not is of 0 rows.

        *flat* is what :meth:`.StackedCells.flat` returned.
        """
        missing, infinite, unseen, near, far = (
            flat[index].sum(axis=-1) for index in (self._missing, self._infinite, self._unseen, self._near, self._far)
        )
        rows = self.cells.rows(flat)
        there, numeric = rows - missing - infinite, self._is_numeric
        return {
            "missing": (missing, rows),
            "non_finite": (infinite, rows * numeric),
            "out_of_range": (near + far, there * numeric),
            "far_out_of_range": (far, there * numeric),
            "unseen": (unseen, there * ~numeric),
        }

    def of(self, flat: Counts) -> tuple[dict[str, Distances], dict[str, Distances]]:
        """Return each share of numbers and of categories by metric, (numbers,) and (categories,); NaN of nothing.

        Numbers must come first.
        """
        shares = {f"{name}_share": x / np.where(n > 0, n, np.nan) for name, (x, n) in self.counts(flat).items()}
        k, unseen = int(self._is_numeric.sum()), {"missing_share", "unseen_share"}
        return (
            {name: of[:k] for name, of in shares.items() if name != "unseen_share"},
            {name: of[k:] for name, of in shares.items() if name in unseen},
        )

    @cached_property
    def _missing(self) -> Indices:
        return self._one(2, 1)

    @cached_property
    def _infinite(self) -> Indices:
        return self._one(3, None)

    @cached_property
    def _unseen(self) -> Indices:
        return self._one(None, 0)

    @cached_property
    def _near(self) -> Indices:
        return np.hstack([self._one(0, None), self._one(1, None)])

    @cached_property
    def _far(self) -> Indices:
        return np.hstack([self._one(4, None), self._one(5, None)])

    def _one(self, numeric: int | None, categorical: int | None) -> Indices:
        """Return one cell of each variable, (variables, 1), by its place after the body of numbers or of categories."""
        return self.cells.beyond_body(numeric, categorical)[:, None]

    @cached_property
    def _is_numeric(self) -> Counts:
        return np.array([bins.kind == "numeric" for bins in self.cells.bins.values()], bool)
