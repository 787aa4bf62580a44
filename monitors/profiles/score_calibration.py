"""Score calibration for confidence-based performance estimation (CBPE) of binary models, on the score grid.

While the probability of label 1 given the score stays what it was (calibration holds: no concept drift), a window's
scores alone estimate the performance before labels arrive, as in NannyML's CBPE. Everything follows from counts on a
grid, so estimates can be recomputed from stored reports. Accuracy: docs/statistics.md, section 6.

References
----------
NannyML, "Confidence-based Performance Estimation (CBPE)"; Naeini, Cooper and Hauskrecht (2015), "Obtaining well
calibrated probabilities using Bayesian binning", AAAI.
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
from monitors.profiles.outcome_counts import LOSS_UNIT, SCORE_BINS
from monitors.stats.bins import Counts

CELLS = SCORE_BINS + 1
"""Cells of the score: the bins of the grid, and one for missing scores."""
PARTS = 10
"""Folds of the cross-validation that decides whether calibration helps, and bins of the expected calibration error."""
BIN_MIDDLES = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS
"""Middle of each bin of the grid."""


class ScoreCalibration(BaseModel):
    """Probability of label 1 and expected log loss in each cell of the score grid, in millionths.

    Parameters
    ----------
    chance
        Probability of label 1 in each bin.
    if_zero
        Mean log loss in each bin if the label is 0.
    if_one
        The same if it is 1.
    blocks
        Block of each bin: a run of bins whose probabilities the reference does not distinguish.
    errors
        Standard error of each block's probability.
    improved
        Whether `chance` is calibrated; otherwise it is the score itself, which was as good.
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
        """Expected log loss of a row in each bin, in millionths."""
        chance, zero, one = (np.array(v, np.int64) for v in (self.chance, self.if_zero, self.if_one))
        return np.asarray(np.rint((chance * one + (1_000_000 - chance) * zero) * LOSS_UNIT).astype(np.int64))

    def expected(self, counts: Counts) -> dict[str, npt.NDArray[Any]]:
        """Return the expected outcome counts, as in :mod:`monitors.profiles.outcome_counts`, of grid counts (..., 201).

        ``scores`` are fractions: each row is part of a 0 and part of a 1.
        """
        grid, ones = counts[..., :SCORE_BINS], np.array(self.chance) * LOSS_UNIT
        loss, squares = self.loss, outcome_counts.squared(self.loss)
        scores = np.stack([grid * (1 - ones), grid * ones], axis=-1)
        return {
            "coverage": np.stack([grid.sum(axis=-1), counts[..., SCORE_BINS]], axis=-1),
            "loss": np.stack([grid @ loss, grid @ squares], axis=-1),
            "scores": scores.reshape(*counts.shape[:-1], 2 * SCORE_BINS),
        }

    def variance(self, shift: Mapping[str, Floats]) -> float:
        """Return the variance of the estimated change of the mean loss that the reference's sampling error causes.

        A block's error moves all its bins together, and blocks err independently. Measured: the root is .8 to 1.4 times
        the sd of the actual error, for 1,000 to 20,000 reference rows and scores that moved by half a sd or more.

        Parameters
        ----------
        shift
            By how much the share of each cell of the score grid has grown, under the variable's name, (201,).
        """
        stakes = (np.array(self.if_one) - np.array(self.if_zero)) * LOSS_UNIT
        moved = np.bincount(self.blocks, shift[SCORE_GRID][:SCORE_BINS] * stakes)
        return float(((moved * np.array(self.errors) * LOSS_UNIT) ** 2).sum())


def cell_index(score: Floats) -> Counts:
    """Return the cell of each score, (rows,); a score that is not finite has the last one.

    >>> cell_index(np.array([0.0, 0.5, 1.0, np.nan])).tolist()
    [0, 100, 199, 200]
    """
    known = np.isfinite(score)
    return np.where(known, outcome_counts.score_bin(np.where(known, score, 0.0)), SCORE_BINS)


def fit(score: Floats, at: Counts, label: Floats) -> ScoreCalibration | None:
    """Return the calibration fitted to a reference; None where one of the classes is absent.

    Scores must be out of sample. The rows' order affects only the folds of the check whether calibration helps.

    Parameters
    ----------
    score
        Finite scores of the reference's rows, (rows,).
    at
        Indices of the labelled rows.
    label
        Their labels, 0 or 1.
    """
    if len(np.unique(label)) < 2:
        return None
    score = np.clip(score, 0, 1)
    cell, n = outcome_counts.score_bin(score), np.bincount(outcome_counts.score_bin(score), minlength=SCORE_BINS)
    own = _per_cell(score, cell, n, BIN_MIDDLES)
    improved = _improves(score[at], cell[at], label)
    chance, blocks = isotonic(cell[at], label, own)
    zero, one = (_losses(score, cell, n, label=y) for y in (0.0, 1.0))
    return ScoreCalibration(
        chance=_units(chance if improved else own), if_zero=zero, if_one=one, blocks=tuple(blocks.tolist()),
        errors=_units(_errors(blocks[cell[at]], label)), improved=improved,
    )  # fmt: skip


def isotonic(cell: Counts, label: Floats, place: Floats) -> tuple[Floats, Counts]:
    """Return the isotonic regression of labels on bins, weighted by rows, and the block that each bin is in.

    Bins with rows between them are interpolated by their place on the score's scale; outside it is constant.

    Parameters
    ----------
    cell
        Bin of each row, (rows,).
    label
        Label of each row, 0 or 1.
    place
        Each bin's place on the score's scale, (bins,).

    Returns
    -------
    tuple
        The share of 1s in each bin, (bins,), non-decreasing, and the block of each bin.
    """
    n, ones = (np.bincount(cell, weights, minlength=SCORE_BINS) for weights in (None, label))
    occupied = np.flatnonzero(n)
    fitted = optimize.isotonic_regression(ones[occupied] / n[occupied], weights=n[occupied])
    starts = occupied[fitted.blocks[1:-1]]
    return np.interp(place, place[occupied], fitted.x), np.searchsorted(starts, np.arange(SCORE_BINS), side="right")


def calibration_error(chance: Floats, label: Floats) -> float:
    """Return the expected calibration error over ten bins of equal size (Naeini et al. 2015).

    Parameters
    ----------
    chance
        Predicted probabilities of label 1, (rows,).
    label
        Labels, 0 or 1.

    Examples
    --------
    >>> calibration_error(np.array([0.2, 0.8]), np.array([0.0, 1.0]))
    0.2
    """
    order = np.argsort(chance, kind="stable")
    bins = zip(np.array_split(chance[order], PARTS), np.array_split(label[order], PARTS), strict=True)
    return float(sum(abs(p.sum() - y.sum()) for p, y in bins) / len(chance))


def _improves(score: Floats, cell: Counts, label: Floats) -> bool:
    """Return whether calibration lowers the calibration error in cross-validation."""
    part, chance = np.arange(len(score)) % PARTS, np.empty(len(score))
    for k in range(PARTS):
        out = part == k
        chance[out] = (
            isotonic(cell[~out], label[~out], BIN_MIDDLES)[0][cell[out]] if out.any() and not out.all() else 0.0
        )
    return calibration_error(chance, label) < calibration_error(score, label)


def _errors(block: Counts, label: Floats) -> Floats:
    """Return the standard error of each block's share of 1s, which is taken as (ones + 1/2) / (rows + 1)."""
    n, ones = np.bincount(block), np.bincount(block, label)
    share = (ones + 0.5) / (n + 1)
    return np.asarray(np.sqrt(share * (1 - share) / (n + 1)))


def _losses(score: Floats, cell: Counts, n: Counts, *, label: float) -> tuple[int, ...]:
    """Return the mean log loss of each bin's rows if all labels were *label*; of its middle where it is empty."""
    own, middle = (scoring.losses(Task.BINARY, p, np.full(len(p), label)) for p in (score, BIN_MIDDLES))
    return _units(_per_cell(own, cell, n, middle))


def _per_cell(values: Floats, cell: Counts, n: Counts, otherwise: Floats) -> Floats:
    sums = np.bincount(cell, values, minlength=SCORE_BINS)
    return np.where(n > 0, sums / np.maximum(n, 1), otherwise)


def _units(values: Floats) -> tuple[int, ...]:
    return tuple(np.rint(values / LOSS_UNIT).astype(np.int64).tolist())
