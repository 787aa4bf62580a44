"""Retrain runs: one for each decision, one at a time for each model, with a final end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from features.errors import IllegalMove, NotFound
from registry import operations, outbox, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Action, CheckResult, IncidentState, RetrainRun, RunState
from tests.support import registry_values as make


def start(reg: Registry, decision_id: int) -> RetrainRun:
    """Start a run of a decision."""
    return operations.start_run(reg, decision_id=decision_id, as_of=make.NOW, flow_run="flow", now=make.NOW)


def test_a_run_carries_out_a_decision_to_retrain(reg: Registry) -> None:
    """It is the running one until it ends; no other kind of decision has one."""
    make.champion(reg)
    run = start(reg, make.decide(reg, None).id)
    assert (RunState.RUNNING, make.NOW, "flow") == (run.state, run.as_of, run.flow_run)
    assert run == queries.running(reg, "m")
    with pytest.raises(IllegalMove, match="is to repair_data, not to retrain"):
        start(reg, make.decide(reg, None, Action.REPAIR_DATA).id)
    with pytest.raises(NotFound, match="no decision 99"):
        start(reg, 99)


def test_a_model_has_one_run_at_a_time(reg: Registry) -> None:
    """Of eight starts at the same moment one succeeds."""
    make.champion(reg)
    decisions = [make.decide(reg, None).id for _ in range(8)]

    def attempt(decision_id: int) -> str:
        try:
            return start(reg, decision_id).state.value
        except IllegalMove as refused:
            return refused.message.split(" is ")[-1]

    with ThreadPoolExecutor(8) as pool:
        assert ["running"] + ["still running"] * 7 == sorted(pool.map(attempt, decisions))
    assert 1 == len(queries.runs(reg, "m"))


def test_a_decision_makes_one_run(reg: Registry) -> None:
    """A finished run is not started again: what comes next needs a decision of its own."""
    make.champion(reg)
    decision = make.decide(reg, None)
    run = start(reg, decision.id)
    operations.finish_run(reg, run.id, state=RunState.FAILED, reason="the trainer raised", now=make.NOW)
    with pytest.raises(IllegalMove, match=r"carried out by run 1 \(failed\)"):
        start(reg, decision.id)
    assert RunState.RUNNING is start(reg, make.decide(reg, None).id).state


@pytest.mark.parametrize("state", [RunState.REJECTED, RunState.FAILED])
def test_a_run_that_promotes_nothing_frees_its_incident(reg: Registry, state: RunState) -> None:
    """Candidates are rejected, the incident is closed, not resolved; the next drifted window opens a new one."""
    make.champion(reg)
    for name in ("v2", "v3", "v4"):
        make.ready(reg, name)
    run = make.run(reg, make.check(CheckResult.HOLD, version="v3"))
    operations.set_challenger(reg, run.id, "v2", now=make.NOW)
    done = operations.finish_run(reg, run.id, state=state, reason="no better", now=make.NOW)  # type: ignore[arg-type]
    assert (state, "no better", make.NOW) == (done.state, done.reason, done.finished_at)
    states = {v.version: v.state.value for v in queries.versions(reg, "m")}
    assert {"v1": "champion", "v2": "rejected", "v3": "rejected", "v4": "candidate"} == states
    (incident,) = queries.incidents(reg)
    assert (IncidentState.RESOLVED, f"retrain {state.value}: no better") == (incident.state, incident.resolution)
    told = {m.type: m.data["incident"]["state"] for m in outbox.messages(reg) if "incident" in m.data}
    assert ("closed", "closed") == (incident.displayed_state, told["incident.closed"])
    assert "incident.resolved" not in told
    assert f"retrain.{state.value}" == outbox.messages(reg)[-1].type
    assert 1 == len(ingest.ingest(reg, [make.window(2)], now=make.NOW).opened)


def test_the_end_of_a_run_is_final(reg: Registry) -> None:
    """Nothing can be added to a finished run, and it cannot end twice."""
    make.champion(reg)
    make.ready(reg, "v2")
    run = make.run(reg)
    operations.finish_run(reg, run.id, state=RunState.REJECTED, reason="no better", now=make.NOW)
    before = make.everything(reg)
    for late in (
        lambda: operations.finish_run(reg, run.id, state=RunState.FAILED, reason="", now=make.NOW),
        lambda: operations.record_checks(reg, run.id, [make.check()], now=make.NOW),
        lambda: operations.set_challenger(reg, run.id, "v2", now=make.NOW),
        lambda: make.promote(reg, "v2", 1, run_id=run.id),
    ):
        with pytest.raises(IllegalMove, match=r"is rejected already|cannot become"):
            late()
    assert before == make.everything(reg)
    assert queries.running(reg, "m") is None


def test_a_challenger_is_a_registered_version(reg: Registry) -> None:
    """An unknown one is refused."""
    make.champion(reg)
    run = make.run(reg)
    with pytest.raises(NotFound, match="no version v2"):
        operations.set_challenger(reg, run.id, "v2", now=make.NOW)
    make.ready(reg, "v2")
    assert "v2" == operations.set_challenger(reg, run.id, "v2", now=make.NOW).challenger


def test_a_check_is_never_overwritten(reg: Registry) -> None:
    """Recording the same again is no change; another result under the same name is refused."""
    make.champion(reg)
    run = make.run(reg, make.check(), make.check(CheckResult.HOLD, name="rows"))
    assert [make.check(), make.check(CheckResult.HOLD, name="rows")] == queries.checks(reg, run.id)
    before = make.everything(reg)
    operations.record_checks(reg, run.id, [make.check()], now=make.NOW)
    with pytest.raises(IllegalMove, match="recorded already"):
        operations.record_checks(reg, run.id, [make.check(CheckResult.FAIL)], now=make.NOW)
    assert before == make.everything(reg)


def test_an_unknown_run_is_refused(reg: Registry) -> None:
    """The error is in the registry's words."""
    with pytest.raises(NotFound, match="no run 7"):
        operations.record_checks(reg, 7, [], now=make.NOW)
