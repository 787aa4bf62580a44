"""Variables that nobody sends: made row by row from what is sent, frozen with the baseline, counted like all others.

``multivariate`` is how unusual a row's features are together, on quantile bins. ``score_grid`` (binary) is the score on
the grid of 200 cells, ``estimated_loss`` (other tasks) the sums of the loss to expect: from these follows how well the
model does before any label is there.
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


class Derived(BaseModel):
    """What a baseline froze to make variables of others: whole numbers only. None where there was nothing to learn.

    The bins of ``multivariate`` are among the baseline's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    projection: PrincipalComponents | None = None
    estimate: Estimate | None = None


_NOTHING = Derived()


@dataclass(frozen=True, slots=True)
class Frozen:
    """All that turns the rows of one model version into counts."""

    bins: Mapping[str, Bins]
    derived: Derived = _NOTHING

    @property
    def sizes(self) -> dict[str, int]:
        """The number of cells of each derived variable there is."""
        projection, estimate = self.derived.projection, self.derived.estimate
        of = {MULTIVARIATE: self.bins[MULTIVARIATE].cells} if projection else {}
        if isinstance(estimate, ScoreCalibration):
            of[SCORE_GRID] = score_calibration.CELLS
        return {**of, ESTIMATED_LOSS: 3} if isinstance(estimate, DirectLossEstimator) else of

    def columns(self, cells: Mapping[str, Ints], prediction: Values) -> dict[str, Ints]:
        """Return each derived variable of some rows: a cell a row or, where it is summed, what the row adds to each.

        *cells* are the rows' cells by variable that is sent, *prediction* the model's answers.
        """
        projection, estimate = self.derived.projection, self.derived.estimate
        out = {MULTIVARIATE: self._unusual(projection, cells)} if projection else {}
        if isinstance(estimate, ScoreCalibration):
            out[SCORE_GRID] = score_calibration.index(prediction.astype(np.float64))
        if isinstance(estimate, DirectLossEstimator):
            out[ESTIMATED_LOSS] = estimate.addends(cells, len(prediction))
        return out

    def _unusual(self, projection: PrincipalComponents, cells: Mapping[str, Ints]) -> Ints:
        bins = self.bins[MULTIVARIATE]
        assert bins.kind == "numeric"  # as they were frozen
        error = projection.error(cells)
        return bins.index(error, np.zeros(len(error), bool))
