"""Derived variables: PCA reconstruction error, score grid and estimated loss, computed for each row and then counted.

``multivariate`` is a row's reconstruction error, on quantile bins. ``score_grid`` (binary models) is the score on a
grid of 200 cells, ``estimated_loss`` (other tasks) the sums of the expected loss: both estimate performance before
labels arrive. ``value_hashes`` shows which numbers had one value only. All are frozen with the baseline and counted as
the variables that are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from features.schema import ESTIMATED_LOSS, MULTIVARIATE, SCORE_GRID, VALUE_HASHES
from features.scoring import Values
from monitors.profiles import score_calibration, value_hashes
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.reconstruction_error import PrincipalComponents
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.stats.bins import Bins

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
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
    hashed
        The numbers whose values are hashed, in the order of their sums; none in baselines of before there were any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    projection: PrincipalComponents | None = None
    estimate: Estimate | None = None
    hashed: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_absent_hashes(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the content; without hashes as it was before there were any, so that digests stay the same."""
        content: dict[str, Any] = handler(self)
        if not content.get("hashed", ...):
            del content["hashed"]
        return content


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
        projection, estimate, hashed = self.derived.projection, self.derived.estimate, self.derived.hashed
        of = {MULTIVARIATE: self.bins[MULTIVARIATE].cells} if projection else {}
        if isinstance(estimate, ScoreCalibration):
            of[SCORE_GRID] = score_calibration.CELLS
        if isinstance(estimate, DirectLossEstimator):
            of[ESTIMATED_LOSS] = 3
        return {**of, VALUE_HASHES: value_hashes.SUMS * len(hashed)} if hashed else of

    def columns(self, cells: Mapping[str, Ints], prediction: Values, numbers: Mapping[str, Floats]) -> dict[str, Ints]:
        """Return the derived variables of rows.

        Parameters
        ----------
        cells
            The rows' cells by variable that is sent, (rows,) each.
        prediction
            The rows' predictions, (rows,).
        numbers
            The values of the numbers that are hashed, (rows,) each.

        Returns
        -------
        dict
            For each derived variable the cell of each row, (rows,), or what the row adds to each cell, (cells, rows).
        """
        projection, estimate = self.derived.projection, self.derived.estimate
        out = {MULTIVARIATE: self._error_bins(projection, cells)} if projection else {}
        if isinstance(estimate, ScoreCalibration):
            out[SCORE_GRID] = score_calibration.cell_index(prediction.astype(np.float64))
        if isinstance(estimate, DirectLossEstimator):
            out[ESTIMATED_LOSS] = estimate.addends(cells, len(prediction))
        if self.derived.hashed:
            out[VALUE_HASHES] = value_hashes.columns([numbers[name] for name in self.derived.hashed])
        return out

    def _error_bins(self, projection: PrincipalComponents, cells: Mapping[str, Ints]) -> Ints:
        """Return the bin of each row's reconstruction error."""
        bins = self.bins[MULTIVARIATE]
        assert bins.kind == "numeric"  # as they were frozen
        error = projection.error(cells)
        return bins.index(error, np.zeros(len(error), bool))
