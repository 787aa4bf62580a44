"""NannyML's statistics equal those of the library itself, installed in an environment of its own."""

from __future__ import annotations

from typing import Any

import pytest

from monitors.compat import nannyml
from tests.integration.peers.ask import ask, environment
from tests.support import comparison_columns as compat_cases

pytestmark = pytest.mark.slow

CASES = compat_cases.cases()


@pytest.fixture(scope="session")
def library() -> tuple[str, dict[str, Any]]:
    """Return the library's version and its answers by case, each case asked by every method that is for it."""
    questions = [
        {
            "kind": case.kind.value,
            "reference": case.reference.tolist(),
            "current": case.current.tolist(),
            "methods": [name for name, method in nannyml.METHODS.items() if case.kind in method.kinds],
        }
        for case in CASES.values()
    ]
    version, answers = ask(environment("nannyml"), "answer_nannyml.py", questions)
    return version, dict(zip(CASES, answers, strict=True))


def test_the_version_is_the_one_named(library: tuple[str, dict[str, Any]]) -> None:
    """The module says which version it reproduces."""
    assert nannyml.VERSION == library[0]


@pytest.mark.parametrize("name", CASES)
def test_every_number_is_the_librarys(library: tuple[str, dict[str, Any]], name: str) -> None:
    """Value, threshold and verdict are equal by each method, exact and binned, with values missing on either side."""
    case, answers = CASES[name], library[1][name]
    for method, (value, threshold, alert) in answers.items():
        found = nannyml.compare(case.reference, case.current, case.kind, method=method)

        assert pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True) == found.value
        assert (threshold is None) == (found.threshold is None)
        assert threshold is None or pytest.approx(threshold, rel=1e-9, abs=1e-12) == found.threshold
        assert alert == found.drifted
