"""Retraining decisions: each incident has one that counts, and equal situations the same one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.window import UTC
from monitors.finding import DriftEvidence, Signal
from monitors.profiles.side_channels import ERROR_STREAM
from monitors.signals import Reaction
from registry.records import Action, Incident, IncidentState
from registry.views.loss_precedence import LossPrecedence
from retrain_flows.config import Retrain, Signals
from retrain_flows.decide import Decision, Deferral, Situation, decide
from tests.support.drift_evidence import evidence

DAY = timedelta(days=1)
OPENED = datetime(2013, 3, 1, tzinfo=UTC)
RETRAIN = Retrain(trainer="train:make", min_rows=100, cool_down=14 * DAY, wait=30 * DAY)
READY = Situation(now=OPENED + 2 * DAY, matured_until=OPENED + DAY, matured_rows=100)


def incident(signal: str = "performance", **changes: Any) -> Incident:
    """Return an open incident of *signal*."""
    found = evidence("loss", signal=signal, metric="mean_loss_increase", effect=0.31, threshold=0.18)
    said = {"id": 1, "model": "m", "version": "v1", "state": IncidentState.OPEN, "opened_at": OPENED}
    said |= {"signal": signal, "severity": "info", "since": OPENED, "last_seen": OPENED, "judged_until": OPENED}
    return Incident(**{**said, "windows": 1, "evidence": (found,), **changes})


def ask(signal: str = "performance", situation: Situation = READY, **policy: Any) -> Decision | Deferral:
    """Decide about an incident of *signal*."""
    policy = {"signals": Signals(), "retrain": RETRAIN, **policy}
    return decide(incident(signal), situation=situation, **policy)


def test_drift_that_may_retrain_retrains_when_all_is_ready() -> None:
    """The decision gives the evidence with its numbers, and what there is to train on."""
    expected = Decision(
        Action.RETRAIN,
        (
            "performance drift in 1 window, newest ended 2013-03-01 00:00 UTC",
            "loss in all traffic: effect 0.31 (mean_loss_increase), threshold 0.18",
            "100 rows with labels to train on",
        ),
    )
    assert expected == ask()


def test_drift_that_is_over_is_not_retrained_for() -> None:
    """As many steady windows as end an incident end its wait, too; one window less does not."""
    answers = [
        decide(incident(steady=steady), signals=Signals(), retrain=RETRAIN, situation=READY) for steady in (2, 3)
    ]
    assert [Action.RETRAIN, Action.NOTHING] == [a.action for a in answers if isinstance(a, Decision)]
    assert "no retrain: the drift is over; the newest 3 windows are steady (incidents.clear_after)" == str(
        answers[1].because[-1]
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"trial": OPENED + RETRAIN.wait - DAY},
            "a candidate is on trial in shadow, and the next one is trained from 2013-",
        ),
        (
            {"last_failure": OPENED + RETRAIN.wait - DAY / 2},
            "retrain.retry: the last retrain failed, and the next try is on",
        ),
        ({"running": True}, "a retrain is running"),
        (
            {"last_retrain": READY.now - 14 * DAY + DAY / 24},
            "retrain.cool_down: the next retrain is possible from 2013-",
        ),
        (
            {"matured_until": OPENED - DAY / 24},
            "labels of the window that opened the incident are still due (label_delay)",
        ),
        ({"matured_rows": 99}, "too few rows with labels: 99 of 100 (retrain.min_rows)"),
    ],
)
def test_an_obstacle_defers_until_the_wait_is_over(change: dict[str, Any], reason: str) -> None:
    """The reason is told while waiting and again when the wait is given up, one wait after the opening."""
    last = replace(READY, now=OPENED + RETRAIN.wait - timedelta(seconds=1), **change)
    over = replace(last, now=OPENED + RETRAIN.wait)
    if "last_retrain" in change:
        last, over = (replace(s, last_retrain=s.now - DAY) for s in (last, over))
    early, late = ask(situation=last), ask(situation=over)
    assert isinstance(early, Deferral)
    assert isinstance(late, Decision)
    assert reason in early.because
    assert (Action.WAIT_GIVEN_UP, True) == (late.action, reason in late.because[-1])


def test_the_cool_down_is_over_to_the_second() -> None:
    """A retrain may follow another exactly one cool-down later."""
    decision = ask(situation=replace(READY, last_retrain=READY.now - RETRAIN.cool_down))
    assert isinstance(decision, Decision)
    assert Action.RETRAIN is decision.action


def test_every_obstacle_is_told() -> None:
    """Not only the first one, or the user would remove them one wait at a time."""
    deferral = ask(situation=replace(READY, running=True, trial=READY.now, last_failure=READY.now, matured_rows=0))
    assert isinstance(deferral, Deferral)
    assert 4 == len(deferral.because.split("; "))


@pytest.mark.parametrize("reaction", [Reaction.ALERT, Reaction.IGNORE])
def test_a_signal_that_may_not_retrain_does_nothing(reaction: Reaction) -> None:
    """The reason names the setting."""
    decision = ask("feature", signals=Signals(feature=reaction))
    reason = f"no retrain: signals.feature is {reaction.value} (retrain would allow one)"
    assert isinstance(decision, Decision)
    assert (Action.NOTHING, reason) == (decision.action, decision.because[-1])


@pytest.mark.parametrize("retrain", [None, Retrain(), Retrain(trainer="train:make", mode="online")])
def test_without_a_trainer_nothing_is_done(retrain: Retrain | None) -> None:
    """At once, since waiting would not bring one. A trainer of the other mode is none."""
    decision = ask(retrain=retrain)
    assert isinstance(decision, Decision)
    assert Action.NOTHING is decision.action
    assert "no trainer is configured" in decision.because[-1]


def loss(guaranteed: bool | None) -> DriftEvidence:
    """Return evidence of a window's loss."""
    return evidence("loss", signal=Signal.PERFORMANCE, metric="mean_loss_increase", guaranteed=guaranteed)


@pytest.mark.parametrize(
    ("promised", "outside"),
    [([False], True), ([False, False], True), ([True], False), ([None], False), ([False, True], False),
     ([False, None], False), ([], False)],
)  # fmt: skip
def test_drift_outside_the_guarantee_retrains_only_where_that_is_allowed(
    promised: list[bool | None], outside: bool
) -> None:
    """One finding inside it will do, and one that was not asked is inside. Both the reason and the setting are told."""
    found = incident(evidence=tuple(map(loss, promised)), windows=3)
    both = [Signals(), Signals(outside_promise=Reaction.RETRAIN)]
    strict, free = (decide(found, signals=s, retrain=RETRAIN, situation=READY) for s in both)
    assert isinstance(strict, Decision)
    assert isinstance(free, Decision)
    assert Action.RETRAIN is free.action
    assert outside == ("outside the false-alarm guarantee" in free.because)
    assert (Action.NOTHING if outside else Action.RETRAIN) is strict.action
    assert outside == strict.because[-1].endswith("does not cover this drift (signals.outside_promise: alert)")


@pytest.mark.parametrize(("windows", "retrains"), [(1, False), (2, False), (3, True)])
def test_drift_outside_the_guarantee_must_last(windows: int, retrains: bool) -> None:
    """A single window proves nothing there; the reason counts the windows, and the wait ends like any other."""
    found = incident(evidence=(loss(False),), windows=windows)
    signals = Signals(outside_promise=Reaction.RETRAIN, outside_windows=3)
    answer, late = (decide(found, signals=signals, retrain=RETRAIN, situation=s)
                    for s in (READY, replace(READY, now=OPENED + RETRAIN.wait)))  # fmt: skip
    if retrains:
        assert isinstance(answer, Decision)
        assert Action.RETRAIN is answer.action
    else:
        assert isinstance(answer, Deferral)
        assert isinstance(late, Decision)
        assert "a retrain needs 3 windows of drift (signals.outside_windows)" in answer.because
        assert answer.because.endswith(str(windows))
        assert Action.WAIT_GIVEN_UP is late.action


def test_a_policy_that_suggests_retrains_nothing() -> None:
    """The decision names the command; obstacles are waited for first."""
    suggest = RETRAIN.model_copy(update={"decide": "suggest"})
    decision = ask(retrain=suggest)
    assert isinstance(decision, Decision)
    assert Action.SUGGEST is decision.action
    assert "retrain.decide is suggest: `leeway retrain` starts it" == decision.because[-1]
    assert isinstance(ask(retrain=suggest, situation=replace(READY, running=True)), Deferral)


FAST = evidence(ERROR_STREAM, signal=Signal.PERFORMANCE, threshold=None, guaranteed=False)


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({}, None),
        ({"steady": 6}, None),
        ({"steady": 7}, Action.NOTHING),
        ({"opened_at": READY.now - RETRAIN.wait}, Action.NOTHING),
        ({"evidence": (FAST, loss(True))}, Action.RETRAIN),
        ({"evidence": (FAST, loss(False))}, Action.NOTHING),
    ],
)
def test_single_losses_wait_for_a_window_to_confirm_them(change: dict[str, Any], action: Action | None) -> None:
    """Not for longer than the record is in windows, nor than a retrain may wait: a decision is made once."""
    found = incident(**{"evidence": (FAST,), **change})
    answer = decide(found, signals=Signals(), retrain=RETRAIN, situation=replace(READY, window=7))

    assert action is (answer.action if isinstance(answer, Decision) else None)


@pytest.mark.parametrize("signals", [Signals(performance=Reaction.ALERT), Signals(outside_promise=Reaction.RETRAIN)])
def test_single_losses_do_not_wait_where_windows_would_change_nothing(signals: Signals) -> None:
    """Where performance never retrains, or may do so without a guarantee as soon as drift has lasted."""
    found = incident(evidence=(FAST,), windows=3)
    answer = decide(found, signals=signals, retrain=RETRAIN, situation=replace(READY, window=7))

    assert isinstance(answer, Decision)


def test_the_setting_for_the_promise_is_no_signal() -> None:
    """What is ignored is signals only."""
    signals = Signals(feature=Reaction.IGNORE, quality=Reaction.IGNORE)
    assert frozenset({Signal.FEATURE, Signal.QUALITY}) == signals.ignored


def test_a_quality_fault_is_never_trained_on() -> None:
    """A broken pipeline is not drift: repair the data, however ready everything is."""
    found = evidence("x", signal="quality", metric="null_share", effect=0.4).model_copy(update={"segment": "a=b"})
    nulls = found.model_copy(update={"finding": found.finding.model_copy(update={"reason": "40% are null"})})
    fault = incident("quality", windows=3, evidence=(nulls,))
    decision = decide(fault, signals=Signals(), retrain=RETRAIN, situation=READY)
    assert isinstance(decision, Decision)
    assert Action.REPAIR_DATA is decision.action
    assert "data fault in 3 windows: 40% are null" == decision.because[0]
    assert decision.because[1].startswith("x in a=b: effect 0.4 (null_share)")
    assert "no retrain: the data are faulty; repair them upstream" == decision.because[-1]


_moments = st.integers(-100, 100).map(lambda days: OPENED + days * DAY)
_situations = st.builds(
    Situation, now=_moments, matured_until=_moments, matured_rows=st.integers(0, 1000),
    running=st.booleans(), last_retrain=st.none() | _moments, trial=st.none() | _moments,
    last_failure=st.none() | _moments,
)  # fmt: skip


@settings(deadline=None)  # a busy machine is no failure
@given(st.sampled_from(Signal), _situations)
def test_waiting_always_ends(signal: Signal, situation: Situation) -> None:
    """Whatever stands in the way, one wait after its opening an incident has a decision, and only one."""
    first, again = (ask(signal.value, situation) for _ in range(2))
    assert first == again
    assert isinstance(first, Decision) or situation.now < OPENED + RETRAIN.wait


@settings(deadline=None)  # a busy machine is no failure
@given(_situations)
def test_a_retrain_is_never_started_against_an_obstacle(situation: Situation) -> None:
    """No order of checks lets one slip through."""
    answer = ask(situation=situation)
    if isinstance(answer, Decision) and answer.action is Action.RETRAIN:
        assert not situation.running
        assert situation.matured_rows >= RETRAIN.min_rows
        assert situation.last_retrain is None or situation.now - situation.last_retrain >= RETRAIN.cool_down
        assert situation.trial is None or situation.now - situation.trial >= RETRAIN.evaluation
        assert situation.last_failure is None or situation.now - situation.last_failure >= RETRAIN.retry


def test_a_verdict_over_time_is_told_with_its_evidence() -> None:
    """What the budget asked stands beside the effect, not a line that the window need not have crossed."""
    note = "drift: evidence 903.0 of 720 required for 1 per 90d"
    finding = evidence("loss", metric="loss_increase", effect=0.12, threshold=0.3, note=note)
    told = decide(incident(evidence=(finding,)), signals=Signals(), retrain=RETRAIN, situation=READY)

    assert isinstance(told, Decision)
    assert (
        "loss in all traffic: effect 0.12 (loss_increase); evidence 903.0 of 720 required for 1 per 90d" in told.because
    )


def risen(since: datetime = OPENED, effect: float = 0.8) -> Incident:
    """Return an incident of a loss that has risen by *effect*."""
    found = evidence("loss", signal="performance", metric="mean_loss_increase", effect=effect, threshold=0.18)
    return incident(evidence=(found,), since=since)


def deferred(one: Incident, **situation: Any) -> str:
    """Return why a decision about an incident is deferred; "" if it is not."""
    answer = decide(one, signals=Signals(), retrain=RETRAIN, situation=replace(READY, slide=DAY, **situation))
    return answer.because if isinstance(answer, Deferral) else ""


def test_after_a_large_rise_the_first_candidate_waits_for_rows_of_the_new_kind() -> None:
    """Three slices after it was found; after a small one there is no wait."""
    assert "few rows since the loss rose; a candidate is trained from 2013-03-04 00:00 UTC" == deferred(risen())
    assert "" == deferred(risen(), now=OPENED + 3 * DAY)
    assert "" == deferred(risen(effect=0.4))


def test_a_candidate_on_trial_that_is_older_than_a_large_rise_is_replaced_at_once() -> None:
    """It learned nothing of the new kind; one that was trained after it has its time."""
    now = OPENED + 3 * DAY
    assert "" == deferred(risen(), now=now, trial=OPENED - DAY)
    assert "a candidate is on trial" in deferred(risen(), now=now, trial=OPENED + DAY)
    assert "a candidate is on trial" in deferred(risen(effect=0.4), now=now, trial=OPENED - DAY)


def test_a_candidate_on_trial_is_replaced_where_the_loss_went_on_rising() -> None:
    """Drift that comes little by little leaves a candidate of its first days behind; small changes of loss do not."""
    now, trial = OPENED + 5 * DAY, OPENED + DAY
    assert "" == deferred(risen(), now=now, trial=trial, trial_loss_rise=0.5)
    assert "a candidate is on trial" in deferred(risen(), now=now, trial=trial, trial_loss_rise=0.49)
    assert "a candidate is on trial" in deferred(risen(effect=0.4), now=now, trial=trial, trial_loss_rise=0.5)


def test_the_wait_begins_anew_with_each_retrain() -> None:
    """An incident that was retrained for is not given up the day after, however long it has been open."""
    late = OPENED + RETRAIN.wait + DAY
    assert deferred(incident(), now=late, matured_until=late, tried=late - DAY, trial=late - DAY)
    assert "" == deferred(incident(), now=late, matured_until=late, trial=late - DAY)  # given up: a decision


def test_a_signal_that_rarely_came_with_a_loss_waits_for_labels_if_the_policy_says_so() -> None:
    """Off by default: then the figure is only among the reasons. With few past incidents nothing is known."""
    rare, unknown = LossPrecedence(Signal.LABEL, 12, 0), LossPrecedence(Signal.LABEL, 11, 0)
    waits = Signals(without_loss="wait")
    by_default = ask("label", replace(READY, precedence={Signal.LABEL: rare}))
    waiting = ask("label", replace(READY, precedence={Signal.LABEL: rare}), signals=waits)
    assert isinstance(by_default, Decision)
    assert (Action.RETRAIN, True) == (by_default.action, rare.text in by_default.because)
    assert isinstance(waiting, Deferral)
    assert f"{rare.text}: labels that show a rise (signals.without_loss is wait)" == waiting.because
    for figure in ({Signal.LABEL: unknown}, {}):
        decided = ask("label", replace(READY, precedence=figure), signals=waits)
        assert isinstance(decided, Decision)
        assert Action.RETRAIN is decided.action
    given_up = ask("label", replace(READY, precedence={Signal.LABEL: rare}, now=OPENED + RETRAIN.wait), signals=waits)
    assert isinstance(given_up, Decision)
    assert Action.WAIT_GIVEN_UP is given_up.action
