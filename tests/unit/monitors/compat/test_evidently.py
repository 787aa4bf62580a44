"""Evidently's statistics equal the installed library's to the last bits, and obey their formulas."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotEnoughData
from features.schema import FeatureKind
from monitors.compat import evidently
from tests.support import comparison_columns as compat_cases
from tests.support.comparison_columns import Case

CASES = compat_cases.cases()
# The library's permutation test takes about a second for a column.
METHODS = [None, *(pytest.param(m, marks=pytest.mark.slow) if m == "TVD" else m for m in evidently.METHODS)]
# Evidently divides by zero where a category is new, and its scipy tells where an exact p-value gave way to another.
noisy = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::FutureWarning", "ignore::UserWarning")


def theirs(case: Case, method: str | None) -> tuple[str, Any]:
    """Return the name of the test that Evidently takes and what it says, its own cleaning done."""
    from evidently.legacy.calculations.stattests import get_stattest  # slow, and every worker collects this file
    from evidently.legacy.core import ColumnType

    kind = {FeatureKind.NUMERIC: ColumnType.Numerical, FeatureKind.CATEGORICAL: ColumnType.Categorical}[case.kind]
    sides = [pd.Series(side).replace([-np.inf, np.inf], np.nan).dropna() for side in (case.reference, case.current)]
    test = get_stattest(*sides, kind, method)
    return test.name, test(*(side.copy() for side in sides), kind, None)


def test_the_version_is_the_installed_one() -> None:
    """The module names the version that it is held against."""
    assert metadata.version("evidently") == evidently.VERSION


@noisy
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_every_number_is_the_librarys(name: str, method: str | None) -> None:
    """Value, threshold and verdict are equal for each method that is for the column, and for the automatic choice."""
    case = CASES[name]
    if method and case.kind not in evidently.METHODS[method].kinds:
        with pytest.raises(ValueError, match="isn't applicable"):
            theirs(case, method)
        return
    expected_name, expected = theirs(case, method)

    found = evidently.compare(case.reference, case.current, case.kind, method=method)

    assert (expected_name, bool(expected.drifted)) == (found.method, found.drifted)
    assert expected.actual_threshold == found.threshold
    assert pytest.approx(expected.drift_score, rel=1e-9, abs=1e-15, nan_ok=True) == found.value


@pytest.mark.slow
@noisy
@pytest.mark.parametrize("seed", range(6))
def test_ties_of_the_permutation_test_fall_as_the_librarys_do(seed: int) -> None:
    """With few values most permutations tie with the observed distance, and the p-value is still the same."""
    rng = np.random.default_rng(seed)
    k, n = 3 + seed, 40 + 10 * seed
    case = compat_cases.categories(
        rng.choice([f"v{i}" for i in range(k)], n), rng.choice([f"v{i}" for i in range(k)], n)
    )

    found = evidently.compare(case.reference, case.current, case.kind, method="TVD").value

    assert theirs(case, "TVD")[1].drift_score == found
    assert 0 < found < 1


@noisy
def test_a_report_says_the_same() -> None:
    """The public way, a report over a table with missing and infinite values, gives the same methods and values."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = ["normal", "few numbers", "missing", "categories", "new category", "two categories"]
    frames = []
    for side in ("reference", "current"):
        columns = {name: pd.Series(getattr(CASES[name], side)) for name in names}
        columns["normal"] = columns["normal"].replace(columns["normal"][3], np.inf)
        frames.append(pd.DataFrame(columns))
    kinds = {kind: [n for n in names if CASES[n].kind is kind] for kind in FeatureKind}
    definition = DataDefinition(
        numerical_columns=kinds[FeatureKind.NUMERIC], categorical_columns=kinds[FeatureKind.CATEGORICAL]
    )
    then, now = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
    report = Report([DataDriftPreset()]).run(now, then).dict()
    expected = {m["config"]["column"]: m["value"] for m in report["metrics"] if "column" in m["config"]}

    found = {n: evidently.compare(frames[0][n].to_numpy(), frames[1][n].to_numpy(), CASES[n].kind) for n in names}

    assert set(names) == set(expected)
    assert {n: pytest.approx(float(v), rel=1e-9) for n, v in expected.items()} == {n: f.value for n, f in found.items()}


def test_an_own_threshold_counts() -> None:
    """A threshold that is given stands in for the default, distances reaching it and p-values below it being drift."""
    case = CASES["normal"]

    def verdict(method: str, threshold: float) -> bool | None:
        return evidently.compare(case.reference, case.current, case.kind, method=method, threshold=threshold).drifted

    value = evidently.compare(case.reference, case.current, case.kind, method="psi").value
    assert [True, True, False] == [verdict("psi", t) for t in (0.0, value, np.nextafter(value, 1))]
    assert [False, True] == [verdict("ks", t) for t in (0.0, 1.0)]


@pytest.mark.parametrize("empty", ["reference", "current"])
def test_an_empty_side_is_refused(empty: str) -> None:
    """A column whose values are all missing or infinite has no number, as Evidently refuses it."""
    sides = {"reference": np.array([1.0, 2.0]), "current": np.array([1.0, 2.0]), empty: np.array([np.nan, np.inf])}

    with pytest.raises(NotEnoughData, match="a side without values"):
        evidently.compare(sides["reference"], sides["current"], FeatureKind.NUMERIC)


@noisy
def test_integers_keep_their_own_bins() -> None:
    """On integers numpy lays no bin narrower than 1, and so neither do we: the answer is the library's again."""
    rng = np.random.default_rng(1)
    case = Case(FeatureKind.NUMERIC, rng.integers(0, 3, 400), rng.integers(0, 3, 300))
    floats = case.reference.astype(float), case.current.astype(float)

    found = evidently.hellinger(case.reference, case.current, case.kind)

    assert pytest.approx(theirs(case, "hellinger")[1].drift_score, rel=1e-9) == found
    assert found != evidently.hellinger(*floats, case.kind)


LABELS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=60).map(lambda v: np.array(v, object))
NUMBERS = st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=60).map(np.array)


def number(value: float) -> float:
    """Return *value*, or 0 for the nan that rounding makes of js where sides are as good as equal."""
    return 0.0 if np.isnan(value) else value


@given(LABELS, LABELS)
def test_distances_of_categories_keep_their_promises(p: np.ndarray, q: np.ndarray) -> None:
    """They are symmetric, within their bounds, and 0 for equal sides; psi has no upper bound."""
    for method, most in (("psi", np.inf), ("jensenshannon", np.sqrt(np.log(2))), ("hellinger", 1.0)):
        there, back, same = (
            number(evidently.compare(*sides, FeatureKind.CATEGORICAL, method=method).value)
            for sides in ((p, q), (q, p), (p, p))
        )
        assert pytest.approx(back, abs=1e-9) == there
        assert 0 <= there <= most + 1e-9
        assert pytest.approx(0, abs=1e-7) == same


@given(NUMBERS, NUMBERS, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(p: np.ndarray, q: np.ndarray, random: Any) -> None:
    """Shuffled sides give the same value by every method but the permutation test, whose splits are fixed."""
    mixed = [np.array(random.sample(side.tolist(), len(side))) for side in (p, q)]
    for method in evidently.METHODS.keys() - {"TVD"}:
        first, again = (
            number(evidently.compare(*sides, FeatureKind.NUMERIC, method=method).value) for sides in ((p, q), mixed)
        )
        assert pytest.approx(first, rel=1e-9, abs=1e-7) == again


@given(LABELS, LABELS)
def test_p_values_are_shares(p: np.ndarray, q: np.ndarray) -> None:
    """Each test's p-value lies between 0 and 1; one category in common and no other is no news at all."""
    for method in ("chisquare", "z"):
        value = evidently.compare(p, q, FeatureKind.CATEGORICAL, method=method).value
        assert 0 <= value <= 1 or (np.isnan(value) and set(p) == set(q) and len(set(p)) == 1)
