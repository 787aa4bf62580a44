"""Loss scores of slices: distance of means from the reference, in standard errors with overdispersion."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.stats.distance import Distances
from monitors.verdicts import loss_scores

Rng = np.random.Generator


def moments(values: Distances) -> Distances:
    """Return rows, sum and sum of squares along the last axis."""
    return np.stack([np.full(values.shape[:-1], values.shape[-1]), values.sum(-1), (values**2).sum(-1)], axis=-1)


def measure(values: Distances) -> loss_scores.MeanScores:
    """Return the measure of *values* (slices, series, rows); a later slice is its moments already."""
    return loss_scores.MeanScores("loss", lambda newest: np.asarray(newest["moments"], float), moments(values))


def test_a_mean_by_hand() -> None:
    """400 rows whose mean is .1 of their sd higher are two standard errors away."""
    reference = np.tile([-1.0, 1.0], (50, 1, 500))
    found = measure(reference).scores({"moments": [[400, 40, 400]]})

    assert 2 == pytest.approx(found[0, 0], rel=0.02)


def test_a_loss_is_looked_at_upwards_and_a_residual_both_ways() -> None:
    """The first series once, every other one up and down."""
    found = measure(np.random.default_rng(1).standard_normal((20, 2, 50)))

    assert [3.0, -2.0, 2.0] == found.directed(np.array([3.0, -2.0])).tolist()


@pytest.mark.parametrize("wobble", [0.0, 0.3])
def test_the_unit_is_a_standard_error(wobble: float) -> None:
    """Later slices of 50 and of 2,000 rows have variance 1, though the reference's slices were all of 500 rows."""
    rng = np.random.default_rng(2)

    def values(slices: int, rows: int) -> Distances:
        return np.asarray(rng.standard_normal((slices, 1, rows)) + wobble * rng.standard_normal((slices, 1, 1)))

    found = measure(values(200, 500))
    for rows in (50, 2000):
        seen = [found.scores({"moments": m})[0, 0] for m in moments(values(500, rows))]
        assert 1 == pytest.approx(np.std(seen), abs=0.15)


def test_a_slice_without_rows_says_nothing() -> None:
    """NaN, in the reference or later, and the rest of the reference is as it was."""
    slices = moments(np.random.default_rng(3).standard_normal((20, 1, 50)))
    slices[7] = 0
    found = loss_scores.MeanScores("loss", lambda newest: np.asarray(newest["moments"], float), slices)

    assert [k == 7 for k in range(20)] == np.isnan(found.reference[:, 0, 0]).tolist()
    assert np.isnan(found.scores({"moments": [[0, 0, 0]]})[0, 0])


def test_a_slice_that_could_not_be_judged_says_nothing() -> None:
    """What was not judged comes without any counts: that is NaN, not an error."""
    assert np.isnan(measure(np.random.default_rng(4).standard_normal((20, 2, 50))).scores({})).all()


def test_an_outcome_without_a_score_grid_has_its_loss_alone() -> None:
    """Rows, loss and squared loss in their own unit; with a grid, the residual of label and score beside them."""
    grid = np.zeros((200, 2), int)
    grid[100] = 1, 3  # scores of .5025, of which three quarters are 1
    loss = {"coverage": [4, 1], "loss": [2_000_000, 3_000_000]}

    assert [[4.0, 2.0, 3.0]] == loss_scores.outcome_moments(loss).tolist()
    assert [4.0, 3 - 4 * 0.5025, 0.5025**2 + 3 * 0.4975**2] == pytest.approx(
        loss_scores.outcome_moments({**loss, "scores": grid.ravel().tolist()})[1]
    )
