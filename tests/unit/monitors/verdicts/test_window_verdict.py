"""Window verdicts: what is drift, what is steady, and what cannot be judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from features.schema import LATE, REFUSED, UNUSABLE, UNUSABLE_PARTS, EventSchema, FeatureKind, Task
from features.values.untyped import Reject
from features.window import Windows, from_ms
from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.profiles import counting, outcome_counts, rejected_counts
from monitors.report import Report, canonical
from monitors.stats import null_distribution
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins, freeze_categorical, freeze_numeric
from monitors.verdicts import window_verdict
from monitors.verdicts.distribution import WINDOW_LEVEL

DAY = 86_400_000
AFTER = 1000 * DAY
POLICY = MonitorPolicy()
Rows = dict[str, Any]


@dataclass
class World:
    """A stationary world: one normal feature, one word, a constant and one that is never there."""

    task: Task = Task.BINARY
    seed: int = 1
    extra: int = 0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @property
    def features(self) -> dict[str, FeatureKind]:
        """The features by kind."""
        names = {
            "x": FeatureKind.NUMERIC,
            "word": FeatureKind.CATEGORICAL,
            "constant": FeatureKind.NUMERIC,
            "never": FeatureKind.NUMERIC,
        }
        return {**names, **{f"x{i}": FeatureKind.NUMERIC for i in range(self.extra)}}

    def rows(self, n: int) -> Rows:
        """Return *n* events with their labels."""
        rng, score = self.rng, self.rng.beta(2, 3, n)
        out: Rows = {"x": rng.standard_normal(n), "constant": np.full(n, 3.0), "never": np.full(n, np.nan)}
        out |= {f"x{i}": rng.standard_normal(n) for i in range(self.extra)}
        out["word"] = rng.choice(np.array(["a", "b", "c"], object), n, p=[0.5, 0.3, 0.2])
        if self.task is Task.MULTICLASS:
            label = rng.choice(np.array(["p", "q"], object), n)
            return {**out, "prediction": np.where(score < 0.6, label, "p"), "label": label}
        if self.task is Task.REGRESSION:
            label = rng.standard_normal(n)
            return {**out, "prediction": label + rng.standard_normal(n), "label": label}
        return {**out, "prediction": score, "label": (rng.random(n) < score).astype(float)}

    def freeze(self, rows: Rows) -> dict[str, Bins]:
        """Return the bins of every variable and of the label."""
        bins: dict[str, Bins] = {
            name: freeze_categorical(v) if v.dtype == object else freeze_numeric(v) for name, v in rows.items()
        }
        return bins if self.task is not Task.BINARY else {**bins, "label": CategoricalBins(categories=("0", "1"))}

    def baseline(self, slices: int = 20, rows: int = 500) -> Baseline:
        """Return a baseline of *slices* days."""
        days = [self.rows(rows) for _ in range(slices)]
        bins = self.freeze({name: np.concatenate([d[name] for d in days]) for name in days[0]})
        return Baseline(
            events=EventSchema(
                model="m", task=self.task, features=self.features, windows=Windows(size="2d", slide="1d")
            ),
            version="v1",
            start=from_ms(0),
            end=from_ms(slices * DAY),
            rows=slices * rows,
            bins=bins,
            inputs=tuple(Slice(start=i * DAY, counts=inputs(bins, d)) for i, d in enumerate(days)),
            outcomes=tuple(Slice(start=i * DAY, counts=outcomes(self.task, bins, d)) for i, d in enumerate(days)),
        )


def inputs(bins: Mapping[str, Bins], rows: Rows) -> dict[str, list[int]]:
    """Return the counts of features and prediction."""
    return {name: cells(bins[name], values).tolist() for name, values in rows.items() if name != "label"}


def cells(bins: Bins, values: Any) -> Counts:
    """Return the counts of one variable; NaN is a null."""
    index = bins.index(values, np.isnan(values)) if isinstance(bins, NumericBins) else bins.index(values)
    return np.bincount(index, minlength=bins.cells)


def outcomes(task: Task, bins: Mapping[str, Bins], rows: Rows, labelled: int | None = None) -> dict[str, list[int]]:
    """Return the outcome counts, of which the first *labelled* rows have labels (all by default)."""
    n = len(rows["label"])
    known = np.arange(n) < (n if labelled is None else labelled)
    found = outcome_counts.count(task, bins, rows["prediction"], rows["label"], known, np.zeros(n, np.int64), 1)
    return {name: c[0].tolist() for name, c in found.items()}


def judge(
    baseline: Baseline, counts: Mapping[str, list[int]], stage: Stage = Stage.INPUTS, *, segment: str = "",
    policy: MonitorPolicy = POLICY, start: int = AFTER,
) -> dict[tuple[Signal, str], Finding]:  # fmt: skip
    """Return the findings by signal and variable, after checking what holds of all findings alike."""
    found = window_verdict.judge(
        baseline, policy, stage=stage, segment=segment, window_slices=2, start_ms=start, counts=counts
    )
    for f in found:
        assert f.reason
        assert all(map(math.isfinite, f.metrics.values()))
        assert (f.verdict is Verdict.DRIFT) == (
            f.threshold is not None and f.effect is not None and f.effect > f.threshold
        )
    rows = {"rows": 0, "counts": dict(counts), "findings": found, "baseline": "", "segment": segment}
    canonical(Report(model="m", version="v1", stage=stage, window_start=from_ms(0), window_end=from_ms(1), **rows))
    out = {(f.signal, f.variable): f for f in found}
    assert len(out) == len(found)
    return out


WORLD = World()
BASELINE = WORLD.baseline()


def test_a_window_of_the_same_world_is_steady() -> None:
    """One finding a feature, one for the prediction and one for quality; what cannot be judged says why."""
    found = judge(BASELINE, inputs(BASELINE.bins, WORLD.rows(1000)))
    assert {
        (Signal.QUALITY, "*"): "steady",
        (Signal.FEATURE, "x"): "steady",
        (Signal.FEATURE, "word"): "steady",
        (Signal.FEATURE, "constant"): "steady",
        (Signal.FEATURE, "never"): "not_enough_evidence",
        (Signal.PREDICTION, "prediction"): "steady",
    } == {key: f.verdict.value for key, f in found.items()}
    assert "the baseline has 0 values; 30 are needed" == found[Signal.FEATURE, "never"].reason


def test_a_shift_of_one_sd_is_caught() -> None:
    """A thousand rows shifted by a standard deviation drift, with every distance told; nothing else does."""
    found = judge(
        BASELINE, inputs(BASELINE.bins, {**WORLD.rows(1000), "x": np.random.default_rng(7).standard_normal(1000) + 1})
    )
    shifted = found.pop((Signal.FEATURE, "x"))
    assert Verdict.DRIFT is shifted.verdict
    assert pytest.approx(0.4, abs=0.05) == shifted.effect == shifted.metrics["js_distance_log2"]
    assert pytest.approx(1.2, abs=0.1) == shifted.metrics["wasserstein_normed"]
    assert {"psi", "ks", "missing_share", "out_of_range_share"} <= shifted.metrics.keys()
    assert not [f for f in found.values() if f.verdict is Verdict.DRIFT]


def test_the_mix_of_categories_is_judged_too() -> None:
    """Other shares of the same words drift, told by their total variation as well."""
    words = WORLD.rng.choice(np.array(["a", "b", "c"], object), 1000, p=[0.2, 0.3, 0.5])
    found = judge(BASELINE, inputs(BASELINE.bins, {**WORLD.rows(1000), "word": words}))[Signal.FEATURE, "word"]
    assert Verdict.DRIFT is found.verdict
    assert pytest.approx(0.3, abs=0.05) == found.metrics["total_variation"]


def test_a_sure_but_small_effect_is_steady() -> None:
    """A shift of a tenth of a sd in 20,000 rows is significant and not worth telling, unless the policy asks for it."""
    counts = inputs(BASELINE.bins, {**WORLD.rows(20_000), "x": WORLD.rng.standard_normal(20_000) + 0.1})
    found = judge(BASELINE, counts)[Signal.FEATURE, "x"]
    assert (Verdict.STEADY, 0.1) == (found.verdict, found.threshold)
    assert "the minimum effect" in found.reason
    eager = judge(BASELINE, counts, policy=MonitorPolicy(min_effect=0))[Signal.FEATURE, "x"]
    assert Verdict.DRIFT is eager.verdict


def test_too_few_rows_to_see_the_least_effect() -> None:
    """200 rows cannot rule an effect of 0.1 out, and say what size would do; a large effect shows all the same."""
    rows = WORLD.rows(200)
    rows["prediction"] **= 0.3
    found = judge(BASELINE, inputs(BASELINE.bins, rows))
    x = found[Signal.FEATURE, "x"]
    assert Verdict.NOT_ENOUGH is x.verdict
    assert "with 200 values an effect of 0.1 cannot be told from chance; 430 are needed" == x.reason
    assert Verdict.DRIFT is found[Signal.PREDICTION, "prediction"].verdict
    enough = judge(BASELINE, inputs(BASELINE.bins, WORLD.rows(580)))
    assert Verdict.STEADY is enough[Signal.FEATURE, "x"].verdict


def test_a_short_baseline_is_not_enough() -> None:
    """30 rows of baseline bear no verdict at any window size; the reason says how long both would have to be."""
    small = World(seed=2).baseline(slices=1, rows=30)
    found = judge(small, inputs(small.bins, WORLD.rows(100_000)))
    assert {Verdict.NOT_ENOUGH} == {f.verdict for key, f in found.items() if key[1] in ("x", "prediction")}
    assert "in the baseline" in found[Signal.FEATURE, "x"].reason


def test_a_fault_is_not_drift() -> None:
    """A variable with a quality fault gets that finding, and a feature finding that says why it was not judged."""
    rows = WORLD.rows(1000)
    rows["x"][:400] = np.nan
    found = judge(BASELINE, inputs(BASELINE.bins, {**rows, "x": rows["x"] + 5}))
    assert [(Signal.QUALITY, "x")] == [key for key, f in found.items() if f.verdict is Verdict.DRIFT]
    assert (Signal.QUALITY, "*") not in found
    feature = found[Signal.FEATURE, "x"]
    assert (Verdict.NOT_ENOUGH, None) == (feature.verdict, feature.effect)
    assert feature.reason.startswith("not judged for drift because of a data quality fault: ")


def test_a_constant_that_moves_is_drift() -> None:
    """A feature with a single bin is steady while it stays; elsewhere it has drifted, and nothing is broken."""
    found = judge(BASELINE, inputs(BASELINE.bins, {**WORLD.rows(1000), "constant": np.full(1000, 4.0)}))
    assert Verdict.DRIFT is found[Signal.FEATURE, "constant"].verdict
    assert Verdict.STEADY is found[Signal.QUALITY, "*"].verdict


def test_a_feature_that_vanishes_is_a_fault() -> None:
    """All nulls where there were values."""
    found = judge(BASELINE, inputs(BASELINE.bins, {**WORLD.rows(1000), "x": np.full(1000, np.nan)}))
    assert ("missing_share", 1.0) == (found[Signal.QUALITY, "x"].metric, found[Signal.QUALITY, "x"].effect)


@pytest.mark.parametrize("stage", list(Stage))
def test_an_unknown_segment_is_a_result(stage: Stage) -> None:
    """A segment that the baseline lacks is not enough evidence in every finding, and the reason names it."""
    rows = WORLD.rows(1000)
    counts = {**inputs(BASELINE.bins, rows), **outcomes(Task.BINARY, BASELINE.bins, rows)}
    found = judge(BASELINE, counts, stage, segment="word=z")
    assert {Verdict.NOT_ENOUGH} == {f.verdict for f in found.values()}
    assert "the baseline has no rows of the segment word=z" in {f.reason for f in found.values()}


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("counts", [{}, {"x": [0] * 16, "coverage": [0, 0]}])
def test_an_empty_window_is_a_result(stage: Stage, counts: dict[str, list[int]]) -> None:
    """Nothing counted at all: not enough evidence."""
    assert {Verdict.NOT_ENOUGH} == {f.verdict for f in judge(BASELINE, counts, stage).values()}


def test_labels_that_stay_away_are_a_fault() -> None:
    """All are due and none has come, in the window or in its newest slice alone; a baseline without any says nothing.

    The newest slice tells also where the window has events in too few slices to be judged.
    """
    every, nothing = {"coverage": [1000, 0]}, {"coverage": [0, 40]}
    gone = judge(BASELINE, nothing, Stage.OUTCOMES)[Signal.QUALITY, "label"]
    never = BASELINE.model_copy(update={"outcomes": ()})
    short = window_verdict.judge(BASELINE, POLICY, stage=Stage.OUTCOMES, segment="", window_slices=2, start_ms=AFTER,
                          counts=every, newest=nothing, slices_with_events=1)  # fmt: skip

    assert ("unlabelled_share", 1.0) == (gone.metric, gone.effect)
    assert "0 of 40 predictions have a label" in gone.reason
    assert Verdict.NOT_ENOUGH is judge(never, nothing, Stage.OUTCOMES)[Signal.LABEL, "label"].verdict
    assert (Signal.QUALITY, "label") not in judge(never, nothing, Stage.OUTCOMES)
    assert (Signal.QUALITY, "label") not in judge(BASELINE, {"coverage": [30, 10]}, Stage.OUTCOMES)
    assert ["in the newest slice, 0 of 40"] == [f.reason[:28] for f in short if f.verdict is Verdict.DRIFT]


@pytest.mark.parametrize("keys", [["x", "word"], ["word", "x"]])
def test_a_refused_value_is_named_after_its_own_variable(keys: list[str]) -> None:
    """However the project file orders the features: what counts and what tells agree on the cells."""
    features = {**BASELINE.events.features}
    order = {name: features.pop(name) for name in keys} | features
    events = BASELINE.events.model_copy(update={"features": order})
    stored = Baseline.model_validate_json(canonical(BASELINE.model_copy(update={"events": events})))
    plan = counting.layout(events, stored.frozen, Stage.INPUTS)
    bad = [Reject("a", i, "no number", "", "x", AFTER, "v1") for i in range(500)]
    cells = rejected_counts.count_refused(events, {"v1": stored.frozen}, bad, 0)
    refused = plan.row((c.cell, c.n) for c in cells)
    rows = inputs(BASELINE.bins, WORLD.rows(500))

    found = judge(stored, rows | {REFUSED: refused[REFUSED]})
    assert {"x"} == {name for (signal, name), f in found.items() if signal is Signal.QUALITY}


@pytest.mark.parametrize("why", UNUSABLE_PARTS)
def test_records_that_are_all_set_aside_are_a_fault_of_the_newest_slice(why: str) -> None:
    """Whatever they lack, however few: of a window with events in too few slices, too; some among many are none."""
    rows = inputs(BASELINE.bins, WORLD.rows(1000))
    three = [3 if name == why else 0 for name in UNUSABLE_PARTS]
    quiet = {name: [0] * len(row) for name, row in rows.items()}
    common = {"stage": Stage.INPUTS, "segment": "", "window_slices": 2, "start_ms": AFTER, "slices_with_events": 1}
    told = window_verdict.judge(
        BASELINE, POLICY, counts=rows | {UNUSABLE: three}, newest=quiet | {UNUSABLE: three}, **common
    )  # type: ignore[arg-type]
    few = window_verdict.judge(
        BASELINE, POLICY, counts=rows | {UNUSABLE: three}, newest=rows | {UNUSABLE: three}, **common
    )  # type: ignore[arg-type]

    (fault,) = (f for f in told if f.signal is Signal.QUALITY)
    assert (Verdict.DRIFT, "*", "unusable_share", 1.0) == (fault.verdict, fault.variable, fault.metric, fault.effect)
    assert fault.reason.startswith("in the newest slice, 3 of 3 ")
    assert Verdict.DRIFT not in {f.verdict for f in few}


def test_a_fault_of_the_feed_is_told_once() -> None:
    """Where the window has it, and its newest slice as well."""
    rows = inputs(BASELINE.bins, WORLD.rows(100)) | {UNUSABLE: [0, 300, 0, 0]}
    told = window_verdict.judge(BASELINE, POLICY, stage=Stage.INPUTS, segment="", window_slices=2, start_ms=AFTER,
                         counts=rows, newest=rows, slices_with_events=2)  # fmt: skip
    (fault,) = (f for f in told if f.signal is Signal.QUALITY)
    assert 1 == fault.reason.count("have no usable time")


def test_many_causes_together_are_one_fault() -> None:
    """No variable is refused often enough by itself, and most records are set aside all the same."""
    wide = World(extra=30).baseline()
    refused = [25] * len(wide.events.refusable)
    told = judge(wide, inputs(wide.bins, World(extra=30).rows(200)) | {REFUSED: refused})[Signal.QUALITY, "*"]
    assert "of 1,075 records were set aside (" in told.reason or Verdict.DRIFT is told.verdict


def test_a_baseline_that_wanders_cannot_judge() -> None:
    """Where the baseline's own windows lie as far apart as can be, a shift is not called steady: nothing would tell."""
    rng = np.random.default_rng(5)
    days = [rng.normal(3 * k, 1, 500) for k in range(14)]
    bins = {**BASELINE.bins, "x": freeze_numeric(np.concatenate(days))}
    slices = tuple(Slice(start=DAY * k, counts={"x": cells(bins["x"], day).tolist()}) for k, day in enumerate(days))
    wandering = BASELINE.model_copy(update={"bins": bins, "inputs": slices})
    found = judge(wandering, {"x": cells(bins["x"], rng.normal(45, 1, 1000)).tolist()})[Signal.FEATURE, "x"]

    assert (Verdict.NOT_ENOUGH, 1.0) == (found.verdict, found.threshold)
    assert "differ as much as windows can" in found.reason


def test_a_window_without_all_its_slices_is_not_judged() -> None:
    """A version's first windows began before it served: a shift in them is told, but is no drift yet."""
    rows = WORLD.rows(1000)
    counts = inputs(BASELINE.bins, {**rows, "x": rows["x"] + 1})
    partial = window_verdict.judge(
        BASELINE,
        POLICY,
        stage=Stage.INPUTS,
        segment="",
        window_slices=5,
        start_ms=90 * DAY,
        counts=counts,
        slices_with_events=4,
    )

    assert {Verdict.NOT_ENOUGH} == {f.verdict for f in partial}
    assert {"only 4 of the window's 5 slices have events"} == {f.reason for f in partial}


def test_a_window_inside_the_baseline_says_so() -> None:
    """A window that is part of what it is compared with lies too near, and the reader is told."""
    counts = inputs(BASELINE.bins, WORLD.rows(1000))
    inside, outside = (judge(BASELINE, counts, start=at)[Signal.FEATURE, "x"] for at in (19 * DAY, 20 * DAY))
    assert inside.reason == outside.reason + "; the window overlaps the baseline's own period"


@pytest.mark.parametrize("task", list(Task))
def test_outcomes_of_every_task(task: Task) -> None:
    """Label and performance: steady in the same world, drift where predictions are of no use any more."""
    world = World(task, seed=3)
    known = world.baseline()
    rows = world.rows(1000)
    same = judge(known, outcomes(task, known.bins, rows), Stage.OUTCOMES)
    assert {(Signal.LABEL, "label"), (Signal.PERFORMANCE, "loss")} == same.keys()
    assert {Verdict.STEADY} == {f.verdict for f in same.values()}
    rows["prediction"] = world.rng.permutation(rows["prediction"])
    worse = judge(known, outcomes(task, known.bins, rows), Stage.OUTCOMES)
    assert [Verdict.STEADY, Verdict.DRIFT] == [f.verdict for f in worse.values()]


def test_a_label_that_breaks_is_a_fault() -> None:
    """Labels of another spelling are a fault of the label; the performance of no scored row is not enough evidence."""
    rows = {**WORLD.rows(1000), "label": np.full(1000, 2.0)}
    found = judge(BASELINE, outcomes(Task.BINARY, BASELINE.bins, rows), Stage.OUTCOMES)
    assert {
        (Signal.QUALITY, "label"): Verdict.DRIFT,
        (Signal.LABEL, "label"): Verdict.NOT_ENOUGH,
        (Signal.PERFORMANCE, "loss"): Verdict.NOT_ENOUGH,
    } == {key: f.verdict for key, f in found.items()}


def test_a_baseline_without_outcomes_is_a_result() -> None:
    """A version whose labels were never counted can still be watched on its inputs."""
    bare = BASELINE.model_copy(update={"outcomes": ()})
    counts = outcomes(Task.BINARY, BASELINE.bins, WORLD.rows(1000))
    assert {Verdict.NOT_ENOUGH} == {f.verdict for f in judge(bare, counts, Stage.OUTCOMES).values()}


@pytest.mark.slow
@given(st.data())
@settings(max_examples=50, deadline=None)
def test_any_counts_get_a_finding_for_everything(data: st.DataObject) -> None:
    """Whatever the cells hold: as many findings as variables at least, none undefined, the same when asked again."""
    counts = {
        name: data.draw(st.lists(st.sampled_from([0, 1, 7, 1000]), min_size=b.cells, max_size=b.cells))
        for name, b in BASELINE.bins.items()
    }
    first = judge(BASELINE, counts)
    assert {*BASELINE.events.variables} <= {name for _, name in first}
    null_distribution._draw.cache_clear()
    assert first == judge(BASELINE.model_copy(), counts)  # nothing was made of the copy yet


@pytest.mark.slow
def test_a_window_alone_is_called_beyond_its_line_as_often_as_said() -> None:
    """600 windows of an unchanged world: each finding is beyond its line at most at the level of a look, and at times.

    With no least effect, so that significance is all that is asked; in every window one share of it is each variable's.
    """
    policy, hits, looks = MonitorPolicy(min_effect=0), 0, 0
    for seed in range(10):
        world = World(seed=100 + seed, extra=4)
        known = world.baseline(slices=30)
        for _ in range(60):
            found = judge(known, inputs(known.bins, world.rows(500)), policy=policy)
            drift = [f.verdict for f in found.values() if f.signal in (Signal.FEATURE, Signal.PREDICTION)]
            hits, looks = hits + drift.count(Verdict.DRIFT), looks + len(drift)
    assert stats.binom.ppf(0.001, looks, WINDOW_LEVEL / 5) <= hits <= stats.binom.ppf(0.999, looks, WINDOW_LEVEL)


def test_faults_keep_to_their_part_of_the_budget() -> None:
    """The chance of a false fault in one look is the quality share of the budget, shared by the variables."""
    known = World(seed=1).baseline(slices=30)
    windows, variables = known.events.windows, len(known.events.variables)
    level = budget_shares.quality_level(known, MonitorPolicy.model_validate({"false_alarms": "1 per 90 days"}), "")

    share = budget_shares.share(known, Signal.QUALITY, "")
    assert level == pytest.approx(share / (variables + 1) / (timedelta(days=90) / windows.slide))


def test_refused_values_are_a_schema_fault() -> None:
    """A feature that changed its type leaves no rows, or few: the refused ones tell; a few among many do not."""
    rows = inputs(BASELINE.bins, WORLD.rows(1000))
    order = BASELINE.events.refusable
    refused = [500 if name == "x" else 0 for name in order]
    gone = judge(BASELINE, {name: [0] * len(row) for name, row in rows.items()} | {REFUSED: refused})
    quiet = judge(BASELINE, rows | {REFUSED: [n // 100 for n in refused]})

    told = gone[Signal.QUALITY, "x"]
    assert ("refused_share", Verdict.DRIFT, 1.0) == (told.metric, told.verdict, told.effect)
    assert "changed its type" in told.reason
    assert Verdict.STEADY is quiet[Signal.QUALITY, "*"].verdict


def test_predictions_that_came_too_late_are_a_fault_of_all_traffic() -> None:
    """Where they are many; few are none, nor is what was never counted, and a segment is not asked."""
    rows = inputs(BASELINE.bins, WORLD.rows(1000))
    segment = tuple(s.model_copy(update={"segment": "word=b"}) for s in BASELINE.inputs)
    known = BASELINE.model_copy(update={"inputs": BASELINE.inputs + segment})
    cases: list[tuple[dict[str, list[int]], str]] = [
        ({LATE: [200]}, ""),
        ({LATE: [40]}, ""),
        ({}, ""),
        ({LATE: [200]}, "word=b"),
    ]
    many, *others = (judge(known, rows | late, segment=name)[Signal.QUALITY, "*"] for late, name in cases)

    assert ("late_share", Verdict.DRIFT, 0.166667) == (many.metric, many.verdict, many.effect)
    assert [Verdict.STEADY] * 3 == [told.verdict for told in others]


def test_a_window_that_nothing_came_in_time_for_has_a_fault() -> None:
    """Its rows are in no window, and still it is told why."""
    nothing = {name: [0] * len(row) for name, row in inputs(BASELINE.bins, WORLD.rows(1)).items()}
    assert 1.0 == judge(BASELINE, nothing | {LATE: [500]})[Signal.QUALITY, "*"].effect
