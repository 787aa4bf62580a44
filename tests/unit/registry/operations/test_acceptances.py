"""Acceptance of incidents on each registry: faults that are drift, drift that is a fault, and faults nobody mends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import IllegalMove, NotFound
from monitors.baseline.baseline import Baseline
from monitors.finding import Signal, Verdict
from monitors.report import Report
from registry import acceptances, operations, outbox, queries
from registry.config import IncidentPolicy, LastingFault
from registry.connection import Registry
from registry.faulty_periods import faulty_periods
from registry.incidents import ingest, sequential_verdicts
from registry.incidents.sequential_verdicts import SequentialVerdicts
from registry.records import AcceptedAs, Action, Incident, IncidentState
from tests.support import registry_values as make
from tests.support import stationary_reports as overtime

POLICY = overtime.POLICY
STUCK = {"signal": Signal.QUALITY, "metric": "stuck_share", "metrics": {"fault_stuck": 1.0}}


@pytest.fixture(scope="module")
def known() -> Baseline:
    """The baseline of 30 quiet days."""
    return overtime.baseline(overtime.days(np.random.default_rng(1), 30))


def accept(reg: Registry, incident: int, accepted_as: AcceptedAs, because: str = "a new contract") -> Incident:
    """Accept an incident as Ann does."""
    return operations.accept_incident(
        reg, incident, accepted_as=accepted_as, because=because, actor="ann", now=make.NOW
    )


@pytest.fixture
def fault(reg: Registry) -> Incident:
    """Return an open fault of the champion, of two windows."""
    make.champion(reg)
    return ingest.ingest(reg, [make.window(1, **STUCK), make.window(2, **STUCK)], now=make.NOW).opened[0]


def test_a_fault_that_is_drift_is_resolved_with_the_reason(reg: Registry, fault: Incident) -> None:
    """It blocks nothing any more, has a decision, and the audit log says who said so and why."""
    resolved = accept(reg, fault.id, AcceptedAs.DRIFT)
    assert (IncidentState.RESOLVED, "accepted as drift: a new contract") == (resolved.state, resolved.resolution)
    decision = queries.decision_of(reg, fault.id)
    assert decision is not None
    assert Action.NOTHING is decision.action
    (line,) = [e for e in queries.audit_log(reg) if e.action == "incident.accepted"]
    assert ("ann", "a new contract", ["stuck of x"]) == (line.actor, line.details["because"], line.details["faults"])


def test_its_rows_are_faulty_until_it_is_accepted_as_drift(reg: Registry, fault: Incident) -> None:
    """From the newest slice of the first window with the fault to the end of the last one."""
    (period,) = faulty_periods(reg, "m")
    assert (make.NOW, make.NOW + 2 * make.DAY, ("x",), fault.id) == (
        period.start,
        period.end,
        period.variables,
        period.incident_id,
    )
    accept(reg, fault.id, AcceptedAs.DRIFT)
    assert [] == faulty_periods(reg, "m")
    accept(reg, fault.id, AcceptedAs.FAULT, "it was broken after all")
    assert [period] == faulty_periods(reg, "m")


def test_drift_that_is_a_fault_stays_open_and_bars_its_rows(reg: Registry) -> None:
    """And may be taken back."""
    make.champion(reg)
    (drift,) = ingest.ingest(reg, [make.window(1)], now=make.NOW).opened
    assert [] == faulty_periods(reg, "m")
    assert IncidentState.OPEN is accept(reg, drift.id, AcceptedAs.FAULT).state
    ingest.ingest(reg, [make.window(2)], now=make.NOW)
    (period,) = faulty_periods(reg, "m")
    assert (make.NOW, make.NOW + 2 * make.DAY, ("x",)) == (period.start, period.end, period.variables)
    accept(reg, drift.id, AcceptedAs.DRIFT)
    assert [] == faulty_periods(reg, "m")


def test_what_late_data_corrected_away_has_no_period(reg: Registry, fault: Incident) -> None:
    """Both windows turn out to be steady."""
    steady = [make.window(d, Verdict.STEADY, n=150, **{**STUCK, "metrics": {}}) for d in (1, 2)]
    ingest.ingest(reg, steady, now=make.NOW)
    assert 0 == queries.incident(reg, fault.id).windows
    assert [] == faulty_periods(reg, "m")


def test_a_fault_that_comes_back_has_a_period_each_time(reg: Registry) -> None:
    """The good rows between are not barred: only windows less than a window's length apart are one stretch."""
    make.champion(reg)
    days = {day: Verdict.DRIFT if day in (1, 2, 30) else Verdict.STEADY for day in range(1, 31)}
    (fault,) = ingest.ingest(reg, [make.window(d, v, **STUCK) for d, v in days.items()], now=make.NOW).opened
    first, second = faulty_periods(reg, "m")
    assert (make.NOW, make.NOW + 2 * make.DAY) == (first.start, first.end)
    assert (make.NOW + 29 * make.DAY, make.NOW + 30 * make.DAY) == (second.start, second.end)
    assert {fault.id} == {first.incident_id, second.incident_id}


def test_rows_that_came_are_right_where_others_did_not(reg: Registry) -> None:
    """A fault of the feed bars no rows, unless somebody says so."""
    make.champion(reg)
    feed = {"signal": Signal.QUALITY, "variable": "*", "metric": "rows_ratio"}
    (fault,) = ingest.ingest(reg, [make.window(1, **feed)], now=make.NOW).opened
    assert [] == faulty_periods(reg, "m")
    accept(reg, fault.id, AcceptedAs.FAULT)
    assert [("*",)] == [period.variables for period in faulty_periods(reg, "m")]


def test_an_acceptance_needs_an_incident_and_a_reason(reg: Registry, fault: Incident) -> None:
    """Otherwise nothing is written."""
    before = make.everything(reg)
    with pytest.raises(NotFound, match="no incident 99"):
        accept(reg, 99, AcceptedAs.DRIFT)
    with pytest.raises(IllegalMove, match="a reason is needed"):
        accept(reg, fault.id, AcceptedAs.DRIFT, "  ")
    assert before == make.everything(reg)


# The same fault again


def half_missing(since: int) -> overtime.Change:
    """Return a change: from a day on, half of x is missing, and the rest has moved."""

    def change(day: int, rows: dict[str, np.ndarray]) -> None:
        if day >= since:
            rows["x"] = np.where(np.arange(len(rows["x"])) % 2 == 0, np.nan, rows["x"] + 1)

    return change


@pytest.fixture(scope="module")
def raw(known: Baseline) -> list[Report]:
    """The reports of 12 days, x being half missing from the fifth on."""
    return list(overtime.reports(known, overtime.days(np.random.default_rng(2), 12, change=half_missing(4))))


def put(reg: Registry, reports: list[Report], judges: SequentialVerdicts) -> ingest.Ingested:
    """Ingest *reports*, verdicts over time included."""
    return ingest.ingest(reg, reports, now=make.NOW, judge=judges.judge)


def test_an_accepted_kind_of_fault_is_judged_as_drift_from_then_on(
    watched: Registry, raw: list[Report], known: Baseline
) -> None:
    """No second fault opens; the feature, which was withheld, is judged and drifts; an audit finds nothing amiss."""
    judges = SequentialVerdicts({"m": POLICY})
    (fault,) = put(watched, raw[:6], judges).opened
    assert Signal.QUALITY is fault.signal
    accept(watched, fault.id, AcceptedAs.DRIFT)
    later = put(watched, raw[6:], judges)
    assert {Signal.FEATURE} == {i.signal for i in later.opened}
    newest = Report.model_validate(queries.windows(watched, "m", limit=1)[0].report)
    found = {(f.signal, f.variable): f for f in newest.findings}
    assert Verdict.STEADY is found[Signal.QUALITY, "*"].verdict
    assert found[Signal.FEATURE, "x"].effect is not None
    assert [f.variable for f in raw[-1].findings if f.signal is Signal.FEATURE] == [
        f.variable for f in newest.findings if f.signal is Signal.FEATURE
    ]
    assert ([], len(raw)) == sequential_verdicts.recheck(watched, "m", POLICY)


def test_accepted_as_a_fault_again_the_next_window_opens_one(watched: Registry, raw: list[Report]) -> None:
    """The newest acceptance holds."""
    judges = SequentialVerdicts({"m": POLICY})
    (fault,) = put(watched, raw[:6], judges).opened
    accept(watched, fault.id, AcceptedAs.DRIFT)
    assert not any(i.signal is Signal.QUALITY for i in put(watched, raw[6:8], judges).opened)
    accept(watched, fault.id, AcceptedAs.FAULT)
    assert any(i.signal is Signal.QUALITY for i in put(watched, raw[8:], judges).opened)


def test_another_kind_of_fault_of_the_variable_is_still_one(
    watched: Registry, raw: list[Report], known: Baseline
) -> None:
    """What was accepted is that values are missing, not that x is stuck."""

    def stuck(day: int, rows: dict[str, np.ndarray]) -> None:
        rows["x"] = rows["x"] * 0 + 0.05

    judges = SequentialVerdicts({"m": POLICY})
    (fault,) = put(watched, raw[:6], judges).opened
    accept(watched, fault.id, AcceptedAs.DRIFT)
    other = list(overtime.reports(known, overtime.days(np.random.default_rng(3), 8, change=stuck)))
    (again,) = [i for i in put(watched, other[6:], judges).opened if i.signal is Signal.QUALITY]
    assert {"stuck_share"} == {e.finding.metric for e in again.evidence}


# Faults that nobody mends


def settle(reg: Registry, incident: int, days: float, lasting: LastingFault) -> str:
    """Settle a fault that began on day 1, so many days later; the patience is 14 days."""
    as_of = make.NOW + make.DAY * (1 + days)
    policy = IncidentPolicy(lasting_fault=lasting)
    return operations.settle_lasting_fault(reg, incident, policy, as_of=as_of, now=make.NOW)


def test_a_fault_that_lasts_is_asked_about_once(reg: Registry, fault: Incident) -> None:
    """After two weeks, with the command that answers, as a message; not again, and not once it is answered."""
    assert "" == settle(reg, fault.id, 14, LastingFault.ASK)
    question = settle(reg, fault.id, 15, LastingFault.ASK)
    assert f"leeway incidents accept {fault.id} --as drift" in question
    assert "" == settle(reg, fault.id, 16, LastingFault.ASK)
    (message,) = outbox.messages(reg, "m", type="incident.lasting")
    assert question == message.data["question"]
    assert IncidentState.OPEN is queries.incident(reg, fault.id).state


@pytest.mark.parametrize("lasting", list(LastingFault))
def test_those_who_settle_a_fault_at_the_same_moment_settle_it_once(
    reg: Registry, fault: Incident, lasting: LastingFault
) -> None:
    """Eight threads have seen it unsettled: one asks, or accepts it, and the others write nothing."""
    seen, unsettled = threading.Barrier(8), operations.acceptances._unsettled
    looks = threading.local()

    def look(*args: Any) -> Incident | None:
        found = unsettled(*args)
        if not hasattr(looks, "first"):
            looks.first = found
            seen.wait()
        return found

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(8) as pool:
        patch.setattr(operations.acceptances, "_unsettled", look)
        results = list(pool.map(lambda _: settle(reg, fault.id, 15, lasting), range(8)))
    assert 1 == len([result for result in results if result])
    logged = [e.action for e in queries.audit_log(reg)]
    assert 1 == logged.count("incident.lasting" if lasting is LastingFault.ASK else "incident.accepted")


def test_an_answer_at_the_same_moment_is_not_overruled(
    reg: Registry, fault: Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody confirms the fault between the look and the write: it does not become drift."""
    unsettled = operations.acceptances._unsettled

    def look(*args: Any) -> Incident | None:
        monkeypatch.setattr(operations.acceptances, "_unsettled", unsettled)
        accept(reg, fault.id, AcceptedAs.FAULT)
        return fault

    monkeypatch.setattr(operations.acceptances, "_unsettled", look)
    assert "" == settle(reg, fault.id, 15, LastingFault.DRIFT)
    assert IncidentState.OPEN is queries.incident(reg, fault.id).state


def test_or_becomes_drift_if_the_policy_says_so(reg: Registry, fault: Incident) -> None:
    """With the setting as the reason."""
    assert settle(reg, fault.id, 15, LastingFault.DRIFT).startswith("accepted as drift: it has lasted 14d")
    assert "incidents.fault_patience" in queries.incident(reg, fault.id).resolution


@pytest.mark.parametrize("lasting", list(LastingFault))
def test_a_confirmed_fault_is_left_alone(reg: Registry, fault: Incident, lasting: LastingFault) -> None:
    """Somebody has said already that it is a fault."""
    accept(reg, fault.id, AcceptedAs.FAULT)
    assert "" == settle(reg, fault.id, 99, lasting)


@given(days=st.floats(0, 60), patience=st.floats(0, 60), open_=st.booleans(), signal=st.sampled_from(list(Signal)))
def test_only_open_faults_outlast_a_patience(days: float, patience: float, open_: bool, signal: Signal) -> None:
    """By event time, and by more than the patience."""
    incident = Incident(
        id=1, model="m", version="v1", signal=signal, severity="critical",
        state=IncidentState.OPEN if open_ else IncidentState.RESOLVED, since=make.NOW, opened_at=make.NOW,
        last_seen=make.NOW, judged_until=make.NOW, windows=1, evidence=(),
    )  # fmt: skip
    outlasted = acceptances.fault_outlasted(incident, make.NOW + timedelta(days=days), timedelta(days=patience))
    longer = timedelta(days=days) > timedelta(days=patience)
    assert (open_ and signal is Signal.QUALITY and longer) == outlasted
