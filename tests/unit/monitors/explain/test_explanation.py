"""Window explanations: what drifted and how, mix shift or change within, in which segments, ordered."""

from __future__ import annotations

import random

import numpy as np
import pytest

from monitors.config import MonitorPolicy
from monitors.explain.bin_changes import BinChange, BinChanges
from monitors.explain.explanation import (
    SegmentEffect,
    SegmentStatus,
    WindowExplanation,
    explain_window,
    verdict_of,
    with_onsets,
)
from monitors.explain.mix_shift import MixShift, mix_shift_text
from monitors.explain.onset import Onset, onsets
from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report, digest
from monitors.sequential import monitor
from monitors.verdicts.plan import monitoring_plan
from tests.support import stationary_reports as overtime
from tests.support.incident_world import DAY, START, A, B, baseline, finding, inputs, number, outcomes, report, steady

LOSS = {"signal": Signal.PERFORMANCE, "metric": "loss_increase"}


def all_traffic(*found: str, **x: list[int]) -> list[Report]:
    """Return the reports of one window and its segments, in which the variables *found* drift everywhere."""
    findings = [finding(name) for name in found]
    return [report(inputs(cells), *findings, segment=segment) for segment, cells in (x or SAME).items()]


SAME = {"": number(100, 100), A: number(90, 10), B: number(10, 90)}


def test_one_feature_that_moved_up_in_every_segment() -> None:
    """Its effect with its interval, the part of its range that filled up, and that it is no matter of mix."""
    found = finding("x", 0.343, interval=(0.3, 0.4), window_verdict=Verdict.STEADY)
    window = [
        report(inputs(number(50, 90, over=60)), found),
        report(inputs(number(45, 20, over=35)), steady("x"), segment=A),
        report(inputs(number(5, 70, over=25)), steady("x"), segment=B),
    ]
    told = explain_window(baseline({"x": 0.75, "y": 0.25}), window)
    (moved,) = told.drifted

    assert (START, START + DAY, "late", "v1") == (told.start, told.end, told.model, told.version)
    assert (found, "", Stage.INPUTS) == (moved.finding, moved.segment, moved.stage)
    parts = (BinChange("above its range", 0.0, 0.3), BinChange("[0, 1)", 0.5, 0.25), BinChange("[1, 2)", 0.5, 0.45))
    assert BinChanges("up", parts) == moved.bin_changes
    assert (0.75, 1) == (moved.importance, moved.importance_rank)
    (split,) = moved.splits
    assert ("site", 0.3, 0.0, 0.3) == (split.by, round(split.total, 6), round(split.mix, 6), round(split.within, 6))
    assert (SegmentEffect("", 0.343),) == moved.segments
    assert {} == moved.levels


def test_a_different_mix_alone() -> None:
    """Each segment is as it was, and one of them grew: all of the movement is mix."""
    window = all_traffic("x", **{"": number(50, 150), A: number(45, 5), B: number(15, 135)})
    (moved,) = explain_window(
        baseline(), [window[0], *(r.model_copy(update={"findings": ()}) for r in window[1:])]
    ).drifted

    (split,) = moved.splits
    assert (0.2, 0.2, 0.0) == (round(split.total, 6), round(split.mix, 6), round(split.within, 6))
    assert "a different mix of segments of site: 0.200 in all, 0.200 by mix, 0.000 within" == mix_shift_text(split)


def test_a_drift_inside_segments_is_told_of_the_one_that_moved_most() -> None:
    """Where all traffic is steady: the segments that drifted, the furthest first, and who else was looked at."""
    window = [
        report(inputs(number(100, 100)), steady("x")),
        report(inputs(number(70, 30)), finding("x", 0.2), segment=A),
        report(inputs(number(30, 70)), finding("x", 0.25), segment=B),
        report(inputs(number(1, 0)), segment="site=C", rows=1),
    ]
    told = explain_window(baseline(), window)
    (moved,) = told.drifted

    assert (B, (SegmentEffect(B, 0.25), SegmentEffect(A, 0.2))) == (moved.segment, moved.segments)
    assert ("down", {BinChange("[0, 1)", 0.1, 0.3), BinChange("[1, 2)", 0.9, 0.7)}) == (
        moved.bin_changes.direction, set(moved.bin_changes.parts)
    )  # fmt: skip
    assert () == moved.splits
    away = ((Signal.FEATURE, "x"),)
    assert [("", 200, ()), (A, 200, away), (B, 200, away), ("site=C", 1, ())] == [
        (c.segment, c.rows, c.drifted) for c in told.segments
    ]
    assert SegmentStatus(Stage.INPUTS, "site=C", 1, {}, ()) == told.segments[-1]
    assert {Signal.FEATURE: Verdict.STEADY} == told.segments[0].verdicts


def test_all_traffic_is_told_first_where_it_drifted() -> None:
    """Even if a segment went further."""
    window = [
        report(inputs(number(90, 110)), finding("x", 0.2)),
        report(inputs(number(10, 90)), finding("x", 0.6), segment=A),
    ]
    (moved,) = explain_window(baseline(), window).drifted

    assert ("", (SegmentEffect("", 0.2), SegmentEffect(A, 0.6))) == (moved.segment, moved.segments)


def test_what_matters_most_comes_first() -> None:
    """Faults, the model, then its inputs by importance times effect: a far shift of what hardly matters comes last."""
    window = report(
        inputs(number(100, 100)), finding("x", 0.5), finding("y", 0.2), finding("site", 0.9),
        finding("prediction", 0.1, signal=Signal.PREDICTION), finding("y", 0.1, signal=Signal.QUALITY),
    )  # fmt: skip
    lost = report(outcomes(100, 200), finding("loss", 0.1, **LOSS), stage=Stage.OUTCOMES)
    told = explain_window(baseline({"y": 0.8, "x": 0.2, "site": 0.0}), [window, lost])

    expected = ["y", "loss", "prediction", "y", "x", "site"]
    assert expected == [m.finding.variable for m in told.drifted]
    assert [None, None, None, 1, 2, 3] == [m.importance_rank for m in told.drifted]
    assert ["loss"] == [m.finding.variable for m in told.of(Signal.PERFORMANCE)]
    assert [n for n in expected if n != "loss"] == [m.finding.variable for m in told.beside("performance")]


def test_without_importance_the_largest_effect_comes_first() -> None:
    """Nobody knows what matters, so nothing is said about it."""
    told = explain_window(baseline(), [report(inputs(number(100, 100)), finding("x", 0.2), finding("y", 0.4))])

    assert [("y", None, None), ("x", None, None)] == [
        (m.finding.variable, m.importance, m.importance_rank) for m in told.drifted
    ]


def test_a_worse_model_is_told_in_its_metrics_and_by_segment() -> None:
    """A loss that rose because more rows come from where it always was high is a matter of mix."""
    metrics = {"auc": 0.6, "baseline_auc": 0.7, "coverage": 1.0, "baseline_coverage": 1.0, "auc_error": 0.1,
               "baseline_auc_error": 0.1, "psi": 1.0}  # fmt: skip
    window = [
        report(outcomes(100, 200), finding("loss", 0.25, metrics=metrics, **LOSS), stage=Stage.OUTCOMES),
        report(outcomes(10, 50), segment=A, stage=Stage.OUTCOMES),
        report(outcomes(90, 150), segment=B, stage=Stage.OUTCOMES),
        report(inputs(number(100, 100)), segment=A),
    ]
    (moved,) = explain_window(baseline(), window).drifted

    assert {"auc": (0.7, 0.6)} == moved.levels
    assert BinChanges("", ()) == moved.bin_changes
    (split,) = moved.splits
    assert (0.1, 0.1, 0.0) == (round(split.total, 6), round(split.mix, 6), round(split.within, 6))


def test_losses_may_be_larger_than_one() -> None:
    """The split of a mean loss is in its own units: from .4 to 3.4, all of it within segments."""
    window = [
        report(outcomes(loss, rows), *found, segment=segment, stage=Stage.OUTCOMES)
        for segment, loss, rows, found in (
            ("", 680, 200, [finding("loss", 7.5, **LOSS)]), (A, 320, 100, []), (B, 360, 100, []),
        )
    ]  # fmt: skip
    ((split,),) = (m.splits for m in explain_window(baseline(), window).drifted)

    assert (3.0, 0.0, 3.0) == (round(split.total, 6), round(split.mix, 6), round(split.within, 6))


def test_without_segments_nothing_is_split() -> None:
    """Neither a loss nor a feature, whether the window has no segments or the baseline knows none."""
    found = [finding("loss", **LOSS)]
    lost = [report(outcomes(100, 200), *found if not s else (), segment=s, stage=Stage.OUTCOMES) for s in ("", A, B)]
    bare = baseline(outcomes=(), inputs=())

    assert [()] == [m.splits for m in explain_window(baseline(), lost[:1]).drifted]
    assert [()] == [m.splits for m in explain_window(bare, lost).drifted]
    assert [()] == [m.splits for m in explain_window(baseline(), all_traffic("x")[:1]).drifted]
    assert [()] == [m.splits for m in explain_window(bare, all_traffic("x")).drifted]


def test_a_fault_is_told_by_the_cells_that_filled_up() -> None:
    """No direction and no mix: whether the good values lie higher now is no news."""
    fault = finding(
        "x",
        0.5,
        signal=Signal.QUALITY,
        metric="missing_share",
        budget_share=None,
        guaranteed=None,
        evidence_required=None,
    )
    (moved,) = explain_window(
        baseline(), [report(inputs(number(50, 50, missing=100)), fault), *all_traffic()[1:]]
    ).drifted

    assert ("", BinChange("missing", 0.0, 0.5)) == (moved.bin_changes.direction, moved.bin_changes.parts[0])
    assert () == moved.splits


@pytest.mark.parametrize(
    ("signal", "by", "expected"),
    [
        (Signal.FEATURE, True, 0.07),
        (Signal.PERFORMANCE, True, 0.04),
        (Signal.QUALITY, True, None),
        (Signal.FEATURE, False, None),
    ],
)
def test_the_smallest_effect_is_told_where_the_policy_is_the_one_that_judged(
    signal: Signal, by: bool, expected: float | None
) -> None:
    """A policy that was changed since says nothing about an old verdict."""
    policy = MonitorPolicy(min_effect=0.07, min_loss_increase=0.04)
    window = report(inputs(number(100, 100)), finding("x", signal=signal), policy=digest(policy) if by else "another")
    told = explain_window(baseline(), [window], policy)

    assert [expected] == [m.min_effect for m in told.drifted]
    assert [None] == [m.min_effect for m in explain_window(baseline(), [window]).drifted]


def test_what_the_baseline_does_not_know_is_told_without_its_movement() -> None:
    """A segment that it has never seen, or a variable without bins."""
    window = report(inputs(number(1, 9)), finding("x"), finding("*", signal=Signal.QUALITY), segment="site=C")

    assert [BinChanges("", ())] * 2 == [m.bin_changes for m in explain_window(baseline(), [window]).drifted]


@pytest.mark.parametrize(("signal", "is_spread"), [(Signal.FEATURE, True), (Signal.QUALITY, False)])
def test_drift_without_a_large_cell_is_spread_out_and_a_fault_is_not(signal: Signal, is_spread: bool) -> None:
    """What a fault is about is not where good values lie."""
    window = report(inputs(number(101, 99)), finding("x", signal=signal))

    assert [BinChanges("", (), is_spread)] == [m.bin_changes for m in explain_window(baseline(), [window]).drifted]


def test_the_order_of_reports_does_not_matter() -> None:
    """They come as they were stored."""
    window = [
        *all_traffic("x", "y", "site"),
        *(report(outcomes(100, 200), finding("loss", **LOSS), segment=s, stage=Stage.OUTCOMES) for s in (A, "", B)),
    ]
    shuffled = random.Random(7).sample(window, len(window))

    assert window != shuffled
    assert explain_window(baseline(), window) == explain_window(baseline(), shuffled)


def test_a_quiet_window_has_nothing_to_tell() -> None:
    """No drift, no line; the segments are there all the same."""
    told = explain_window(baseline(), [report(inputs(number(100, 100)), steady("x"))])

    assert ((), ("",)) == (told.drifted, tuple(c.segment for c in told.segments))


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (MixShift("site", 0.3, 0.3, 0.0), "a different mix of segments of site"),
        (MixShift("site", 0.3, 0.2, 0.1), "both the mix of segments and a shift within them of site"),
        (MixShift("site", 0.3, 0.1, 0.2), "both the mix of segments and a shift within them of site"),
        (MixShift("site", 0.3, 0.0, 0.3), "a shift within segments of site"),
    ],
)
def test_a_split_is_said_in_words(split: MixShift, said: str) -> None:
    """By the mix's part of the movement: above three quarters, below one, between."""
    assert f"{said}: 0.300 in all" == mix_shift_text(split).partition(",")[0]


UNSURE = Verdict.NOT_ENOUGH


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], UNSURE), ([UNSURE], UNSURE), ([UNSURE, Verdict.STEADY], Verdict.STEADY),
        ([Verdict.STEADY, Verdict.DRIFT, UNSURE], Verdict.DRIFT),
    ],
)  # fmt: skip
def test_one_drift_is_drift_and_one_judgement_is_enough(verdicts: list[Verdict], expected: Verdict) -> None:
    """Drift wins; steady needs at least one finding that could be judged."""
    assert expected is verdict_of(finding("x", verdict=v) for v in verdicts)


def test_a_shift_that_surveillance_finds_is_told_with_its_alarm() -> None:
    """From rows to words: half a sd up in one of three features, with the evidence that it took."""
    known = overtime.baseline(overtime.days(np.random.default_rng(1), 42))
    rows = overtime.days(np.random.default_rng(2), 20, change=overtime.shift("x", 0.5))
    judged = list(
        monitor.judge_all(monitoring_plan(known, overtime.POLICY, Stage.INPUTS), overtime.reports(known, rows))
    )
    told: WindowExplanation = with_onsets(explain_window(known, [judged[-1]], overtime.POLICY), onsets(judged))
    (moved,) = told.drifted

    assert ("x", "up") == (moved.finding.variable, moved.bin_changes.direction)
    assert isinstance(moved.onset, Onset)
    assert known.end + DAY <= moved.onset.end <= known.end + 8 * DAY
    assert moved.guarantee.startswith("inside the guarantee: the evidence reached ")
    assert "drift continues" == moved.finding.sequential_note
