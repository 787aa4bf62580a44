"""TFDV's statistics equal those of its own compiled core and quantile sketch, in an environment of their own."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest

from features.schema import FeatureKind
from monitors.compat import tfdv
from monitors.compat.column import present
from tests.integration.peers.ask import ask, environment
from tests.support import comparison_columns as compat_cases
from tests.support.comparison_columns import Case, numbers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="TFDV has wheels for x86-64 alone"),
]


def _cases() -> dict[str, Case]:
    """Return the common cases without missing values, which TFDV never sees, and some with nan and infinite ones."""
    shared = {
        name: Case(case.kind, present(case.reference), present(case.current))
        for name, case in compat_cases.cases().items()
    }
    rng = np.random.default_rng(4)
    one, two = rng.normal(size=2000), rng.normal(0.2, 1, 300)
    odd = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}
    return shared | {
        "nan on both sides": numbers([*one, *[np.nan] * 200], [*two, *[np.nan] * 30]),
        "nan with equal borders": numbers([0.0, 1.0, np.nan, 0.5], [0.0, 1.0, 0.2, np.nan]),
        **{f"{name} in the reference": numbers([*one, *[value] * 30], two) for name, value in odd.items()},
        "infinite on both sides": numbers([*one, np.inf, -np.inf, np.inf], [*two, np.inf, -np.inf]),
        "one finite value": numbers([1.0, np.inf, np.inf], [1.0, 2.0]),
        "many equal values": numbers(rng.normal(size=30_000).round(2), rng.normal(0.1, 1, 9000).round(2)),
        "ten rows": numbers(rng.normal(size=30), rng.normal(size=10)),
    }


CASES = _cases()
BEYOND_THE_SKETCH = {"very large reference", "missing, very large"}


@pytest.fixture(scope="session")
def library() -> tuple[str, dict[str, Any]]:
    """Return the library's version and its answers by case, each case asked by every comparator that is for it."""
    questions = [
        {
            "kind": case.kind.value,
            "reference": case.reference.tolist(),
            "current": case.current.tolist(),
            "methods": [name for name, method in tfdv.METHODS.items() if case.kind in method.kinds],
        }
        for case in CASES.values()
    ]
    version, answers = ask(environment("tfdv"), "answer_tfdv.py", questions)
    return version, dict(zip(CASES, answers, strict=True))


def test_the_version_is_the_one_named(library: tuple[str, dict[str, Any]]) -> None:
    """The module says which version it reproduces."""
    assert tfdv.VERSION == library[0]


@pytest.mark.parametrize("name", sorted(CASES.keys() - BEYOND_THE_SKETCH))
def test_every_number_is_the_librarys(library: tuple[str, dict[str, Any]], name: str) -> None:
    """Each comparator measures the same, with values that are infinite or not a number too."""
    case = CASES[name]
    for method, value in library[1][name].items():
        found = tfdv.compare(case.reference, case.current, case.kind, method=method).value

        assert pytest.approx(value, rel=1e-9, abs=1e-12) == found


@pytest.mark.parametrize("name", sorted(BEYOND_THE_SKETCH))
def test_beyond_the_sketch_the_library_is_off_by_little(library: tuple[str, dict[str, Any]], name: str) -> None:
    """More than 5,701 distinct values make TFDV's own quantiles approximate; ours are exact, and close to them."""
    case = CASES[name]

    found = tfdv.compare(case.reference, case.current, FeatureKind.NUMERIC).value

    assert pytest.approx(library[1][name]["jensen_shannon_divergence"], rel=0.01) == found
