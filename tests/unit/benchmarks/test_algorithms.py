"""The page on algorithms: what it says is what they do."""

from __future__ import annotations

import pytest

from benchmarks import algorithms
from benchmarks.algorithm_cases import CASES


@pytest.mark.slow
def test_the_page_is_what_a_new_run_finds() -> None:
    """Else `python -m benchmarks.algorithms --write`, and look at what has changed."""
    assert algorithms.PAGE.read_text() == algorithms.page() + "\n"


def test_what_an_algorithm_can_do_is_tried() -> None:
    """A linear model can do all, a forest learns nothing on the way, a tree of River is fitted by nobody."""
    of = {case.name.rpartition(".")[2]: case for case in CASES if case.name.startswith("sklearn.")}
    assert ("yes",) * 5 == algorithms.measure(of["SGDClassifier"]).cells()
    assert ("yes", "no", "yes", "yes", "") == algorithms.measure(of["RandomForestClassifier"]).cells()
    assert "first batch" == algorithms.measure(of["OneHotEncoder"]).learn
    river = next(case for case in CASES if case.name == "river.tree.HoeffdingTreeClassifier")
    assert ("no", "yes") == algorithms.measure(river).cells()[:2]
