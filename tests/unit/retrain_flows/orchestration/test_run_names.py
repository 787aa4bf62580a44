"""Names, tags, states, log lines and links of runs: a person who sees only Prefect's pages understands them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from monitors.finding import Signal
from registry import operations, queries
from registry.records import Action, Check, CheckResult, RetrainRun, RunState
from retrain_flows import reconcile, retrain
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import manual_decision, page_links, run_log, run_names
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make


def check(result: CheckResult, version: str = "v2", name: str = "loss") -> Check:
    """Return a check of the gate."""
    return Check(name=name, result=result, got="0.1 against 0.2", want="less", version=version)


def run_of(state: RunState, **changes: object) -> RetrainRun:
    """Return a finished run."""
    fields = {"id": 3, "decision_id": 2, "model": "m", "state": state, "as_of": world.AS_OF, "started_at": world.NOW,
              "reason": "because", **changes}  # fmt: skip
    return RetrainRun.model_validate(fields)


def test_a_retrain_is_named_by_its_incident(ws: Workspace) -> None:
    """By number and kind, with tags to filter by."""
    (incident,) = world.drift(ws)
    decision = operations.record_decision(ws.registry, model="m", incident_id=incident.id, action=Action.RETRAIN,
                                          because=("x",), actor="leeway", now=world.NOW)  # fmt: skip
    assert "m: retrain for incident 1 (performance drift)" == run_names.retrain_name(ws.registry, decision)
    assert ["leeway", "model:m", "incident:1", "signal:performance"] == run_names.decision_tags(ws.registry, decision)
    assert "m: decide about incident 1 (performance drift)" == run_names.reconcile_name("m", [incident])
    fault = incident.model_copy(update={"signal": Signal.QUALITY})
    assert "incident 1 (data fault)" == run_names.incident_text(fault)


def test_a_retrain_by_hand_is_named_by_who_and_why(ws: Workspace) -> None:
    """A long reason is cut."""
    decision = manual_decision.record(ws, reason="new prices\nand more", actor="ann", now=world.NOW)
    assert "m: retrain by ann: new prices" == run_names.retrain_name(ws.registry, decision)
    assert ["leeway", "model:m"] == run_names.decision_tags(ws.registry, decision)
    assert "m: reconcile" == run_names.reconcile_name("m", [])


@pytest.mark.parametrize(
    ("step", "args", "name"),
    [("train", ["ws", "static", "data"], "train static candidate"),
     ("gate_candidate", [SimpleNamespace(mode="online")], "gate online candidate"),
     ("gate_candidate", [SimpleNamespace(candidate=SimpleNamespace(mode="static"))], "gate static candidate"),
     ("train", [], "train candidate"), ("shadow_test", ["x"], "shadow test")],
)  # fmt: skip
def test_a_task_is_named_by_its_step_and_candidate(step: str, args: list[object], name: str) -> None:
    """A step that this module does not know is named by its function."""
    assert name == run_names.task_name(step, args)


def test_each_step_of_a_retrain_has_a_name_in_words() -> None:
    """None has an underscore."""
    names = [run_names.task_name(step.__name__) for step in world.STEPS]
    assert not [name for name in names if "_" in name]


@pytest.mark.parametrize(
    ("state", "results", "name"),
    [(RunState.PROMOTED, [("v2", CheckResult.PASS)], "Promoted"),
     (RunState.REJECTED, [("v2", CheckResult.FAIL), ("v2", CheckResult.HOLD)], "Refused"),
     (RunState.REJECTED, [("v2", CheckResult.PASS), ("v2", CheckResult.HOLD)], "Held"),
     (RunState.REJECTED, [("v2", CheckResult.FAIL), ("v3", CheckResult.HOLD)], "Held"),
     (RunState.HELD, [("v2", CheckResult.HOLD)], "Held"),
     (RunState.REJECTED, [], "Refused"), (RunState.FAILED, [], "Failed")],
)  # fmt: skip
def test_the_state_says_how_it_ended(state: RunState, results: list[tuple[str, CheckResult]], name: str) -> None:
    """Promoted, refused, or held where only data were missing; with the reason."""
    checks = [check(result, version) for version, result in results]
    made = run_of(state, challenger="v2" if state is RunState.PROMOTED else None)
    assert name == run_log.state_name(made, checks)
    assert run_log.outcome(made, checks).startswith(name)
    assert run_log.outcome(made, checks).endswith(": because")


def test_the_log_says_what_comes_next() -> None:
    """For each outcome."""
    for state, text in (
        (RunState.PROMOTED, "answers from now on"), (RunState.REJECTED, "may start 14d after this one"),
        (RunState.FAILED, "mend the cause; it is tried again 1d after"),
        (RunState.HELD, "v2 is on trial in shadow"),
    ):  # fmt: skip
        assert text in run_log.next_step(
            run_of(state, challenger="v2"), [], world.RETRAIN.model_copy(update={"cool_down": 14 * world.DAY})
        )
    held = run_log.next_step(run_of(RunState.REJECTED), [check(CheckResult.HOLD)], None)
    assert "Next: the champion stays; a later retrain will have more labelled rows to decide on." == held


def test_steps_say_rows_and_losses(make: Make) -> None:
    """Rows of training and evaluation, and each check that measured a loss or did not pass."""
    ws = make()
    seen: list[str] = []

    def call(step: retrain.Call, *args: object, **options: object) -> object:
        result = step(*args, **options)
        seen.append(run_log.step_result(result))
        return result

    decision = manual_decision.record(ws, reason="x", actor="ann", now=world.NOW)
    retrain.run(ws, retrain.RetrainRequest(decision, world.AS_OF, world.NOW), call=call)
    assert any("training rows" in text and "evaluation rows" in text for text in seen)
    assert any("loss: " in text for text in seen)
    assert any("promoted" in text for text in seen)
    assert "" == run_log.step_result(object())


def test_links_lead_to_the_incident_and_the_report(ws: Workspace) -> None:
    """None without an address; a name is quoted."""
    world.drift(ws)
    reconcile.reconcile(ws, now=world.NOW, as_of=world.AS_OF)
    (run,) = queries.runs(ws.registry, "m")
    decision = queries.decision(ws.registry, run.decision_id)
    links = page_links.of_run("http://127.0.0.1:8321/", decision, run)
    assert [
        "http://127.0.0.1:8321/models/m", "http://127.0.0.1:8321/models/m/incidents/1",
        "http://127.0.0.1:8321/models/m/runs/1/evidently",
    ] == [link.url for link in links.values()]  # fmt: skip
    assert {} == page_links.of_run("", decision, run)
    odd = page_links.of_run("http://x", decision, run.model_copy(update={"model": "a b/c"}))
    assert "http://x/models/a%20b%2Fc" == odd["page"].url
