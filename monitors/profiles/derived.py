"""Derived variables: PCA reconstruction error, score grid and estimated loss, computed for each row and then counted.

``multivariate`` is a row's reconstruction error, on quantile bins. ``score_grid`` (binary models) is the score on a
grid of 200 cells, ``estimated_loss`` (other tasks) the sums of the expected loss: both estimate performance before
labels arrive. All are frozen with the baseline and counted as the variables that are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from features.schema import ESTIMATED_LOSS, MULTIVARIATE, SCORE_GRID
from features.scoring import Values
from monitors.profiles import score_calibration
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.reconstruction_error import PrincipalComponents
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats.bins import Bins

Ints = npt.NDArray[np.int64]
Estimate = Annotated[ScoreCalibration | DirectLossEstimator, Field(discriminator="kind")]
"""What performance without labels is estimated from: a calibrated score (binary), or direct loss estimation."""


class Derived(BaseModel):
    """What a baseline freezes for derived variables: whole numbers only; None where there was nothing to learn.

    Parameters
    ----------
    projection
        The principal components; the bins of ``multivariate`` are among the baseline's.
    estimate
        The performance estimator.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    projection: PrincipalComponents | None = None
    estimate: Estimate | None = None


_NOTHING = Derived()


@dataclass(frozen=True, slots=True)
class FrozenProfile:
    """All that turns the rows of one model version into counts.

    Parameters
    ----------
    bins
        Bins of each variable, ``multivariate`` and ``label`` included.
    derived
        What computes the derived variables.
    """

    bins: Mapping[str, Bins]
    derived: Derived = _NOTHING

    @property
    def sizes(self) -> dict[str, int]:
        """The number of cells of each derived variable."""
        projection, estimate = self.derived.projection, self.derived.estimate
        of = {MULTIVARIATE: self.bins[MULTIVARIATE].cells} if projection else {}
        if isinstance(estimate, ScoreCalibration):
            of[SCORE_GRID] = score_calibration.CELLS
        return {**of, ESTIMATED_LOSS: 3} if isinstance(estimate, DirectLossEstimator) else of

    def columns(self, cells: Mapping[str, Ints], prediction: Values) -> dict[str, Ints]:
        """Return the derived variables of rows.

        Parameters
        ----------
        cells
            The rows' cells by variable that is sent, (rows,) each.
        prediction
            The rows' predictions, (rows,).

        Returns
        -------
        dict
            For each derived variable the cell of each row, (rows,), or what the row adds to each cell, (rows, cells).
        """
        projection, estimate = self.derived.projection, self.derived.estimate
        out = {MULTIVARIATE: self._error_bins(projection, cells)} if projection else {}
        if isinstance(estimate, ScoreCalibration):
            out[SCORE_GRID] = score_calibration.cell_index(prediction.astype(np.float64))
        if isinstance(estimate, DirectLossEstimator):
            out[ESTIMATED_LOSS] = estimate.addends(cells, len(prediction))
        return out

    def _error_bins(self, projection: PrincipalComponents, cells: Mapping[str, Ints]) -> Ints:
        """Return the bin of each row's reconstruction error."""
        bins = self.bins[MULTIVARIATE]
        assert bins.kind == "numeric"  # as they were frozen
        error = projection.error(cells)
        return bins.index(error, np.zeros(len(error), bool))
