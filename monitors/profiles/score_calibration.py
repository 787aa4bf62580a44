"""What a binary model's scores promise: the chance of label 1 and the loss to expect in each cell of the score grid.

Confidence-based performance estimation, as NannyML does it: while the chance of a 1 given the score stays what it was
(calibration holds, no concept drift), a window's scores alone say how well the model does before any label is there.
All of it follows from counts on a grid, so estimates can be computed again from what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy import optimize

from features import scoring
from features.schema import SCORE_GRID, Task
from features.scoring import Floats
from monitors.profiles import outcome_counts
from monitors.profiles.outcome_counts import GRID, UNIT
from monitors.stats.bins import Counts

CELLS = GRID + 1
"""Cells of the score: those of the grid, and one for scores that are none."""
_PARTS = 10
_MIDDLES = (np.arange(GRID) + 0.5) / GRID


class ScoreCalibration(BaseModel):
    """By cell of the score grid, in millionths: the *chance* of label 1, and the mean log loss if the label is 0 or 1.

    *improved* says whether the chance is the reference's calibrated one, or the score itself as that was no worse.
    *blocks* are the runs of cells whose chance the reference tells from the next ones', by number, and *errors* the
    standard error of each block's chance, in millionths.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["calibration"] = "calibration"
    chance: tuple[int, ...]
    if_zero: tuple[int, ...]
    if_one: tuple[int, ...]
    blocks: tuple[int, ...]
    errors: tuple[int, ...]
    improved: bool

    @property
    def loss(self) -> Counts:
        """The log loss to expect of a row in each cell, in millionths."""
        chance, zero, one = (np.array(v, np.int64) for v in (self.chance, self.if_zero, self.if_one))
        return np.asarray(np.rint((chance * one + (1_000_000 - chance) * zero) * UNIT).astype(np.int64))

    def expected(self, counts: Counts) -> dict[str, npt.NDArray[Any]]:
        """Return the outcomes to expect of *counts* on the grid, (..., 201): see :mod:`.outcome_counts`.

        ``scores`` are not whole numbers: each row is a part of a 0 and a part of a 1.
        """
        grid, ones = counts[..., :GRID], np.array(self.chance) * UNIT
        loss, squares = self.loss, outcome_counts.squared(self.loss)
        scores = np.stack([grid * (1 - ones), grid * ones], axis=-1)
        return {
            "coverage": np.stack([grid.sum(axis=-1), counts[..., GRID]], axis=-1),
            "loss": np.stack([grid @ loss, grid @ squares], axis=-1),
            "scores": scores.reshape(*counts.shape[:-1], 2 * GRID),
        }

    def variance(self, shift: Mapping[str, Floats]) -> float:
        """Return the variance, by what the reference leaves open, of how far the mean loss moves when shares do.

        *shift* is by how much the share of each cell of the score grid has grown, by the variable's name. A block's
        error moves all its cells together, and blocks err independently. Measured: the root is .8 to 1.4 times the sd
        of the error that was made, for 1,000 to 20,000 reference rows and scores that moved by half a sd or more.
        """
        stakes = (np.array(self.if_one) - np.array(self.if_zero)) * UNIT
        moved = np.bincount(self.blocks, shift[SCORE_GRID][:GRID] * stakes)
        return float(((moved * np.array(self.errors) * UNIT) ** 2).sum())


def index(score: Floats) -> Counts:
    """Return the cell of each score; what is not finite has the last one.

    >>> index(np.array([0.0, 0.5, 1.0, np.nan])).tolist()
    [0, 100, 199, 200]
    """
    known = np.isfinite(score)
    return np.where(known, outcome_counts.grid(np.where(known, score, 0.0)), GRID)


def fit(score: Floats, at: Counts, label: Floats) -> ScoreCalibration | None:
    """Return the calibration from a reference's finite *score*, and the *label*, 0 or 1, of the rows *at*.

    None where one of the classes is absent. Scores have to be out of sample. The rows' order matters to one thing only,
    which tenth of them a row is in when it is asked whether calibration is any better than the score.
    """
    if len(np.unique(label)) < 2:
        return None
    score = np.clip(score, 0, 1)
    cell, n = outcome_counts.grid(score), np.bincount(outcome_counts.grid(score), minlength=GRID)
    own = _per_cell(score, cell, n, _MIDDLES)
    improved = _improves(score[at], cell[at], label)
    chance, blocks = isotonic(cell[at], label, own)
    zero, one = (_losses(score, cell, n, label=y) for y in (0.0, 1.0))
    return ScoreCalibration(
        chance=_units(chance if improved else own), if_zero=zero, if_one=one, blocks=tuple(blocks.tolist()),
        errors=_units(_errors(blocks[cell[at]], label)), improved=improved,
    )  # fmt: skip


def isotonic(cell: Counts, label: Floats, place: Floats) -> tuple[Floats, Counts]:
    """Return the share of 1s in each cell of the grid, made to rise with the score, and the block the cell is in.

    Least squares, weighted by rows: a block of neighbours that would fall has their common share. Between cells with
    rows the share is interpolated by their *place* on the scale of scores; outside them it is constant.
    """
    n, ones = (np.bincount(cell, weights, minlength=GRID) for weights in (None, label))
    held = np.flatnonzero(n)
    fitted = optimize.isotonic_regression(ones[held] / n[held], weights=n[held])
    starts = held[fitted.blocks[1:-1]]
    return np.interp(place, place[held], fitted.x), np.searchsorted(starts, np.arange(GRID), side="right")


def calibration_error(chance: Floats, label: Floats) -> float:
    """Return the expected calibration error over ten bins of equal size, by chance (Naeini et al. 2015).

    >>> calibration_error(np.array([0.2, 0.8]), np.array([0.0, 1.0]))
    0.2
    """
    order = np.argsort(chance, kind="stable")
    bins = zip(np.array_split(chance[order], _PARTS), np.array_split(label[order], _PARTS), strict=True)
    return float(sum(abs(p.sum() - y.sum()) for p, y in bins) / len(chance))


def _improves(score: Floats, cell: Counts, label: Floats) -> bool:
    """Say whether calibration lowers the calibration error on rows that it was not fitted to."""
    part, chance = np.arange(len(score)) % _PARTS, np.empty(len(score))
    for k in range(_PARTS):
        out = part == k
        chance[out] = isotonic(cell[~out], label[~out], _MIDDLES)[0][cell[out]] if out.any() and not out.all() else 0.0
    return calibration_error(chance, label) < calibration_error(score, label)


def _errors(block: Counts, label: Floats) -> Floats:
    """Return the standard error of each block's share of 1s; a block without any 1, or 0, has half of one more."""
    n, ones = np.bincount(block), np.bincount(block, label)
    share = (ones + 0.5) / (n + 1)
    return np.asarray(np.sqrt(share * (1 - share) / (n + 1)))


def _losses(score: Floats, cell: Counts, n: Counts, *, label: float) -> tuple[int, ...]:
    """Return the mean log loss of each cell's rows if all labels were *label*; that of its middle where it has none."""
    own, middle = (scoring.losses(Task.BINARY, p, np.full(len(p), label)) for p in (score, _MIDDLES))
    return _units(_per_cell(own, cell, n, middle))


def _per_cell(values: Floats, cell: Counts, n: Counts, otherwise: Floats) -> Floats:
    sums = np.bincount(cell, values, minlength=GRID)
    return np.where(n > 0, sums / np.maximum(n, 1), otherwise)


def _units(values: Floats) -> tuple[int, ...]:
    return tuple(np.rint(values / UNIT).astype(np.int64).tolist())
