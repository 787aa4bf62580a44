"""Derived variables: frozen in integers, counted equally for any partition of rows, and informative."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from features.schema import MULTIVARIATE, EventSchema, FeatureKind, Task
from monitors.baseline import freeze
from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.profiles import counting, reconstruction_error
from monitors.profiles.cells import Cell, merge_cells
from monitors.profiles.derived import Derived
from monitors.profiles.loss_estimator import DirectLossEstimator
from monitors.profiles.score_calibration import ScoreCalibration
from monitors.report import canonical
from monitors.stats.bins import Bins, CategoricalBins, NumericBins, freeze_categorical, freeze_numeric
from monitors.stats.distance import js_distance_log2
from tests.support import learned_baselines as learned
from tests.support.example_counts import examples

Floats = npt.NDArray[np.float64]
SCHEMAS = {task: learned.schema(task, "x", "y", "z", words=("word",), segments=("word",)) for task in Task}


def rows(task: Task, n: int, seed: int = 0) -> dict[str, Any]:
    """Return *n* rows: x and y go together, z and the word do not; some words are missing."""
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n))
    out: dict[str, Any] = {"x": x, "y": 0.9 * x + 0.44 * noise, "z": rng.exponential(size=n)}
    out["word"] = rng.choice(np.array(["a", "b", None], object), n, p=[0.6, 0.3, 0.1])
    if task is Task.MULTICLASS:
        label = rng.choice(np.array(["p", "q"], object), n)
        return {**out, "prediction": np.where(x > 0, label, "p"), "label": label}
    if task is Task.REGRESSION:
        label = rng.standard_normal(n)
        return {**out, "prediction": label + np.exp(x / 2) * rng.standard_normal(n), "label": label}
    score = 1 / (1 + np.exp(-x))
    return {**out, "prediction": score, "label": (rng.random(n) < score).astype(float)}


def spoiled(of: dict[str, Any]) -> dict[str, Any]:
    """Return rows with nulls, infinities, values out of range and words that were never seen."""
    x, word = of["x"].copy(), of["word"].copy()
    x[:9], x[9:12], x[12:15], word[15:20] = np.nan, np.inf, 99.0, "new"
    return {**of, "x": x, "word": word}


BASELINES = {task: learned.baseline(SCHEMAS[task], rows(task, 2000)) for task in Task}
SPOILED = {task: learned.tables(SCHEMAS[task], spoiled(rows(task, 200, 1)), days=3)[0] for task in Task}


def cells(task: Task, table: pa.Table, known: Baseline | None = None) -> list[Cell]:
    """Return the input cells of *table*, as the job counts them."""
    frozen = (known or BASELINES[task]).frozen
    return list(counting.count_inputs(SCHEMAS[task], {"v1": frozen}, table))


@pytest.mark.parametrize("task", list(Task))
@given(order=st.permutations(range(200)), at=st.lists(st.integers(0, 200), max_size=5))
@settings(max_examples=examples(15), deadline=None)
def test_any_split_of_rows_in_any_order_counts_the_same(task: Task, order: list[int], at: list[int]) -> None:
    """Counts of parts add up to counts of the whole, derived variables and segments included."""
    table = SPOILED[task].take(order)
    parts = [table.slice(a, b - a) for a, b in zip([0, *sorted(at)], [*sorted(at), 200], strict=True)]
    whole = merge_cells(cells(task, SPOILED[task]))

    assert whole == merge_cells(c for part in parts for c in cells(task, part))


@pytest.mark.parametrize("task", list(Task))
def test_a_stored_baseline_counts_like_the_one_that_was_stored(task: Task) -> None:
    """Through JSON with sorted keys, which keeps no order of names, and without any number that is not whole."""
    again = Baseline.model_validate_json(canonical(BASELINES[task]))

    assert cells(task, SPOILED[task]) == cells(task, SPOILED[task], again)
    assert "." not in json.dumps(BASELINES[task].derived.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("task", "sizes"),
    [
        (Task.BINARY, {"multivariate": 16, "score_grid": 201, "value_hashes": 8}),
        (Task.REGRESSION, {"multivariate": 16, "estimated_loss": 3, "value_hashes": 8}),
        (Task.MULTICLASS, {"multivariate": 16, "estimated_loss": 3, "value_hashes": 6}),
    ],
)
def test_each_task_has_its_derived_variables(task: Task, sizes: dict[str, int]) -> None:
    """They follow the variables that are sent, and every row is in each of them."""
    known = BASELINES[task]
    told = learned.counts(known, rows(task, 300, 2))

    assert sizes == known.frozen.sizes
    assert [*sizes, "refused", "late", "unusable"] == list(told)[-6:]
    assert 300 == sum(told["multivariate"])
    assert 300 == (sum(told["score_grid"]) if task is Task.BINARY else told["estimated_loss"][0])


def test_a_score_that_is_none_has_the_last_cell_of_the_grid() -> None:
    """Nothing is lost from the row of counts, nor counted as a score."""
    score = np.array([np.inf, 0.1, 0.1, 1.0, 0.5, 0.7])
    told = learned.counts(BASELINES[Task.BINARY], {**rows(Task.BINARY, 6), "prediction": score})["score_grid"]

    assert {20: 2, 100: 1, 140: 1, 199: 1, 200: 1} == {i: n for i, n in enumerate(told) if n}


def test_a_baseline_without_labels_still_knows_what_goes_together() -> None:
    """Nothing is estimated from no labels, from few, or from those of one class only."""
    events = SCHEMAS[Task.BINARY]
    made, known = learned.tables(events, rows(Task.BINARY, 500))
    bins = freeze.freeze_bins(events, learned.POLICY, made, known)
    ones = pa.array(known["label"].to_numpy() == 1)
    for few in (known.slice(0, 0), known.slice(0, 29), known.filter(ones)):
        found = freeze.freeze_derived(events, learned.POLICY, bins, made, few)

        assert {"multivariate": 16, "value_hashes": 8} == found.frozen.sizes


def test_the_newest_label_within_the_delay_counts_once() -> None:
    """Deliveries repeat, labels are mended, and come late: as the job joins them."""
    made = pa.table({"id": ["a", "a", "b", "c", "d"], "time": [0, 0, 0, 5, 0]})
    told = [("a", 9, 1.0), ("a", 10, 0.0), ("b", learned.DAY + 1, 1.0), ("c", 4, 1.0), ("d", 7, 1.0), ("d", 7, 1.0)]
    known = pa.table(dict(zip(("id", "time", "label"), map(list, zip(*told, strict=True)), strict=True)))
    at, label = freeze.newest_labels(SCHEMAS[Task.BINARY], made, known)

    assert ([0, 4], [0.0, 1.0]) == (at.tolist(), label.tolist())


def test_the_order_of_rows_makes_no_difference_to_what_is_learned() -> None:
    """The projection and the loss table rest on sums of whole numbers."""
    events = SCHEMAS[Task.REGRESSION]
    made, known = learned.tables(events, rows(Task.REGRESSION, 900), days=20)
    bins = freeze.freeze_bins(events, learned.POLICY, made, known)
    order = np.random.default_rng(0).permutation(900)
    first, second = (freeze.freeze_derived(events, learned.POLICY, bins, m, known) for m in (made, made.take(order)))

    assert first.frozen == second.frozen
    assert first.out_of_sample[MULTIVARIATE][order].tolist() == second.out_of_sample[MULTIVARIATE].tolist()
    assert isinstance(first.frozen.derived.estimate, DirectLossEstimator)


@pytest.mark.parametrize("name", ["multivariate", "refused", "late"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    """A feature cannot be called what is made of it, or counted beside it."""
    with pytest.raises(ValueError, match="cannot name a feature"):
        EventSchema(model="m", task=Task.BINARY, features={name: FeatureKind.NUMERIC})


def test_a_baseline_that_derived_nothing_counts_what_is_sent() -> None:
    """Models of one feature without labels are watched all the same."""
    known = BASELINES[Task.BINARY].model_copy(update={"derived": Derived()})
    plan = counting.layout(known.events, known.frozen, Stage.INPUTS)

    assert ["x", "y", "z", "word", "prediction", "refused", "late", "unusable"] == list(plan.sizes)


@pytest.mark.parametrize("task", list(Task))
def test_an_estimate_is_read_back_as_what_it_is(task: Task) -> None:
    """JSON tells a calibration from a loss table."""
    derived = BASELINES[task].derived
    again = Derived.model_validate_json(derived.model_dump_json())

    assert derived == again
    assert isinstance(again.estimate, ScoreCalibration if task is Task.BINARY else DirectLossEstimator)


def factors(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Return rows of *d* features that two factors drive."""
    return np.asarray(rng.standard_normal((n, 2)) @ rng.standard_normal((2, d)) + 0.5 * rng.standard_normal((n, d)))


def on(bins: dict[str, Bins], x: Floats) -> dict[str, Any]:
    """Return the cells of each column of *x* on *bins*."""
    none = np.zeros(len(x), bool)
    return {n: b.index(c, none) for (n, b), c in zip(bins.items(), x.T, strict=True) if isinstance(b, NumericBins)}


def fitted(x: Floats) -> tuple[dict[str, Bins], reconstruction_error.PrincipalComponents, Floats]:
    """Return the bins of each column of *x*, the projection of its rows, and their errors by that of the others."""
    bins: dict[str, Bins] = {f"x{i}": freeze_numeric(column) for i, column in enumerate(x.T)}
    found = reconstruction_error.fit(bins, on(bins, x), np.arange(len(x)) % 10)
    assert found is not None
    return bins, *found


def test_the_error_is_what_scikit_learn_leaves_over() -> None:
    """The rms of the components beyond 65 % of the variance, in their own standard deviations."""
    x = factors(5000, 8, np.random.default_rng(3))
    bins, found, _ = fitted(x)
    at = on(bins, x)
    codes = np.column_stack([np.array(found.codes[name])[cell] for name, cell in at.items()]) / 1024
    pca, main = PCA().fit(codes), PCA(n_components=0.65).fit(codes).n_components_
    narrow = np.maximum(np.sqrt(pca.explained_variance_[main:]), reconstruction_error.MIN_COMPONENT_SD)
    expected = np.sqrt(np.mean((pca.transform(codes)[:, main:] / narrow) ** 2, axis=1))

    assert 8 - main == len(found.components)
    assert np.abs(found.error(at) - expected).max() < 0.005


def test_the_error_of_golden_rows() -> None:
    """Pinned: pairs that always go together have no error; crossed ones lie 14 of the narrowest sd away."""
    bins: dict[str, Bins] = {name: CategoricalBins(categories=("a", "b")) for name in "uv"}
    pairs = np.repeat([0, 1], 50)
    made = reconstruction_error.fit(bins, {"u": pairs, "v": pairs}, np.zeros(100, np.int64))
    assert made is not None
    found, own = made
    told = found.error({"u": np.array([0, 1, 0, 1]), "v": np.array([0, 1, 1, 0])})

    assert (-1024, 1024) == found.codes["u"][:2] == found.codes["v"][:2]
    assert [0.0, 0.0, 14.143, 14.143] == told.round(3).tolist()
    assert not own.any()


@pytest.mark.parametrize("features", [1, 2])
def test_a_single_feature_that_varies_goes_with_nothing(features: int) -> None:
    """One feature, or another that is constant beside it: there is no way in which features go together."""
    bins: dict[str, Bins] = {"x": freeze_numeric(np.arange(100.0)), "c": freeze_categorical(np.full(100, "a", object))}
    at = {"x": np.arange(100) // 10, "c": np.zeros(100, np.int64)}

    assert reconstruction_error.fit(bins, dict(list(at.items())[:features]), np.zeros(100, np.int64)) is None


@given(st.integers(2, 40), st.integers(0, 10_000))
@settings(max_examples=examples(20), deadline=None)
def test_whole_numbers_stay_exact(d: int, seed: int) -> None:
    """However many features: the float64 sums are those of Python's integers."""
    x = factors(60, d, np.random.default_rng(seed))
    bins, found, _ = fitted(x)
    at = on(bins, x)
    for row, error in enumerate(found.error(at)):
        code = [found.codes[name][at[name][row]] for name in found.features]
        left = [(sum(w * c for w, c in zip(ws, code, strict=True)) + 2**15) // 2**16 for ws in found.components]

        assert np.sqrt(sum(v * v for v in left) / len(left)) / 1024 == error


@pytest.mark.parametrize(("features", "least"), [(2, 0.45), (10, 0.35), (20, 0.35)])
def test_a_relation_that_breaks_shows_among_many_features(features: int, least: float) -> None:
    """One pair's correlation of .9 goes, marginals stay: far from the baseline, while the same world is near it."""
    rng = np.random.default_rng(features)

    def world(n: int, together: float) -> Floats:
        x = rng.standard_normal((n, features))
        x[:, 1] = together * x[:, 0] + np.sqrt(1 - together**2) * x[:, 1]
        return np.asarray(x)

    reference = world(5000, 0.9)
    bins, found, own = fitted(reference)
    itself = found.error(on(bins, reference))
    near, away = (apart(own, itself, found.error(on(bins, world(1000, together)))) for together in (0.9, 0.0))

    assert near < 0.1
    assert away > least


@pytest.mark.parametrize("n", [100, 500, 2000])
def test_errors_of_the_baseline_are_those_of_rows_to_come(n: int) -> None:
    """30 unrelated features, whose narrowest components are narrow by chance: the other rows' tell how far."""
    rng = np.random.default_rng(n)
    x, later = rng.standard_normal((n, 30)), rng.standard_normal((20_000, 30))
    bins, found, own = fitted(x)
    itself, window = found.error(on(bins, x)), found.error(on(bins, later))
    by_itself, by_others = apart(itself, itself, window), apart(own, itself, window)

    assert by_others < 0.6 * by_itself
    assert by_others < 2 / np.sqrt(n)


def apart(own: Floats, itself: Floats, window: Floats) -> float:
    """Return how far the errors of a *window* are from the baseline's *own*, on bins frozen with them."""
    bins = reconstruction_error.freeze_errors(own, itself, 10)
    cells = (bins.index(e, np.zeros(len(e), bool)) for e in (own, window))
    return float(js_distance_log2(*(np.bincount(c, minlength=bins.cells)[list(bins.ordered)] for c in cells)))
