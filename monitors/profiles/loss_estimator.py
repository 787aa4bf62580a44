"""Direct loss estimation: the expected loss of a prediction, from the cells of its features and its score.

As in NannyML's DLE, a second model learns the losses of the reference's rows. Here it is additive, with one number per
cell: the estimate is a sum of whole numbers, which adds up exactly wherever rows are counted, and each feature's
contribution can be read off. It does not model interactions of features. Accuracy on simulated covariate shifts:
docs/statistics.md, section 6; why whole numbers: docs/decisions/0005.

References
----------
NannyML, "Direct Loss Estimation (DLE)"; Golub, Heath and Wahba (1979), "Generalized cross-validation as a method for
choosing a good ridge parameter", Technometrics 21(2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import sparse

from features.scoring import Floats
from monitors.profiles import outcome_counts
from monitors.profiles.outcome_counts import LOSS_UNIT
from monitors.stats.bins import Counts

Ints = npt.NDArray[np.int64]
MAX_CELLS = 1000
"""Cells that get an effect, which bounds the regression to a 1,000 x 1,000 matrix; where there are more, the variables
whose cells differ least in loss are left out."""
RIDGE_PENALTIES = tuple(10.0**k for k in range(7))
"""Candidate penalties, in rows: how many rows without any effect each cell is taken to have besides its own. The best
one is chosen by generalised cross-validation."""
BLOCK_ROWS = 50_000
"""Rows that are added up at once, which bounds memory."""


class DirectLossEstimator(BaseModel):
    """An additive model of the loss, in millionths: `base` plus the effects of a row's cells, clipped to [0, `most`].

    Parameters
    ----------
    base
        Expected loss of a row without any effect.
    most
        Largest possible loss.
    effects
        Effect of each cell, by variable; empty if nothing predicts the loss of a row.
    errors
        Standard errors of the effects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["loss_table"] = "loss_table"
    base: int
    most: int
    effects: dict[str, tuple[int, ...]]
    errors: dict[str, tuple[int, ...]]

    def addends(self, cells: Mapping[str, Ints], rows: int) -> Counts:
        """Return what each row adds to the counts, (3, rows): 1, its estimated loss, and the square of that.

        Parameters
        ----------
        cells
            The rows' cells by variable, (rows,) each.
        rows
            Number of rows.

        Examples
        --------
        >>> t = DirectLossEstimator(base=500_000, most=1_000_000, effects={"a": (-600_000, 200_000)}, errors={})
        >>> t.addends({"a": np.array([0, 1])}, 2).tolist()
        [[1, 1], [0, 700000], [0, 490000]]
        """
        loss = np.full(rows, self.base, np.int64)
        for name, effects in self.effects.items():
            loss += np.asarray(effects, np.int64)[cells[name]]
        loss = np.clip(loss, 0, self.most)
        return np.stack([np.ones(rows, np.int64), loss, outcome_counts.squared(loss)])

    def expected(self, counts: Counts) -> dict[str, Counts]:
        """Return the expected outcome counts from sums of addends (..., 3), see :mod:`.outcome_counts`."""
        rows = counts[..., 0]
        return {"coverage": np.stack([rows, np.zeros_like(rows)], axis=-1), "loss": counts[..., 1:]}

    def variance(self, shift: Mapping[str, Floats]) -> float:
        """Return the variance of the estimated change of the mean loss that the reference's sampling error causes.

        Cells' errors are taken as independent: exact for independent variables, too large for variables that move
        together as they did in the reference.

        Parameters
        ----------
        shift
            By how much each cell's share has grown since the reference, by variable, (cells,) each.
        """
        parts = (shift[name] * np.asarray(errors) * LOSS_UNIT for name, errors in self.errors.items())
        return float(sum((part**2).sum() for part in parts))


def fit(cells: Mapping[str, Ints], sizes: Mapping[str, int], loss: Floats, most: float) -> DirectLossEstimator:
    """Return the estimator that ridge regression fits to the reference's losses, with one column per cell.

    The penalty is chosen by generalised cross-validation, with no effect at all as one choice. Sums are of whole
    numbers, so the rows' order does not matter.

    Parameters
    ----------
    cells
        The rows' cells by variable, (rows,) each.
    sizes
        Number of cells of each variable.
    loss
        Loss of each row, (rows,), out of sample.
    most
        Largest possible loss.
    """
    units = np.rint(loss / LOSS_UNIT)
    chosen = {name: sizes[name] for name in _informative(cells, sizes, units)}
    cell_rows, products, joint = _sums(cells, chosen, units)
    effects, errors = _ridge(
        products - np.outer(cell_rows, cell_rows) / len(units), joint - cell_rows * units.mean(), units
    )
    base = units.mean() - effects @ cell_rows / len(units)
    reported = chosen if effects.any() else {}
    return DirectLossEstimator(base=round(base), most=round(most / LOSS_UNIT), effects=_by_name(reported, effects),
                     errors=_by_name(reported, errors))  # fmt: skip


def _by_name(sizes: Mapping[str, int], values: Floats) -> dict[str, tuple[int, ...]]:
    whole = iter(np.rint(values).astype(np.int64).tolist())
    return {name: tuple(islice(whole, size)) for name, size in sizes.items()}


def _informative(cells: Mapping[str, Ints], sizes: Mapping[str, int], units: Floats) -> Iterator[str]:
    """Yield the variables whose cells' mean losses differ most, up to :data:`MAX_CELLS` cells."""
    between = {}
    for name, at in cells.items():
        n, sums = (np.bincount(at, weights, minlength=sizes[name]) for weights in (None, units))
        between[name] = (sums[n > 0] ** 2 / n[n > 0]).sum()
    left = MAX_CELLS
    for name in sorted(between, key=lambda name: (-between[name], name)):
        left -= sizes[name]
        if left >= 0:
            yield name


def _sums(cells: Mapping[str, Ints], sizes: Mapping[str, int], units: Floats) -> tuple[Floats, Floats, Floats]:
    """Return cell counts, co-occurrence counts and loss sums: the normal equations of the ridge fit."""
    offsets, width = np.cumsum([0, *sizes.values()])[:-1], sum(sizes.values())
    products, joint = np.zeros((width, width)), np.zeros(width)
    for at in range(0, len(units), BLOCK_ROWS):
        columns = np.column_stack([cells[name][at : at + BLOCK_ROWS] for name in sizes]) + offsets
        rows, ends = len(columns), np.arange(len(columns) + 1) * len(sizes)
        ones = sparse.csr_array((np.ones(columns.size), columns.ravel(), ends), shape=(rows, width))
        products += (ones.T @ ones).toarray()
        joint += ones.T @ units[at : at + BLOCK_ROWS]
    return np.diag(products).copy(), products, joint


def _ridge(products: Floats, joint: Floats, units: Floats) -> tuple[Floats, Floats]:
    """Return the effects with the best penalty, and their standard errors, from centred cross products.

    Zeros where no effect at all predicts best.
    """
    values, vectors = np.linalg.eigh(products)
    values, turned = np.maximum(values, 0), vectors.T @ joint
    n, total = len(units), float(((units - units.mean()) ** 2).sum())
    best, chosen = total / (n - 1) ** 2, (np.zeros(len(joint)), np.zeros(len(joint)))
    for penalty in RIDGE_PENALTIES:
        effects = turned / (values + penalty)
        unexplained = total - 2 * effects @ turned + values @ effects**2
        free = n - 1 - (values / (values + penalty)).sum()
        if free > 0 and unexplained / free**2 < best:
            spread = np.sqrt(unexplained / free / (np.diag(products) + penalty))
            best, chosen = unexplained / free**2, (vectors @ effects, spread)
    return chosen
