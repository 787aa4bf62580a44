"""A baseline's own rows are counted as later ones will be: by words and fits that they had no part in."""

from __future__ import annotations

import numpy as np
import pytest

from features.schema import ESTIMATED_LOSS, LABEL, PREDICTION, Task
from monitors.finding import Stage
from tests.support import learned_baselines as learned

DAYS, ROWS = 40, 4_000


def rows(seed: int) -> learned.Rows:
    """Return rows with a word whose vocabulary never ends, one of three values, and a target that depends on both."""
    rng = np.random.default_rng(seed)
    word, color = (
        rng.zipf(1.5, ROWS).astype(str).astype(object),
        rng.choice(["red", "green", "blue"], ROWS).astype(object),
    )
    truth = rng.standard_normal(ROWS) * np.where(color == "red", 3.0, 1.0)
    return {"x": rng.standard_normal(ROWS), "word": word, "color": color, LABEL: truth, PREDICTION: np.zeros(ROWS)}


EVENTS = learned.schema(Task.REGRESSION, "x", words=("word", "color"), segments=("color",))


def test_words_without_end_are_unseen_in_a_baseline_as_often_as_later() -> None:
    """About one in twenty, in all traffic and in its segments together; a short vocabulary is all known."""
    made = learned.baseline(EVENTS, rows(1), days=DAYS)
    unseen = made.bins["word"].cells - 2
    later = learned.counts(made, rows(2))["word"][unseen] / ROWS
    own = made.counts(Stage.INPUTS, "word")
    parts = [made.counts(Stage.INPUTS, "word", f"color={color}").sum(axis=0) for color in ("red", "green", "blue")]

    assert 0.03 < later < 0.1
    assert own[:, unseen].sum() / ROWS == pytest.approx(later, abs=0.02)
    assert own.sum() == ROWS
    assert own.sum(axis=0).tolist() == np.sum(parts, axis=0).tolist()
    assert 0 == made.counts(Stage.INPUTS, "color")[:, -2].sum()


def test_the_estimated_loss_of_a_baseline_is_that_of_later_rows() -> None:
    """It is summed over the same cells that the baseline's words have, unseen ones among them."""
    made = learned.baseline(EVENTS, rows(3), days=DAYS)
    own, later = made.counts(Stage.INPUTS, ESTIMATED_LOSS).sum(axis=0), learned.counts(made, rows(4))[ESTIMATED_LOSS]

    assert own[0] == later[0] == ROWS
    assert own[1] == pytest.approx(later[1], rel=0.03)
