"""The promotion gate and the paired test: open only for what is better on later rows."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from features.errors import TrainerError
from features.schema import EventSchema, FeatureKind, Task
from features.window import Windows, from_ms
from registry.files import artifacts
from registry.records import Check, CheckResult
from retrain_flows.config import Gate
from retrain_flows.data.dataset import Dataset
from retrain_flows.gate import gate, paired_test, segments

HOUR = 3_600_000
SCHEMA = EventSchema(
    model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL}, segments=("c",),
    windows=Windows(size=timedelta(days=1), slide=timedelta(days=1)),
)  # fmt: skip


class Guess:
    """A model that answers the same to every row; it can be stored, being made of a number."""

    classes_ = (0, 1)

    def __init__(self, p: float) -> None:
        self.p = p

    def predict(self, frame: pd.DataFrame) -> Any:
        """Answer."""
        return np.full(len(frame), self.p)

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        """Answer both."""
        return np.column_stack([1 - self.predict(frame), self.predict(frame)])


TRUST = (f"{Guess.__module__}.Guess",)


def evaluation(n: int = 960, *, share: float = 0.8) -> Dataset:
    """Return *n* rows, 48 a day, *share* of which have label 1."""
    rng = np.random.default_rng(3)
    y = (rng.random(n) < share).astype(float)
    frame = pd.DataFrame({"x": rng.normal(size=n), "c": np.resize(["a", "b"], n).astype(object)})
    return Dataset(Task.BINARY, from_ms(10**12), frame, y, np.full(n, 0.5), np.full(n, "v1", object),
                   np.arange(n) * (HOUR // 2), np.arange(n).astype(str).astype(object))  # fmt: skip


def trial(model: Any, *, champion: float = 0.5, data: Dataset | None = None, **changes: Any) -> gate.GateInput:
    """Return *model* against a champion that always says *champion*."""
    data = evaluation() if data is None else data
    answers = model.predict(data.frame) if isinstance(model, Guess) else np.full(len(data), 0.5)
    made = gate.GateInput(challenger=model, artifact=artifacts.dump_model(model), answers=answers,
                          champion=np.full(len(data), champion), evaluation=data, schema=SCHEMA,
                          trust=TRUST)  # fmt: skip
    return replace(made, **changes)


def say(made: gate.GateInput, **policy: Any) -> dict[str, CheckResult]:
    """Return the gate's results by check."""
    return {c.name: c.result for c in gate.gate(made, Gate(**policy)).checks}


def check(made: gate.GateInput, name: str, **policy: Any) -> Check:
    """Return one of the gate's checks."""
    return next(c for c in gate.gate(made, Gate(**policy)).checks if c.name == name)


def test_a_better_model_passes_every_check() -> None:
    """Each check says what it got and what it wanted."""
    checks = gate.gate(trial(Guess(0.8)), Gate()).checks
    assert gate.passed(checks)
    assert ["signature", "reload", "rows", "loss", "segments", "calibration", "latency"] == [c.name for c in checks]
    assert all(c.got and c.want for c in checks)


def test_a_worse_model_fails_and_a_like_one_is_held() -> None:
    """FAIL is shown to be worse; HOLD could be either, and does not pass."""
    data = evaluation()
    like = trial(Guess(data.target.mean() - 0.02), champion=data.target.mean() + 0.02, data=data)
    assert (CheckResult.FAIL, CheckResult.HOLD) == (say(trial(Guess(0.3)))["loss"], say(like)["loss"])
    assert not gate.passed(gate.gate(like, Gate()).checks)


def test_a_margin_lets_a_like_model_pass() -> None:
    """Non-inferiority: no worse than the champion by the margin, surely."""
    assert CheckResult.PASS is say(trial(Guess(0.5)), margin=0.01)["loss"]


def test_few_rows_or_few_days_hold() -> None:
    """However good it looks: 4 days are no sample of days."""
    short = trial(Guess(0.8), data=evaluation(192))
    assert (CheckResult.HOLD, CheckResult.HOLD) == (say(short)["rows"], say(short)["loss"])
    assert "4 new slices with labels; a comparison needs 5" in check(short, "loss").got


def test_no_rows_at_all_hold() -> None:
    """Nothing to compare is not a pass."""
    results = say(trial(Guess(0.8), data=evaluation(0)))
    assert (CheckResult.HOLD, CheckResult.HOLD) == (results["rows"], results["loss"])


@pytest.mark.parametrize("answer", [np.nan, 1.2, -0.1])
def test_answers_that_are_no_probability_fail_the_signature(answer: float) -> None:
    """They are counted, and the losses are not even computed."""
    made = trial(Guess(answer))
    assert (CheckResult.FAIL, CheckResult.HOLD) == (say(made)["signature"], say(made)["loss"])
    assert "960 unusable predictions" == check(made, "signature").got
    reason = "loss not measured: the challenger gave no usable predictions (see signature)"
    assert reason in gate.reasons(gate.gate(made, Gate()).checks).split("; ")


def test_a_model_that_raises_fails_with_its_words() -> None:
    """A challenger that cannot take the features is a result and not an error."""
    wants = LogisticRegression().fit(pd.DataFrame({"z": [0.0, 1.0]}), [0, 1])
    assert check(trial(wants), "signature").got.startswith("ValueError: ")


def test_a_stored_model_that_answers_otherwise_fails() -> None:
    """What was judged must be what will serve."""
    other = trial(Guess(0.8), artifact=artifacts.dump_model(Guess(0.81)))
    assert "960 of 960 predictions differ" == check(other, "reload").got
    assert CheckResult.FAIL is say(other)["reload"]


def test_a_model_of_untrusted_types_fails_by_name() -> None:
    """The types that would have to be trusted are told."""
    assert TRUST[0] in check(trial(Guess(0.8), trust=()), "reload").got
    frame = evaluation().frame[["x"]]
    forest = RandomForestClassifier(n_estimators=2).fit(frame, evaluation().target)
    assert "sklearn.tree._tree.Tree" in check(trial(forest), "reload").got


def test_a_model_that_cannot_be_stored_fails_with_the_reason() -> None:
    """Nobody could serve it."""
    made = trial(Guess(0.8), artifact=TrainerError("Guess cannot be stored without pickle: why"))
    assert "Guess cannot be stored without pickle: why" == check(made, "reload").got


def test_a_segment_that_gets_worse_fails_though_all_together_are_better() -> None:
    """The check names the segment and by how much."""
    data = evaluation()
    in_b = (data.frame["c"] == "b").to_numpy()
    data.target[in_b] = np.resize([0.0, 1.0], in_b.sum())
    data.target[~in_b] = 1.0
    made = trial(Guess(0.9), data=data)
    assert (CheckResult.PASS, CheckResult.FAIL) == (say(made)["loss"], say(made)["segments"])
    assert check(made, "segments").got.startswith("1 of 2 segments fails; largest rise among them: c=b +0.5")


def test_a_small_segment_is_not_judged() -> None:
    """Ten unlucky rows stop nobody."""
    data = evaluation()
    data.frame.loc[:9, "c"] = "rare"
    data.target[:10] = 0.0
    assert "of 2 segments" in check(trial(Guess(0.8), data=data), "segments").got


def test_many_segments_need_memory_for_their_rows_alone() -> None:
    """A mask of all rows for each of them would be 50 MB here, and 20 GB with a million rows."""
    data, n = evaluation(50_000), 50_000
    data.frame["c"] = [None] * 50 + [f"c{i}" for i in range(999)] * 50
    data = replace(data, times=np.zeros(n, np.int64))  # one slice, so that no bounds are drawn
    rise = np.where(data.frame["c"] == "c7", 0.5, 0.0)
    tracemalloc.start()
    try:
        made = segments.check(data, SCHEMA, rise, Gate())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "0 of 999 segments fail; largest rise: c=c7 +0.5000 (50 rows)" == made.got
    assert peak < 10 << 20


def test_the_loss_is_compared_on_out_of_sample_answers() -> None:
    """The final model has learned from the evaluation rows, so its own answers to them say nothing."""
    lucky = trial(Guess(0.8), answers=np.full(960, 0.3))
    assert (CheckResult.PASS, CheckResult.FAIL) == (say(lucky)["signature"], say(lucky)["loss"])


def test_slices_of_earlier_looks_are_not_counted_again() -> None:
    """Their evidence is carried on: what was found before opens the gate though the new slices alone do not."""
    day = 24 * HOUR
    late = trial(Guess(0.8), since=16 * day)
    outcome = gate.gate(late, Gate())
    assert ([16 * day, 17 * day, 18 * day, 19 * day], CheckResult.HOLD) == (
        [s.start for s in outcome.slices], say(late)["loss"])  # fmt: skip
    earlier = [gate.gate(trial(Guess(0.8)), Gate()).slices[:14]]
    alone, carried = (replace(trial(Guess(0.8), since=14 * day), before=b) for b in ((), earlier))
    evidence = [check(made, "loss").numbers["better"] for made in (alone, carried)]
    assert evidence[1] > 3 * evidence[0] > 0


def test_a_gate_on_hold_is_undecided_only_if_nothing_failed() -> None:
    """Only what more labels may settle is held: rows and loss."""
    checks = {n: Check(name=n, result=CheckResult.HOLD, got="", want="") for n in ("rows", "loss", "reload")}
    failed = Check(name="segments", result=CheckResult.FAIL, got="", want="")
    assert gate.undecided([checks["rows"]])
    assert gate.undecided([checks["loss"]])
    assert not gate.undecided([checks["reload"]])
    assert not gate.undecided([checks["loss"], failed])


def test_nothing_checked_is_nothing_passed() -> None:
    """An empty gate is shut."""
    assert not gate.passed(())


def _daily(days: int, *, seed: int, phi: float) -> npt.NDArray[np.float64]:
    """Return 20 values a day around an effect of the day, which is AR(1) with mean 0."""
    rng = np.random.default_rng(seed)
    effect = np.zeros(days + 30)
    for t in range(1, days + 30):
        effect[t] = phi * effect[t - 1] + rng.normal()
    return np.asarray(np.repeat(effect[30:], 20) + rng.normal(size=days * 20))


@pytest.mark.parametrize(("days", "phi", "most"), [(5, 0.0, 0.07), (14, 0.0, 0.09), (14, 0.4, 0.14), (60, 0.4, 0.13)])
def test_bounds_keep_their_confidence_when_rows_of_a_day_err_together(days: int, phi: float, most: float) -> None:
    """With no difference, an upper bound of 95% lies below 0 in about 5% of cases.

    Measured: 1%, 4.5%, 7.8% and 9% of 400; rows taken for independent ones would say so in 25% to 34% of them.
    """
    day = np.repeat(np.arange(days), 20)
    wrong = [
        paired_test.paired_difference(_daily(days, seed=s, phi=phi), day, confidence=0.95).high < 0 for s in range(400)
    ]
    assert sum(wrong) / 400 < most


def test_the_same_rows_give_the_same_bounds() -> None:
    """The draws are seeded: a gate that is run again says the same."""
    values, day = _daily(14, seed=1, phi=0.0), np.repeat(np.arange(14), 20)
    assert paired_test.paired_difference(values, day, confidence=0.9) == paired_test.paired_difference(
        values, day, confidence=0.9
    )
