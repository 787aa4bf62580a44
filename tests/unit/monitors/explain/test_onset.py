"""The onset of a drift, and whether the false-alarm guarantee covers it by the evidence of that time."""

from __future__ import annotations

from typing import Any

import pytest

from monitors.explain.onset import Onset, evidence_by_group, guarantee, onsets, pooled_evidence
from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from tests.support.incident_world import DAY, START, A, finding, inputs, number, report, steady

COUNTS = inputs(number(100, 100))
X = (Stage.INPUTS, "", Signal.FEATURE, "x")


def day(n: int, drift: bool, segment: str = "", **said: Any) -> Report:
    """Return the report of day *n* on the feature x."""
    return report(COUNTS, finding("x", **said) if drift else steady("x"), day=n, segment=segment)


def test_a_drift_began_after_the_last_window_without_it() -> None:
    """What ended in between has begun anew; the evidence is that of the first window of it."""
    days = [day(1, False), day(2, True), day(3, False), day(4, True, evidence=460), day(5, True)]

    assert {X: Onset(START + 4 * DAY, days[3].findings[0], 460.0)} == onsets(days)


def test_what_is_over_has_no_alarm() -> None:
    """Only what drifts in the newest window is asked about."""
    assert {} == onsets([day(1, False), day(2, True), day(3, False)])


def test_a_drift_that_was_there_from_the_start_began_before() -> None:
    """Nobody can say when, unless the evidence is in the very first window."""
    assert {} == onsets([day(1, True), day(2, True)])
    assert START + DAY == onsets([day(1, True, evidence=450), day(2, True)])[X].end


def test_segments_are_told_apart() -> None:
    """Each has its own first window."""
    days = [day(1, False), day(1, False, A), day(2, True), day(2, False, A), day(3, True), day(3, True, A)]
    found = onsets(days)

    assert [START + 2 * DAY, START + 3 * DAY] == [found[X].end, found[Stage.INPUTS, A, Signal.FEATURE, "x"].end]


def test_evidence_is_shared_by_what_has_to_reach_the_same() -> None:
    """Variables that are watched on longer slices have a sum of their own; other signals do not count."""
    window = report(
        COUNTS,
        finding("x", evidence=400),
        steady("y", evidence=60),
        finding("site", evidence=7, evidence_required=225.0),
        finding("prediction", signal=Signal.PREDICTION, evidence=9),
        finding("z", evidence=None, evidence_required=None),
    )

    assert {450.0: 460.0, 225.0: 7.0} == evidence_by_group(window, Signal.FEATURE)
    assert {450.0: 9.0} == evidence_by_group(window, "prediction")
    assert (460.0, 7.0, None) == (
        pooled_evidence(window, window.findings[0]),
        pooled_evidence(window, window.findings[2]),
        pooled_evidence(window, window.findings[4]),
    )


@pytest.mark.parametrize(
    ("evidence", "rests"), [(None, False), (0.0, False), (449.0, False), (449.95, True), (450.0, True)]
)
def test_an_alarm_rests_on_evidence_that_reached_what_was_asked(evidence: float | None, rests: bool) -> None:
    """Up to what rounding may have taken."""
    assert rests is Onset(START, finding("x"), evidence).by_evidence


OUTSIDE = finding("x", guaranteed=False, note="drift, outside the false-alarm guarantee (too short): beyond its line")


@pytest.mark.parametrize(
    ("found", "alarm", "said"),
    [
        (
            {},
            Onset(START, finding("x"), 1234.5),
            "inside the guarantee: the evidence reached 1,234, and 450 was required",
        ),
        ({}, None, "inside the guarantee: the drift began before the windows shown here"),
        ({"guaranteed": False}, Onset(START, OUTSIDE, 0.0), f"outside the guarantee: {OUTSIDE.sequential_note}"),
        ({"guaranteed": False}, None, "outside the guarantee: the drift began before the windows shown here"),
        ({"guaranteed": None}, None,
         "outside the guarantee: a verdict on this window alone; no sequential verdict exists"),
        (
            {"guaranteed": None, "signal": Signal.QUALITY}, None,
            "inside the guarantee: faults are judged in single windows, at their share of the false-alarm budget",
        ),
    ],
)  # fmt: skip
def test_whether_the_guarantee_covers_a_drift_is_said_with_its_reason(
    found: dict[str, Any], alarm: Onset | None, said: str
) -> None:
    """By the evidence, by rule, or not at all."""
    assert said == guarantee(finding("x", **found), alarm)


def test_a_drift_without_a_verdict_over_time_gives_its_windows_reason() -> None:
    """Nothing was said over time, so what the window said has to do."""
    told = finding("x", guaranteed=False, note="", verdict=Verdict.DRIFT)

    assert "outside the guarantee: far" == guarantee(told, Onset(START, told, None))
