"""Forward validation: no prediction is by a model of its row or a later one, or of labels not yet matured."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from features.schema import Task
from features.window import Windows, from_ms, to_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import forward_validation, training_windows
from retrain_flows.training.forward_validation import ForwardValidation, Procedure
from retrain_flows.training.static import Trainer
from retrain_flows.training.training_windows import TrainingWindow

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SLICES = Windows(size=DAY, slide=6 * HOUR)


@dataclass
class Fit:
    """One fit of the recording model: the times of the rows that it learned from."""

    times: npt.NDArray[np.float64]
    weights: Any = None
    predicted: list[npt.NDArray[np.float64]] = field(default_factory=list)


class Recorder:
    """A regression model that predicts the mean of its labels, and records its rows: their feature is their time."""

    fits: list[Fit]

    def fit(self, frame: pd.DataFrame, target: Any, sample_weight: Any = None) -> Recorder:
        """Learn the mean."""
        self.mean = float(np.average(target, weights=sample_weight))
        self.own = Fit(frame["at"].to_numpy(), sample_weight)
        self.fits.append(self.own)
        return self

    def predict(self, frame: pd.DataFrame) -> Any:
        """Answer the mean."""
        self.own.predicted.append(frame["at"].to_numpy())
        return np.full(len(frame), self.mean)


def rows(hours: int, *, change: int | None = None) -> Dataset:
    """Return a row an hour, whose label is its noise, 5 higher from an hour on."""
    times = np.arange(hours, dtype=np.int64) * to_ms(HOUR)
    target = np.random.default_rng(0).normal(size=hours)
    if change is not None:
        target[change:] += 5
    ids = np.arange(hours).astype(str).astype(object)
    return Dataset(Task.REGRESSION, from_ms(10**12), pd.DataFrame({"at": times.astype(float)}), target, target.copy(),
                   np.full(hours, "v1", object), times, ids)  # fmt: skip


def validated(data: Dataset, start: int, *, delay: timedelta = DAY, windows: list[TrainingWindow] | None = None,
              changed: bool = False) -> tuple[ForwardValidation, list[Fit]]:  # fmt: skip
    """Return the validation of the recording model on the rows from an hour on, and its fits."""
    model = type("Own", (Recorder,), {"fits": []})
    procedure = Procedure(Trainer("t:own", model), windows or [TrainingWindow("all", 900 * DAY)], delay, SLICES, 1.0)
    made = forward_validation.validate(procedure, data, from_ms(start * to_ms(HOUR)), changed=changed)
    return made, model.fits  # type: ignore[attr-defined]


@pytest.mark.parametrize("delay", [timedelta(0), HOUR, DAY, 4 * DAY])
@pytest.mark.parametrize("changed", [False, True])
def test_a_row_is_predicted_from_rows_whose_labels_had_matured(delay: timedelta, *, changed: bool) -> None:
    """At the start of its block; and nothing that had matured by then is left out."""
    windows = [TrainingWindow("all", 900 * DAY), TrainingWindow("short", 3 * DAY)]
    _, fits = validated(rows(400), 200, delay=delay, windows=windows, changed=changed)
    newest = [(fit.times.max(), predicted.min()) for fit in fits for predicted in fit.predicted]
    assert newest
    assert {to_ms(HOUR) + to_ms(delay)} == {begun - last for last, begun in newest}


def test_every_row_is_predicted_once_by_the_chosen_window() -> None:
    """In the order of the rows, with the losses of each window."""
    data = rows(400)
    made, fits = validated(data, 200)
    assert (200, 4) == (len(made.answers), len(fits))
    assert np.isfinite(made.answers).all()
    assert list(data.ids[200:]) == list(made.rows.ids)
    assert {"all": pytest.approx(np.mean(np.square(made.answers - made.rows.target)))} == made.losses


def test_the_choice_of_a_window_uses_no_label_that_had_not_matured() -> None:
    """After a change the short window is chosen when the labels have shown it, and for the final model in any case."""
    windows = [TrainingWindow("all", 900 * DAY), TrainingWindow("short", 2 * DAY)]
    chosen = {}
    for delay in (timedelta(0), 5 * DAY):
        made, _ = validated(rows(800, change=400), 400, delay=delay, windows=windows)
        last = made.answers[-1]
        chosen[delay] = (made.window.name, last > 4)
    assert ("short", True) == chosen[timedelta(0)]
    made, _ = validated(rows(800, change=400), 400, delay=15 * DAY, windows=windows)
    assert made.answers[-1] < 4  # no label of a row after the change had matured


def test_windows_that_are_alike_do_not_take_turns() -> None:
    """On labels without a change the first window is kept, whichever happens to have the lower loss so far."""
    names = ("all", "half", "short")
    lengths = {"all": 900 * DAY, "half": 10 * DAY, "short": 5 * DAY}
    for first in names:
        windows = sorted((TrainingWindow(n, lengths[n]) for n in names), key=lambda w: w.name != first)
        made, _ = validated(rows(800), 400, delay=timedelta(0), windows=windows)
        losses = made.losses
        assert (made.window.name == first) or losses[made.window.name] < losses[first]
        own = float(np.mean(np.square(made.answers - made.rows.target)))
        assert own == pytest.approx(losses[first], abs=0.01)


def test_after_a_change_the_first_block_is_left_out() -> None:
    """No model could know the change yet; the blocks after it are smaller, so that one soon does."""
    made, _ = validated(rows(640, change=400), 400, delay=timedelta(0), changed=True)
    first = len(made.rows) // forward_validation.BLOCKS_AFTER_CHANGE
    assert not np.isfinite(made.answers[:first]).any()
    assert np.isfinite(made.answers[first:]).all()


def test_a_window_that_is_clearly_worse_is_fitted_no_more() -> None:
    """After a change the long window, from the block on before which matured labels have shown it; the choice stays."""
    windows = [TrainingWindow("short", 2 * DAY), TrainingWindow("all", 900 * DAY)]
    made, fits = validated(rows(800, change=380), 400, delay=timedelta(0), windows=windows)
    of_long = [fit for fit in fits if len(fit.times) > 48]
    assert (("all",), 4, 1) == (made.given_up, len(fits) - len(of_long), len(of_long))
    assert ("short", {"short"}) == (made.window.name, set(made.losses))
    late, all_fits = validated(rows(800, change=380), 400, delay=12 * DAY, windows=windows)
    assert ((), 8) == (late.given_up, len(all_fits))  # too few labels had matured before the last block


def test_windows_that_are_alike_are_all_fitted_to_the_end() -> None:
    """A window that happens to be a little worse may be the best in the next block."""
    windows = [TrainingWindow("all", 900 * DAY), TrainingWindow("half", 12 * DAY)]
    made, fits = validated(rows(800), 400, delay=timedelta(0), windows=windows)
    assert ((), 8) == (made.given_up, len(fits))


def test_blocks_without_enough_rows_before_them_stay_unanswered() -> None:
    """A model of 29 rows is none; and without rows there is nothing to answer."""
    made, fits = validated(rows(100), 29, delay=timedelta(0))
    blocks = np.array_split(np.arange(71), forward_validation.BLOCKS)
    assert not np.isfinite(made.answers[blocks[0]]).any()
    assert 3 == len(fits)
    empty, none = validated(rows(100), 100)
    assert (0, [], {}) == (len(empty.answers), none, empty.losses)


def test_windows_that_hold_the_same_rows_compete_once() -> None:
    """The longest is halved until it leaves rows out, twice more than once; the rows since a change are one more."""
    data, until = rows(480), from_ms(480 * to_ms(HOUR))
    names = [w.name for w in training_windows.candidates(data, 80 * DAY, until, None)]
    assert ["the last 80d", "the last 10d", "the last 5d"] == names
    assert [480, 240, 120] == [
        len(w.rows(data, until)) for w in training_windows.candidates(data, 40 * DAY, until, None)
    ]
    windows = training_windows.candidates(data, 20 * DAY, until, until - 3 * DAY)
    assert [480, 240, 120, 72] == [len(w.rows(data, until)) for w in windows]
    assert "since the change of 1970-01-18 00:00" == windows[-1].name


def test_rows_before_a_change_count_less_in_the_longest_window_where_a_model_can_weigh_them() -> None:
    """All of them as much together as the rows since; without a change, or such a model, all rows count alike."""
    data, until = rows(480), from_ms(480 * to_ms(HOUR))
    change = until - 2 * DAY
    weighted = training_windows.candidates(data, 20 * DAY, until, change, weighted=True)
    weights = [w.weights(w.rows(data, until)) for w in weighted]
    assert [480, 240, 120, 48] == [len(w.rows(data, until)) for w in weighted]
    assert weights[0] is not None
    assert [None] * 3 == weights[1:]
    assert (pytest.approx(240), pytest.approx(240)) == (weights[0][:432].sum(), weights[0][432:].sum())
    plain = [*training_windows.candidates(data, 20 * DAY, until, None, weighted=True),
             *training_windows.candidates(data, 20 * DAY, until, change)]  # fmt: skip
    assert all(w.weights(w.rows(data, until)) is None for w in plain)


def test_weights_reach_the_fits_of_validation() -> None:
    """Each model is fitted with those of its own rows, as they were at its block."""
    change = from_ms(390 * to_ms(HOUR))
    made, fits = validated(rows(800, change=390), 400, delay=timedelta(0),
                           windows=[TrainingWindow("weighted", 900 * DAY, change=change)])  # fmt: skip
    assert made.window.name == "weighted"
    assert [400, 500, 600, 700] == [len(fit.times) for fit in fits]
    of_old = [fit.weights[fit.times < 390 * to_ms(HOUR)].sum() for fit in fits]
    assert of_old == [pytest.approx(len(fit.times) / 2) for fit in fits]


def test_a_window_has_the_rows_before_the_moment_of_training() -> None:
    """Up to that moment, not including it, and none before the change."""
    data = rows(100)
    at = from_ms(60 * to_ms(HOUR))
    one, since = TrainingWindow("day", DAY), TrainingWindow("since", 9 * DAY, since=from_ms(50 * to_ms(HOUR)))
    assert [str(h) for h in range(36, 60)] == list(one.rows(data, at).ids)
    assert [str(h) for h in range(50, 60)] == list(since.rows(data, at).ids)
    assert 0 == len(since.rows(data, from_ms(40 * to_ms(HOUR))))


def test_no_rows_make_no_windows() -> None:
    """There is nothing to train on."""
    assert [] == training_windows.candidates(rows(48), DAY, from_ms(900 * to_ms(HOUR)), None)
