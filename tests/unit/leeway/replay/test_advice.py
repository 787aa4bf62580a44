"""Recommendations of a replay: the policy, undetected changes, a broken guarantee, and what would improve it."""

from __future__ import annotations

from datetime import timedelta

from features.window import Windows
from leeway.replay import advice
from leeway.replay.parallel import WatchedSignal
from leeway.replay.policies import Policy, Rules
from leeway.replay.run_replay import PolicyOutcome
from leeway.replay.trials import DetectionDelay, FalseAlarmRate
from monitors.config import MonitorPolicy
from monitors.finding import Signal
from monitors.simulation.inject import ChangeKind, InjectedChange
from registry.config import IncidentPolicy
from retrain_flows.config import Signals

DAY = timedelta(days=1)
SMALL, LARGE, FAULT = (
    InjectedChange(ChangeKind.COVARIATE, 0.25),
    InjectedChange(ChangeKind.COVARIATE, 1.0),
    InjectedChange(ChangeKind.STUCK, 1.0),
)


def outcome(
    name: str,
    budget: str = "1 per 90 days",
    size: int = 7,
    *,
    alarms: int = 0,
    doubts: tuple[str, ...] = (),
    **days: int,
) -> PolicyOutcome:
    """Return what came of a policy: the delay of each shift in days, 0 where most trials did not find it."""
    rules = Rules(
        windows=Windows(size=size * DAY, slide=DAY), monitor=MonitorPolicy.model_validate({"false_alarms": budget}),
        incidents=IncidentPolicy(), signals=Signals(),
    )  # fmt: skip
    shifts = {"small": SMALL, "large": LARGE, "fault": FAULT}
    delays = {shifts[k]: DetectionDelay((n * DAY,) * 3, 3) if n else DetectionDelay((), 3) for k, n in days.items()}
    watched = tuple(WatchedSignal(Signal.FEATURE, f"x{i}", doubt) for i, doubt in enumerate(doubts))
    return PolicyOutcome(Policy(name, rules), FalseAlarmRate(alarms, 300 * DAY), (), delays, watched)


def said(*found: PolicyOutcome, slices: int = 500, within: int = 14) -> list[str]:
    """Return the suggestion."""
    return advice.advice(found, within * DAY, slices=slices)


def test_the_smallest_window_then_the_strictest_budget() -> None:
    """Of the policies that find all that any finds in time."""
    late = outcome("a", size=1, small=40, large=20)
    wide = outcome("b", "1 per 900 days", size=14, small=40, large=3)
    loose = outcome("c", "1 per 9 days", size=7, small=20, large=3)
    strict = outcome("d", "1 per 300 days", size=7, small=30, large=5)
    first, *_ = said(late, wide, loose, strict)

    assert first == (
        "Recommended: `d`, windows of 7d and 1 per 300d. It detects every change that any policy detects within 14d, "
        "as `b` and `c` do; it has the smallest windows, then the strictest budget."
    )


def test_where_no_policy_finds_all_the_one_that_finds_most() -> None:
    """One finds two of three changes, and says so."""
    first, *_ = said(outcome("a", small=20, large=3, fault=1), outcome("b", small=9, large=30, fault=0))

    assert "Recommended: `a`, windows of 7d and 1 per 90d. It detects the most changes (2) within 14d." == first


def test_what_nobody_finds_in_time_is_told_with_the_soonest() -> None:
    """Or alone, if most trials never do."""
    found = said(outcome("a", small=40, large=0), outcome("b", small=20, large=0))

    assert ["Not detected within 14d by any policy: covariate, 0.25 sd (`b` takes 20d); covariate, 1 sd."] == found


def test_a_promise_that_broke_is_told() -> None:
    """Only where chance does not explain it: 2 where 1.7 are promised are no news, 30 are."""
    assert [] == said(outcome("a", "1 per 180 days", alarms=2))
    (told,) = said(outcome("a", "1 per 180 days", alarms=30))
    assert told.startswith("`a` raised 3.00 false alarms a month where 0.17 are guaranteed")


def test_doubts_are_told_once_with_what_a_longer_baseline_would_bring() -> None:
    """Variables of the same doubt together; the next stride that is tried, and how many slices it takes."""
    found = said(outcome("a", doubts=("it wobbles", "", "it wobbles", "it is short")), slices=59)

    assert found == [
        "x0 and x2 are outside the guarantee: it wobbles.",
        "x3 is outside the guarantee: it is short.",
        "With a baseline of 60 slices in place of 59 their slices could be ranked 3 merged into one, which may bring "
        "them into the guarantee.",
    ]
    assert (
        "With a baseline of 20 slices in place of 9 their slices could be ranked, which"
        in said(outcome("a", doubts=("short",)), slices=9)[-1]
    )
    assert 1 == len(said(outcome("a", doubts=("it wobbles",)), slices=20 * 168))
