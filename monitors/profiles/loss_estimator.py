"""What to expect of a prediction's loss, from the cells that its features and it are in: direct loss estimation.

As in NannyML's DLE, a second model learns the losses of the reference's rows. Here it is additive, one number a cell:
then the estimate is a sum of whole numbers, which adds up exactly wherever rows are counted, and a reader can see which
cell of which feature raised it. It knows nothing of losses that depend on two features only jointly.
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
from monitors.profiles.outcome_counts import UNIT
from monitors.stats.bins import Counts

Ints = npt.NDArray[np.int64]
COLUMNS = 1000
"""Cells that get a number; variables whose cells differ least in loss go without, where there are more."""
PENALTIES = tuple(10.0**k for k in range(7))
"""How many rows of no effect each cell is taken to have had besides its own; the best one is chosen."""
_BLOCK = 50_000


class DirectLossEstimator(BaseModel):
    """Losses in millionths: a row's estimate is *base* plus the *effects* of its cells, kept within 0 and *most*.

    *errors* are the effects' standard errors. No effects mean that nothing known beforehand tells the loss of a row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["loss_table"] = "loss_table"
    base: int
    most: int
    effects: dict[str, tuple[int, ...]]
    errors: dict[str, tuple[int, ...]]

    def addends(self, cells: Mapping[str, Ints], rows: int) -> Counts:
        """Return what each of *rows* rows adds to the counts, (rows, 3): 1, its estimate and the estimate's square.

        >>> t = DirectLossEstimator(base=500_000, most=1_000_000, effects={"a": (-600_000, 200_000)}, errors={})
        >>> t.addends({"a": np.array([0, 1])}, 2).tolist()
        [[1, 0, 0], [1, 700000, 490000]]
        """
        loss = np.full(rows, self.base, np.int64)
        for name, effects in self.effects.items():
            loss += np.asarray(effects, np.int64)[cells[name]]
        loss = np.clip(loss, 0, self.most)
        return np.column_stack([np.ones(rows, np.int64), loss, outcome_counts.squared(loss)])

    def expected(self, counts: Counts) -> dict[str, Counts]:
        """Return the outcomes to expect of sums of addends, (..., 3), as in :mod:`monitors.profiles.outcome_counts`."""
        rows = counts[..., 0]
        return {"coverage": np.stack([rows, np.zeros_like(rows)], axis=-1), "loss": counts[..., 1:]}

    def variance(self, shift: Mapping[str, Floats]) -> float:
        """Return the variance, by what the reference leaves open, of how far the mean loss moves when shares do.

        *shift* is how much each cell's share has grown, by variable. Cells' errors are taken as independent: exact for
        independent variables, too much where they move together as they always did.
        """
        parts = (shift[name] * np.asarray(errors) * UNIT for name, errors in self.errors.items())
        return float(sum((part**2).sum() for part in parts))


def fit(cells: Mapping[str, Ints], sizes: Mapping[str, int], loss: Floats, most: float) -> DirectLossEstimator:
    """Return the table of a reference's out-of-sample *loss* a row, from the rows' *cells* by variable.

    *sizes* are the numbers of cells, *most* the largest loss there can be. Ridge regression on one column a cell, its
    penalty chosen by generalised cross-validation (Golub, Heath and Wahba 1979), with no effect at all as one choice.
    Sums are of whole numbers, so the rows' order does not matter.
    """
    units = np.rint(loss / UNIT)
    chosen = {name: sizes[name] for name in _informative(cells, sizes, units)}
    held, products, joint = _sums(cells, chosen, units)
    effects, errors = _ridge(products - np.outer(held, held) / len(units), joint - held * units.mean(), units)
    base = units.mean() - effects @ held / len(units)
    told = chosen if effects.any() else {}
    return DirectLossEstimator(base=round(base), most=round(most / UNIT), effects=_by_name(told, effects),
                     errors=_by_name(told, errors))  # fmt: skip


def _by_name(sizes: Mapping[str, int], values: Floats) -> dict[str, tuple[int, ...]]:
    whole = iter(np.rint(values).astype(np.int64).tolist())
    return {name: tuple(islice(whole, size)) for name, size in sizes.items()}


def _informative(cells: Mapping[str, Ints], sizes: Mapping[str, int], units: Floats) -> Iterator[str]:
    """Yield the variables by how much their cells' mean losses differ, until there are columns enough."""
    between = {}
    for name, at in cells.items():
        n, sums = (np.bincount(at, weights, minlength=sizes[name]) for weights in (None, units))
        between[name] = (sums[n > 0] ** 2 / n[n > 0]).sum()
    left = COLUMNS
    for name in sorted(between, key=lambda name: (-between[name], name)):
        left -= sizes[name]
        if left >= 0:
            yield name


def _sums(cells: Mapping[str, Ints], sizes: Mapping[str, int], units: Floats) -> tuple[Floats, Floats, Floats]:
    """Return, by cell, its rows, the rows it shares with each other cell, and the sum of its losses."""
    offsets, width = np.cumsum([0, *sizes.values()])[:-1], sum(sizes.values())
    products, joint = np.zeros((width, width)), np.zeros(width)
    for at in range(0, len(units), _BLOCK):
        columns = np.column_stack([cells[name][at : at + _BLOCK] for name in sizes]) + offsets
        rows, ends = len(columns), np.arange(len(columns) + 1) * len(sizes)
        ones = sparse.csr_array((np.ones(columns.size), columns.ravel(), ends), shape=(rows, width))
        products += (ones.T @ ones).toarray()
        joint += ones.T @ units[at : at + _BLOCK]
    return np.diag(products).copy(), products, joint


def _ridge(products: Floats, joint: Floats, units: Floats) -> tuple[Floats, Floats]:
    """Return the effects with the best penalty and their standard errors, from centred *products*.

    Zeros where no effect at all predicts best.
    """
    values, vectors = np.linalg.eigh(products)
    values, turned = np.maximum(values, 0), vectors.T @ joint
    n, total = len(units), float(((units - units.mean()) ** 2).sum())
    best, chosen = total / (n - 1) ** 2, (np.zeros(len(joint)), np.zeros(len(joint)))
    for penalty in PENALTIES:
        effects = turned / (values + penalty)
        unexplained = total - 2 * effects @ turned + values @ effects**2
        free = n - 1 - (values / (values + penalty)).sum()
        if free > 0 and unexplained / free**2 < best:
            spread = np.sqrt(unexplained / free / (np.diag(products) + penalty))
            best, chosen = unexplained / free**2, (vectors @ effects, spread)
    return chosen
