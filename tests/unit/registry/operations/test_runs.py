"""Retrain runs: one for each decision, one at a time for each model, with a final end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from features.errors import IllegalMove, NotFound
from registry import operations, outbox, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Action, CheckResult, IncidentState, RetrainRun, RunState
from tests.support import audit_chain
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


def test_a_decision_is_carried_out_once_its_run_has_ended(reg: Registry) -> None:
    """Its run is found by its number, from the begin on; other decisions than to retrain have none to wait for."""
    make.champion(reg)
    first, later = make.decide(reg, None), make.decide(reg, None)
    make.decide(reg, None, Action.REPAIR_DATA)
    assert (None, [first, later]) == (queries.run_of(reg, first.id), queries.not_carried_out(reg, "m"))
    run = start(reg, first.id)
    assert (run, None) == (queries.run_of(reg, first.id), queries.run_of(reg, later.id))
    assert [first, later] == queries.not_carried_out(reg, "m")
    operations.finish_run(reg, run.id, state=RunState.FAILED, reason="the trainer raised", now=make.NOW)
    assert [later] == queries.not_carried_out(reg, "m")


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
def test_a_run_that_promotes_nothing_leaves_its_incident_open(reg: Registry, state: RunState) -> None:
    """Candidates are rejected; the incident goes on with the next drifted window, and its decision may be revised."""
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
    assert (IncidentState.OPEN, "") == (incident.state, incident.resolution)
    assert not {"incident.closed", "incident.resolved"} & {m.type for m in outbox.messages(reg)}
    assert f"retrain.{state.value}" == outbox.messages(reg)[-1].type
    assert 0 == len(ingest.ingest(reg, [make.window(2)], now=make.NOW).opened)
    (first,) = queries.decisions(reg)
    again = operations.record_decision(reg, model="m", incident_id=incident.id, action=Action.RETRAIN, because=["x"],
                                       actor="ann", now=make.NOW, revises=first.id)  # fmt: skip
    assert (2, RunState.RUNNING) == (again.revision, start(reg, again.id).state)


def test_a_held_run_waits_for_labels(reg: Registry) -> None:
    """Its candidate stays one and the others are rejected; it is not the running one, so that another may start."""
    make.champion(reg)
    for name in ("v2", "v3"):
        make.ready(reg, name)
    run = make.run(reg, make.check(CheckResult.HOLD), make.check(CheckResult.FAIL, version="v3"))
    held = operations.hold_run(reg, run.id, challenger="v2", reason="few labels", now=make.NOW)
    assert (RunState.HELD, "v2", "few labels", None) == (held.state, held.challenger, held.reason, held.finished_at)
    assert {"v1": "champion", "v2": "candidate", "v3": "rejected"} == {
        v.version: v.state.value for v in queries.versions(reg, "m")
    }
    assert IncidentState.OPEN is queries.incidents(reg)[0].state
    assert ([held], None) == (queries.unfinished(reg, "m", RunState.HELD), queries.running(reg, "m"))
    assert ("retrain.held", "v2") == (outbox.messages(reg)[-1].type, queries.audit_log(reg)[-2].details["challenger"])
    assert RunState.RUNNING is start(reg, make.decide(reg, None).id).state
    with pytest.raises(NotFound, match="no version v9"):
        operations.hold_run(reg, run.id, challenger="v9", reason="", now=make.NOW)


@pytest.mark.parametrize(
    ("result", "allowed"), [(CheckResult.PASS, True), (CheckResult.HOLD, False), (CheckResult.FAIL, False)]
)
def test_a_held_candidate_is_promoted_by_its_newest_look(reg: Registry, result: CheckResult, *, allowed: bool) -> None:
    """Rows and loss that were on hold are settled by the trial; without a PASS in its newest look nothing is."""
    make.champion(reg)
    make.ready(reg, "v2")
    run = make.run(reg, make.check(CheckResult.HOLD), make.check(CheckResult.HOLD, name="rows"))
    operations.hold_run(reg, run.id, challenger="v2", reason="few labels", now=make.NOW)
    operations.record_look(reg, make.look(CheckResult.HOLD, run_id=run.id))
    operations.record_look(reg, make.look(result, run_id=run.id, number=2))
    if allowed:
        make.promote(reg, "v2", 1, run_id=run.id)
        assert RunState.PROMOTED is queries.run(reg, run.id).state
        return
    with pytest.raises(IllegalMove, match="v2 did not pass loss, rows"):
        make.promote(reg, "v2", 1, run_id=run.id)


@pytest.mark.parametrize("promoted", ["v2", "v3"])
def test_another_champion_ends_held_runs(reg: Registry, promoted: str) -> None:
    """In the promotion's own transaction, also the run of the very version that somebody promotes by hand."""
    make.champion(reg)
    for name in ("v2", "v3"):
        make.ready(reg, name)
    run = make.run(reg, make.check(CheckResult.HOLD))
    operations.hold_run(reg, run.id, challenger="v2", reason="few labels", now=make.NOW)
    make.promote(reg, promoted, 1)
    done = queries.run(reg, run.id)
    why = "v2 became champion before its run had ended" if promoted == "v2" else "another version became champion"
    assert (RunState.REJECTED, f"superseded: {why}", make.NOW) == (done.state, done.reason, done.finished_at)
    states = {v.version: v.state.value for v in queries.versions(reg, "m")}
    assert ("champion", "rejected" if promoted == "v3" else "champion") == (states[promoted], states["v2"])
    assert audit_chain.verify(reg) == []


def test_a_rollback_ends_held_runs(reg: Registry) -> None:
    """They were compared with the version that is taken away."""
    make.champion(reg)
    for name in ("v2", "v3"):
        make.ready(reg, name)
    make.promote(reg, "v2", 1)
    run = start(reg, make.decide(reg, None).id)
    operations.hold_run(reg, run.id, challenger="v3", reason="few labels", now=make.NOW)
    make.rollback(reg, 2)
    assert "superseded: another version became champion" == queries.run(reg, run.id).reason


def test_a_trial_settles_no_other_check(reg: Registry) -> None:
    """A segment that gets worse stays a refusal, and so does a loss that failed."""
    make.champion(reg)
    make.ready(reg, "v2")
    run = make.run(reg, make.check(CheckResult.FAIL), make.check(CheckResult.HOLD, name="segments"))
    operations.record_look(reg, make.look(run_id=run.id))
    with pytest.raises(IllegalMove, match="v2 did not pass loss, segments"):
        make.promote(reg, "v2", 1, run_id=run.id)


def test_a_look_is_recorded_once(reg: Registry) -> None:
    """Again is no change, also with other numbers; each run and promotion has looks of its own."""
    make.champion(reg)
    make.ready(reg, "v2")
    run = make.run(reg, make.check())
    first = operations.record_look(reg, make.look(run_id=run.id))
    before = make.everything(reg)
    assert first == operations.record_look(reg, make.look(CheckResult.FAIL, run_id=run.id))
    assert before == make.everything(reg)
    promotion = make.promote(reg, "v2", 1, run_id=run.id)
    watched = operations.record_look(reg, make.look(CheckResult.HOLD, promotion_id=promotion.id))
    second = operations.record_look(reg, make.look(CheckResult.HOLD, promotion_id=promotion.id, number=2))
    assert [first] == queries.comparisons(reg, "m", run_id=run.id)
    assert [watched, second] == queries.comparisons(reg, "m", promotion_id=promotion.id)
    assert [first, watched, second] == queries.comparisons(reg, "m")
    looks = [e for e in queries.audit_log(reg) if e.action.endswith(".look")]
    assert [("trial.look", "pass"), ("watch.look", "hold"), ("watch.look", "hold")] == [
        (e.action, e.details["result"]) for e in looks
    ]


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
        lambda: operations.hold_run(reg, run.id, challenger="v2", reason="", now=make.NOW),
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
