"""Verdicts on derived variables: detected, steady, and withheld where their inputs have a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from features.schema import Task
from features.window import to_ms
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.verdicts import window_verdict
from tests.support import learned_baselines as learned

MULTIVARIATE, ESTIMATE = (Signal.MULTIVARIATE, "multivariate"), (Signal.ESTIMATE, "loss")


def rows(n: int, seed: int, *, together: float = 0.8) -> dict[str, Any]:
    """Return *n* rows of two features that go *together*, a word, and a score that depends on both."""
    rng = np.random.default_rng(seed)
    x, noise, chance = rng.standard_normal(n), rng.standard_normal(n), rng.random(n)
    y = together * x + np.sqrt(1 - together**2) * noise
    score = 1 / (1 + np.exp(-2 * (x + y)))
    word = rng.choice(np.array(["a", "b"], object), n)
    return {"x": x, "y": y, "word": word, "prediction": score, "label": (chance < score).astype(float)}


BASELINE = learned.baseline(
    learned.schema(Task.BINARY, "x", "y", words=("word",), segments=("word",)), rows(10_000, 1)
)  # fmt: skip


def judge(of: dict[str, Any], *, segment: str = "", after: int = 100) -> dict[tuple[Signal, str], Finding]:
    """Return the findings on a window of these rows by signal and variable, *after* days."""
    found = window_verdict.judge(
        BASELINE, learned.POLICY, stage=Stage.INPUTS, segment=segment, window_slices=2,
        start_ms=to_ms(BASELINE.start) + after * learned.DAY, counts=learned.counts(BASELINE, of, segment),
    )  # fmt: skip
    return {(f.signal, f.variable): f for f in found}


def drifted(found: dict[tuple[Signal, str], Finding]) -> set[tuple[Signal, str]]:
    """Return what drifts."""
    return {key for key, f in found.items() if f.verdict is Verdict.DRIFT}


def test_the_same_world_is_steady() -> None:
    """Both are judged, beside what is sent."""
    found = judge(rows(2000, 2))

    assert {Verdict.STEADY} == {f.verdict for f in found.values()}
    assert {MULTIVARIATE, ESTIMATE} < found.keys()


def test_features_that_break_apart_are_found_though_each_is_the_same() -> None:
    """A correlation of .8 goes: no feature has moved, and the scores are less sure, so the loss will rise."""
    found = judge(rows(2000, 3, together=0.0))

    assert {MULTIVARIATE, ESTIMATE} == drifted(found) - {(Signal.PREDICTION, "prediction")}
    assert {Verdict.STEADY} == {found[Signal.FEATURE, name].verdict for name in ("x", "y", "word")}


@pytest.mark.parametrize(("broken", "multivariate"), [("x", Verdict.NOT_ENOUGH), ("prediction", Verdict.DRIFT)])
def test_a_fault_withholds_what_is_made_of_it(broken: str, multivariate: Verdict) -> None:
    """A feature with a fault spoils both; a broken score has no part in how features go together."""
    of = rows(2000, 3, together=0.0)
    spoiled = of[broken].copy()
    spoiled[:1000] = np.nan if broken == "x" else np.inf
    found = judge({**of, broken: spoiled})

    assert Verdict.DRIFT is found[Signal.QUALITY, broken].verdict
    assert multivariate is found[MULTIVARIATE].verdict
    assert (Verdict.NOT_ENOUGH, None) == (found[ESTIMATE].verdict, found[ESTIMATE].effect)
    assert found[ESTIMATE].reason.startswith("not judged for drift because of a data quality fault")


def test_a_segment_is_compared_with_itself() -> None:
    """What the baseline learned of all rows is held against each segment's own slices."""
    found = judge(rows(2000, 4), segment="word=a")
    never = judge(rows(2000, 4), segment="word=z")

    assert (Verdict.STEADY, Verdict.STEADY) == (found[MULTIVARIATE].verdict, found[ESTIMATE].verdict)
    assert found[ESTIMATE].baseline_n == BASELINE.counts(Stage.INPUTS, "score_grid", "word=a").sum()
    reasons = {never[key].reason for key in (MULTIVARIATE, ESTIMATE)}
    assert {"the baseline has no rows of the segment word=z"} == reasons


def test_a_window_inside_the_baseline_says_so() -> None:
    """An estimate of rows that it was learned from is near by necessity."""
    inside, outside = (judge(rows(2000, 5), after=at)[ESTIMATE].reason for at in (5, 100))

    assert inside == outside + "; the window overlaps the baseline's own period"
