"""Sequential verdicts: detection, persistence and recovery, the same whenever they are computed."""

from __future__ import annotations

import numpy as np
import pytest

from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Finding, SequentialVerdict, Signal, Stage, Verdict
from monitors.report import Report
from monitors.sequential import monitor
from monitors.verdicts.plan import monitoring_plan
from tests.support.stationary_reports import POLICY, Change, baseline, days, reports, shift


def known(length: int = 1, n: int = 42) -> Baseline:
    """The baseline of *n* quiet days."""
    return baseline(days(np.random.default_rng(1), n), length)


def judged(known: Baseline, n: int, change: Change | None = None, policy: MonitorPolicy = POLICY) -> list[Report]:
    """Return the reports on *n* later days with their verdicts over time."""
    raw = reports(known, days(np.random.default_rng(2), n, change=change), policy)
    return list(monitor.judge_all(monitoring_plan(known, policy, Stage.INPUTS), raw))


def features(report: Report) -> list[SequentialVerdict]:
    """Return the sequential verdicts on the features of *report*."""
    return [f.sequential for f in report.findings if f.signal is Signal.FEATURE and f.sequential]


def of(report: Report, variable: str) -> Finding:
    """Return the drift finding on *variable*."""
    return next(f for f in report.findings if f.variable == variable and f.signal is not Signal.QUALITY)


def test_quiet_days_stay_steady_whatever_single_windows_say() -> None:
    """Five worlds of 73 quiet days each, a year in all, with one false alarm in 100 years put up with: none is raised.

    Windows by themselves go beyond their lines at times. A world has a baseline of its own, as a promise is over those.
    """
    policy = MonitorPolicy.model_validate({"min_effect": 0.06, "false_alarms": "1 per 100 years"})
    findings = []
    for world in range(5):
        rng = np.random.default_rng([10, world])
        seen = baseline(days(rng, 42))
        told = monitor.judge_all(monitoring_plan(seen, policy, Stage.INPUTS), reports(seen, days(rng, 73), policy))
        findings += [f for r in told for f in r.findings]

    assert Verdict.DRIFT not in {f.verdict for f in findings}
    assert Verdict.DRIFT in {f.window_verdict for f in findings}


def test_a_lasting_shift_is_found_within_days_and_kept() -> None:
    """Half a sd in one of three features: drift within 8 days, on that feature alone, from then on without a gap."""
    verdicts = [of(r, "x").verdict for r in judged(known(), 40, shift("x", 0.5))]
    first = verdicts.index(Verdict.DRIFT)

    assert first <= 8
    assert {Verdict.DRIFT} == set(verdicts[first:])


def test_the_others_stay_steady() -> None:
    """The feature that moved is named, and no other."""
    assert {Verdict.STEADY} == {of(r, "z").verdict for r in judged(known(), 40, shift("x", 0.5))}


def test_an_episode_ends_when_the_effect_has_been_back_for_a_whole_window() -> None:
    """A shift of 20 days in windows of 3: drift ends after three windows whose interval reaches below the least."""
    verdicts = [of(r, "x").verdict for r in judged(known(length=3), 60, shift("x", 0.7, until=20))]
    drift = [i for i, v in enumerate(verdicts) if v is Verdict.DRIFT]

    assert list(range(drift[0], drift[-1] + 1)) == drift
    assert 20 <= drift[-1] <= 26


def test_an_effect_too_small_to_matter_is_no_drift_however_sure() -> None:
    """Evidence far beyond what is asked does not make a tenth of the least effect worth telling."""
    policy = MonitorPolicy(min_effect=0.9)
    found = [of(r, "x") for r in judged(known(), 40, shift("x", 1.0), policy)]

    assert Verdict.DRIFT not in {f.verdict for f in found}
    assert {0.0} == {f.sequential.evidence for f in found if f.sequential}


def test_the_alarm_can_be_recomputed_from_what_is_told() -> None:
    """On the day of the alarm, the evidence of the signal's findings adds up to what is needed; the day before, not."""
    told = judged(known(), 40, shift("x", 0.5))
    first = next(i for i, r in enumerate(told) if of(r, "x").verdict is Verdict.DRIFT)
    given = [sum(s.evidence or 0 for s in features(r)) for r in told]
    needed = features(told[first])[0].evidence_required

    assert needed is not None
    assert given[first] >= needed > given[first - 1]
    assert needed == pytest.approx(90 / sum(s.budget_share or 0 for s in features(told[0])), 1e-3)


def test_a_faulty_day_is_no_evidence() -> None:
    """A feature that goes missing is a fault for as long as its window holds it, and the detectors do not move."""

    def lost(day: int, rows: dict[str, np.ndarray]) -> None:
        if 5 <= day < 8:
            rows["x"] = np.full_like(rows["x"], np.nan)

    found = judged(known(), 30, lost)
    assert {Verdict.NOT_ENOUGH} == {of(r, "x").verdict for r in found[5:8]}
    assert {Verdict.STEADY} == {of(r, "x").verdict for r in found[8:]}


def test_replayed_from_the_start_it_says_the_same() -> None:
    """Judging is a function of baseline, policy and reports in order; judging judged reports changes nothing."""
    seen = known()
    once = judged(seen, 30, shift("y", 0.6, since=10))
    again = list(monitor.judge_all(monitoring_plan(seen, POLICY, Stage.INPUTS), once))

    assert once == again
    assert list(reports(seen, days(np.random.default_rng(2), 30, change=shift("y", 0.6, since=10)))) == [
        monitor.without_sequential(r) for r in once
    ]


def test_a_short_baseline_promises_nothing_and_says_what_would_do() -> None:
    """With ten days nothing is ranked; a shift that stays is told all the same, outside the promise, and why."""
    found = [of(r, "x") for r in judged(known(n=10), 20, shift("x", 2.0, since=5))]

    assert {False} == {f.guaranteed for f in found}
    assert "the baseline has 10 slices with values of it, and a guarantee needs 20" in found[0].sequential_note
    assert Verdict.DRIFT not in {f.verdict for f in found[:5]}
    assert Verdict.DRIFT is found[-1].verdict
    assert "outside the false-alarm guarantee" in next(f.sequential_note for f in found if f.verdict is Verdict.DRIFT)


def test_slices_of_the_baselines_own_period_are_not_judged_over_time() -> None:
    """They are in the reference already: a report on them is left as it is."""
    seen = known()
    report = next(iter(reports(seen, days(np.random.default_rng(3), 1))))
    early = report.model_copy(update={"window_end": seen.end, "window_start": seen.start})
    watched = monitoring_plan(seen, POLICY, Stage.INPUTS)

    assert early == monitor.judge(watched, monitor.initial_state(watched), early)[1]


def test_a_series_that_remembers_is_ranked_on_merged_slices() -> None:
    """Daily levels that wander (AR .8, most of a row's variance) are merged until the promise can be made."""
    rng, level, wander = np.random.default_rng(4), 0.0, []
    for _ in range(200):
        level = 0.8 * level + rng.normal()
        wander.append(level)
    rows = days(rng, 200, change=lambda day, r: r.update(x=0.3 * r["x"] + wander[day]))
    groups = {v: g for g in monitoring_plan(baseline(rows), POLICY, Stage.INPUTS).groups for v in g.panel.names}

    assert 1 == groups["y"].stride
    assert groups["x"].stride > 1
    assert not any(groups["x"].panel.violations)


def test_a_fault_is_told_on_its_first_day_though_the_window_is_long() -> None:
    """Another unit from day 10 on, in windows of 7 days: the newest slice gives it away, and no drift is told of x."""

    def fahrenheit(day: int, rows: dict[str, np.ndarray]) -> None:
        if day >= 10:
            rows["x"] = rows["x"] * 1.8 + 32

    found = judged(known(length=7), 20, fahrenheit)
    faults = [
        i for i, r in enumerate(found) if any(f.signal is Signal.QUALITY and f.variable == "x" for f in r.findings)
    ]

    assert 10 - 6 == faults[0]
    assert Verdict.DRIFT not in {of(r, "x").verdict for r in found}


def test_a_difference_from_the_first_slices_on_is_told_as_what_it_may_be() -> None:
    """Served on other data than it was trained on: not a drift, as there was no time before it."""

    def told(since: int) -> str:
        return next(
            of(r, "x").sequential_note
            for r in judged(known(), 60, shift("x", 0.9, since))
            if of(r, "x").verdict is Verdict.DRIFT
        )

    assert told(0).startswith("since the first slices of this version (training-serving skew?): drift")
    assert told(30).startswith("drift: evidence")


def test_a_version_that_is_put_back_into_service_begins_anew() -> None:
    """Drift that lasted until it was replaced is none after 20 days without its reports; after 5 days it still is."""
    raw = [*reports(known(length=7), days(np.random.default_rng(2), 60, change=shift("x", 2.0, until=20)), POLICY)]
    plan = monitoring_plan(known(length=7), POLICY, Stage.INPUTS)

    def after(pause: int) -> Verdict:
        replaced = 20 - 6  # windows of 7 days: the first report is on the seventh day
        served = [*raw[:replaced], *raw[replaced + pause :]]
        return of(list(monitor.judge_all(plan, served))[replaced], "x").verdict

    assert (Verdict.DRIFT, Verdict.STEADY) == (after(5), after(20))
