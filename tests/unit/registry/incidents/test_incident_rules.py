"""Incident rules as a function of windows: golden timelines, and properties of all timelines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from monitors.signals import Severity
from registry.config import IncidentPolicy, OpenAfter
from registry.incidents import incident_rules
from registry.incidents.incident_rules import (
    EpisodeProgress,
    SegmentEvidence,
    SignalVerdict,
    Window,
    earlier_opening,
    episode_progress,
    first_window,
    opening_windows,
)
from registry.incidents.ordering import START, StoredWindow, moments_by_signal
from registry.records import Incident, IncidentState
from tests.support import registry_values as make
from tests.support.drift_evidence import evidence

INPUTS, OUTCOMES = Stage.INPUTS, Stage.OUTCOMES


def day(n: int) -> datetime:
    """Return the end of the window of day *n*."""
    return make.NOW + n * make.DAY


def steps(inputs: str, outcomes: str = "") -> list[SignalVerdict]:
    """Return the steps of two timelines, a character a day from day 1: D drift, S steady, ? not judged."""
    lines = ((INPUTS, inputs), (OUTCOMES, outcomes))
    found = [SignalVerdict(day(i), stage, c == "D") for stage, line in lines for i, c in enumerate(line, 1) if c != "?"]
    return sorted(found)


@pytest.mark.parametrize(
    ("line", "rule", "opens"),
    [
        ("D", (1, 1), [1]),
        ("DS", (1, 1), []),
        ("SD", (2, 3), []),
        ("DSD", (2, 3), [1, 3]),
        ("D??S??D", (2, 3), [1, 7]),
        ("DSSD", (2, 3), []),
        ("DDS", (2, 3), []),
        ("DSDD", (3, 4), [1, 3, 4]),
        ("DD", (3, 4), []),
        ("DDD", (3, 3), [1, 2, 3]),
        ("SSS", (1, 3), []),
        ("", (1, 1), []),
    ],
)
def test_an_episode_opens_when_n_of_m_judged_windows_drift(line: str, rule: tuple[int, int], opens: list[int]) -> None:
    """The newest of them drifts, windows that could not be judged are passed over, and too few windows are too few."""
    found = steps(line)
    new = frozenset(s.window for s in found[-1:])
    assert [day(n) for n in opens] == opening_windows(found, new, OpenAfter(windows=rule[0], of=rule[1]))


@pytest.mark.parametrize(("changed", "opens"), [(1, False), (2, True), (3, True), (4, True)])
def test_what_lies_further_back_opens_nothing(changed: int, opens: bool) -> None:
    """Of S D S D the last three count under 2 of 3: a change of the first window is past."""
    found = opening_windows(steps("SDSD"), {Window(day(changed), INPUTS)}, OpenAfter(windows=2, of=3))
    assert opens == bool(found)


def test_stages_open_apart() -> None:
    """One drift in each stage is not two of one."""
    new = {Window(day(2), INPUTS), Window(day(1), OUTCOMES)}
    assert [] == opening_windows(steps("SD", "D"), new, OpenAfter(windows=2, of=2))
    assert [day(1), day(2)] == opening_windows(
        steps("SD", "DD"), {Window(day(2), OUTCOMES)}, OpenAfter(windows=2, of=2)
    )


@pytest.mark.parametrize(
    ("inputs", "outcomes", "opens"),
    [("SDD", "DSD", [1, 2, 3]), ("SDD", "DD", [1, 2]), ("DD", "SDD", [1, 2]), ("SDD", "DSS", [2, 3])],
)
def test_stages_open_together_or_the_first_one_does(inputs: str, outcomes: str, opens: list[int]) -> None:
    """With the windows of both where they open at one end, as either may come first."""
    found = steps(inputs, outcomes)
    assert [day(n) for n in opens] == opening_windows(found, {s.window for s in found}, OpenAfter(windows=2, of=3))


@pytest.mark.parametrize(
    ("opened", "new", "begun"),
    [
        (3, Window(day(3), OUTCOMES), [1, 3]),
        (3, Window(day(1), OUTCOMES), []),
        (2, Window(day(3), OUTCOMES), []),
        (4, Window(day(4), OUTCOMES), []),
    ],
)
def test_a_live_incident_begins_earlier_where_another_stage_opens_it_too(
    opened: int, new: Window, begun: list[int]
) -> None:
    """By a window of the end that opened it, and by what was there by then: not by other windows, nor by steady ones.

    inputs    . x x x
    outcomes  x . x .
    """
    live = Incident(id=1, model="m", version="v1", signal=Signal.FEATURE, severity=Severity.INFO,
                    state=IncidentState.OPEN, since=day(2), opened_at=day(opened), last_seen=day(4),
                    judged_until=day(4), windows=3, evidence=())  # fmt: skip
    found = earlier_opening(live, steps("SDDD", "DSDS"), {new}, OpenAfter(windows=2, of=3))
    assert [day(n) for n in begun] == found


def test_an_episode_does_not_begin_with_what_was_counted() -> None:
    """Unless all of it was: then with the window that opened it."""
    ends = [day(1), day(3), day(4)]
    counted = [None, day(1), day(2), day(4)]
    assert [day(1), day(3), day(3), day(4)] == [first_window(ends, until) for until in counted]


@pytest.mark.parametrize(
    ("inputs", "outcomes", "windows", "first", "last", "steady", "until"),
    [
        ("D", "", 1, 1, 1, 0, 1),
        ("DSSS", "", 1, 1, 1, 3, 4),
        ("DSDSS", "", 2, 1, 3, 2, 5),
        ("DS?S", "", 1, 1, 1, 2, 4),
        ("SDD", "", 2, 2, 3, 0, 3),
        ("SSSS", "D", 1, 1, 1, 0, 4),
        ("SSSS", "DS", 1, 1, 1, 1, 4),
        ("DSSS", "DS", 1, 1, 1, 1, 4),
        ("DSSS", "SD", 2, 1, 2, 0, 4),
        ("DSSS", "SSSS", 1, 1, 1, 3, 4),
        ("SSS", "S", 0, None, None, 1, 3),
        ("??", "", 0, None, None, 0, None),
    ],
)
def test_the_course_of_an_episode(
    inputs: str, outcomes: str, windows: int, first: int | None, last: int | None, steady: int, until: int | None
) -> None:
    """Every stage that drifted must tell steady by itself; a window that drifts in both stages is one window."""
    ends = [None if n is None else day(n) for n in (first, last, until)]
    assert EpisodeProgress(windows, ends[0], ends[1], steady, ends[2]) == episode_progress(
        steps(inputs, outcomes), day(1)
    )


def test_the_course_begins_where_the_episode_does() -> None:
    """What drifted before it belongs to an earlier one."""
    assert EpisodeProgress(1, day(3), day(3), 1, day(4)) == episode_progress(steps("DDDS"), day(3))


lines = st.text("DS?", max_size=8)


@given(lines, lines)
def test_an_episode_is_steady_or_not(inputs: str, outcomes: str) -> None:
    """Steady windows are counted after the last drift of each stage, so never more than there are days after it."""
    found = episode_progress(steps(inputs, outcomes), day(1))
    lasts = [line.rfind("D") + 1 for line in (inputs, outcomes) if "D" in line]
    assert found.steady <= 8 - min(lasts, default=0)
    assert (found.windows == 0) == (found.last is None) == (found.first is None) == (not lasts)


@given(lines, lines, st.sampled_from([0, 1]))
def test_one_more_drift_ends_the_row_of_its_stage(inputs: str, outcomes: str, stage: int) -> None:
    """Whatever came before, nothing is steady right after drift."""
    longer = [inputs.ljust(8, "?"), outcomes.ljust(8, "?")]
    longer[stage] += "D"
    assert 0 == episode_progress(steps(*longer), day(1)).steady


@given(lines, lines, st.integers(1, 3), st.integers(0, 2))
def test_what_opens_drifts_enough(inputs: str, outcomes: str, windows: int, more: int) -> None:
    """At least N windows that drift in one stage, within its last M that were judged: of all stages that open first."""
    found = steps(inputs, outcomes)
    opened = opening_windows(found, {s.window for s in found}, OpenAfter(windows=windows, of=windows + more))
    lists = [[s for s in found if s.stage == stage][-windows - more :] for stage in (INPUTS, OUTCOMES)]
    every = [[s.end for s in some if s.drift] for some in lists if some and some[-1].drift]
    enough = [ends for ends in every if len(ends) >= windows]
    first = min((ends[-1] for ends in enough), default=None)
    assert opened == sorted({end for ends in enough if ends[-1] == first for end in ends})


def report(*found: tuple[Signal, Verdict]) -> Report:
    """Return a report with these findings."""
    first = make.window(1)
    findings = [make.window(1, verdict, signal=signal).findings[0] for signal, verdict in found]
    return first.model_copy(update={"findings": tuple(findings)})


DRIFT, STEADY, UNSURE = Verdict.DRIFT, Verdict.STEADY, Verdict.NOT_ENOUGH


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ([], {}),
        ([(Signal.FEATURE, UNSURE)], {"feature": "not_enough_evidence"}),
        (
            [(Signal.FEATURE, UNSURE), (Signal.FEATURE, STEADY), (Signal.FEATURE, UNSURE)],
            {"feature": "steady", "quality": "steady"},
        ),
        ([(Signal.FEATURE, STEADY), (Signal.FEATURE, DRIFT)], {"feature": "drift", "quality": "steady"}),
        ([(Signal.LABEL, UNSURE), (Signal.QUALITY, DRIFT)], {"label": "not_enough_evidence", "quality": "drift"}),
        ([(Signal.LABEL, STEADY), (Signal.QUALITY, UNSURE)], {"label": "steady", "quality": "not_enough_evidence"}),
    ],
)
def test_a_report_tells_one_verdict_a_signal(findings: list[tuple[Signal, Verdict]], told: dict[str, str]) -> None:
    """The worst; and where something was judged and nothing said of quality, there was no fault."""
    verdicts = incident_rules.signal_verdicts(report(*findings))
    assert told == {signal.value: verdict.value for signal, verdict in verdicts.items()}


@pytest.mark.parametrize(
    ("effects", "segments", "away", "expected"),
    [
        ([(0.374, 0.125)], 0, 0, "warning"),
        ([(0.1, 0.2), (0.375, 0.125)], 0, 0, "critical"),
        ([(0.3, None), (None, 0.1), (0.3, 0.0)], 0, 0, "warning"),
        ([], 4, 1, "warning"),
        ([], 4, 2, "critical"),
        ([], 1, 1, "warning"),
    ],
)
def test_severity_is_one_level_more_where_it_is_bad(
    effects: list[tuple[float | None, float | None]], segments: int, away: int, expected: str
) -> None:
    """An effect three times its threshold, or half of two or more segments."""
    newest = SegmentEvidence([evidence("x", effect=e, threshold=t) for e, t in effects], segments, away)
    assert Severity(expected) is incident_rules.severity(Severity.WARNING, newest)


def test_nothing_is_worse_than_critical() -> None:
    """However far and wide."""
    assert Severity.CRITICAL is incident_rules.severity(
        Severity.CRITICAL, SegmentEvidence([evidence("x", effect=1, threshold=0.1)], 2, 2)
    )


def test_every_signal_has_a_severity() -> None:
    """A broken pipeline and worse answers are critical, a feature by itself is not."""
    found = {s.value: IncidentPolicy().severity.of(s).value for s in Signal}
    expected = {"quality": "critical", "performance": "critical", "label": "warning", "prediction": "warning",
                "estimate": "warning", "multivariate": "info", "feature": "info"}  # fmt: skip
    assert expected == found


def test_a_rule_that_can_never_be_met_is_refused() -> None:
    """Two of one window: the error shows how it is meant."""
    with pytest.raises(ValidationError, match=r"write it like \{windows: 2, of: 3\}"):
        OpenAfter(windows=2)


def seen(end: int, before: str | None, after: str, *, stage: Stage = INPUTS, segment: str = "") -> StoredWindow:
    """Return a stored window of day *end* with one signal."""
    was = None if before is None else {Signal.FEATURE: Verdict(before)}
    return StoredWindow(Window(day(end), stage), segment, was, {Signal.FEATURE: Verdict(after)})


def test_a_batch_is_told_in_order() -> None:
    """Late windows and revisions of what was known come first, together; then one window end after the other.

    before  1 2 3 4
    batch   x   x   5 6 6
    """
    batch = [seen(6, None, "drift"), seen(3, "steady", "drift"), seen(5, None, "steady"),
             seen(6, None, "steady", segment="a"), seen(1, "drift", "steady", segment="a")]  # fmt: skip
    first, second, third = moments_by_signal(batch, {INPUTS: day(4)})[Signal.FEATURE]
    assert [START, day(5), day(6)] == [first.at, second.at, third.at]
    assert {Window(day(1), INPUTS), Window(day(3), INPUTS)} == first.new
    changes = ["2013-06-02 12:00 inputs (a): drift, now steady", "2013-06-04 12:00 inputs: steady, now drift"]
    assert (changes, (), ()) == ([f.words for f in first.corrections], second.corrections, third.corrections)


def test_a_moment_sees_what_was_known_by_then() -> None:
    """Inputs had come to day 4 and outcomes to day 1: day 2's outcomes are seen beside day 4's inputs, not day 5's."""
    batch = [seen(5, None, "drift"), seen(2, None, "drift", stage=OUTCOMES)]
    early, late = moments_by_signal(batch, {INPUTS: day(4), OUTCOMES: day(1)})[Signal.FEATURE]
    every = steps("SSSSD", "SDS")
    assert [(4, INPUTS), (2, OUTCOMES)] == _newest(early.observation(every).verdicts)
    assert [(5, INPUTS), (3, OUTCOMES)] == _newest(late.observation(every).verdicts)


def _newest(found: Sequence[SignalVerdict]) -> list[tuple[int, str]]:
    newest: dict[str, Any] = {s.stage: (s.end - make.NOW).days for s in found}
    return [(n, stage) for stage, n in sorted(newest.items())]


@pytest.mark.parametrize(("before", "after"), [("drift", "drift"), ("steady", "not_enough_evidence"), (None, "drift")])
def test_only_what_begins_or_ceases_to_drift_is_a_correction(before: str | None, after: str) -> None:
    """Other numbers for the same verdict, and windows that were not there before, are none."""
    (moment,) = moments_by_signal([seen(1, before, after)], {INPUTS: day(1)})[Signal.FEATURE]
    assert () == moment.corrections
