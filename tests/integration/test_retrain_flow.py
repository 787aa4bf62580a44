"""Flows on a real Prefect server: results in the registry, summaries in Prefect's artifacts.

The baseline job is a stub (`tests/support/trained_model.py`), since Flink is not the subject; everything else is real.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import filelock
import pytest

from features import errors
from registry import operations, queries
from registry.connection import Registry
from registry.records import Action, RunState
from retrain_flows.orchestration import server, server_settings
from tests.support import trained_model as world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield the flows, with a Prefect server of the session's own behind them."""
    state = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch, server.running(state) as url:
        for name, value in {**server_settings.settings(state), server_settings.URL: url}.items():
            patch.setenv(name, value)
        # Prefect reads its settings when it is imported: another test of this process may have done that before.
        from prefect.context import SettingsContext, get_settings_context
        from prefect.logging.handlers import APILogHandler
        from prefect.settings import Settings

        from tests.support import trained_model_flows as served

        with SettingsContext(profile=get_settings_context().profile, settings=Settings()):
            yield served.FLOWS
            APILogHandler().flush()  # or its thread would go on looking for a server that is gone


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield the registry of a world with a champion; `retrain.json` beside it sets the policy that flows will see."""
    events = world.write_events(tmp_path)
    (tmp_path / "retrain.json").write_text("{}")
    with world.open_registry(tmp_path) as opened:
        world.with_champion(world.workspace(tmp_path, opened, events))
        yield opened


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the world's folder, which flows find by the environment."""
    monkeypatch.setenv("LEEWAY_PROJECT", str(tmp_path))
    return tmp_path


def artifacts(key: str) -> Any:
    """Return the newest artifact of *key* in Prefect."""
    from prefect.artifacts import Artifact

    return Artifact.get(key)


def test_an_incident_becomes_a_champion_through_prefect(flows: Any, registry: Registry, where: Path) -> None:
    """Incident, decision, run and promotion in the registry; checks, story and comparison for people in Prefect."""
    with world.open_job(str(where), "m") as job:
        (incident,) = world.drift(job.workspace)
    (outcome,) = flows.react("m", as_of=world.AS_OF)
    run = queries.runs(registry, "m")[0]
    story, checks = artifacts("m-retrain"), artifacts("m-gate")
    page = where / ".leeway" / "html" / f"m-run-{run.id}.html"

    assert ("incident 1", True) == (outcome.subject, outcome.result.startswith("retrain promoted"))
    assert "baseline replaced by v2" == queries.incident(registry, incident.id).resolution
    assert (RunState.PROMOTED, world.AS_OF) == (run.state, run.as_of)
    assert run.flow_run is not None
    assert "# m: retrain promoted" in story.data
    assert page.name in story.data
    assert [c.name for c in queries.checks(registry, run.id)] == [row["check"] for row in json.loads(checks.data)]
    assert page.stat().st_size > 100_000
    assert (where / "delivered").exists()
    assert [] == flows.react("m", as_of=world.AS_OF)


def test_the_pages_tell_what_was_done_and_why(flows: Any, registry: Registry, where: Path) -> None:
    """Names, tags, states and log lines in words; links to Leeway's pages of incident and report."""
    with world.open_job(str(where), "m") as job:
        world.drift(job.workspace)
    flows.react("m", as_of=world.AS_OF)
    run = queries.runs(registry, "m")[0]
    shown, tasks, lines = pages_of(str(run.flow_run))
    assert ("m: retrain for incident 1 (performance drift)", "Promoted") == (shown.name, shown.state_name)
    assert {"leeway", "model:m", "incident:1", "signal:performance"} == set(shown.tags)
    assert shown.state.message.startswith("Promoted v2: static challenger passed the gate: mean loss")
    assert {"train static candidate", "gate static candidate", "write the Evidently report"} <= tasks
    for expected in ("1,200 training rows, 560 evaluation rows",
                     "Gate static candidate: checks: 8 pass, loss: mean loss",
                     "Decision 2 by leeway: performance drift", "Next: v2 answers from now on"):  # fmt: skip
        assert any(expected in line for line in lines), (expected, lines)
    assert "http://127.0.0.1:8321/models/m/incidents/1" in artifacts("m-incident").data
    assert f"http://127.0.0.1:8321/models/m/runs/{run.id}/evidently" in artifacts("m-evidently").data


def pages_of(flow_run: str) -> tuple[Any, set[str], list[str]]:
    """Return a flow run, the names of its tasks, and its log, once the worker that sends the log has done so."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()
    EventsWorker.drain_all()
    number = UUID(flow_run)
    with get_client(sync_client=True) as client:
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[number])))
        for _ in range(30):  # tasks are recorded from events, a moment later
            tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[number])))
            if len(tasks) >= 5:
                break
            time.sleep(1)
        return client.read_flow_run(number), {task.name for task in tasks}, [line.message for line in logs]


def test_a_retrain_by_hand_that_has_to_wait_is_carried_out_later(flows: Any, registry: Registry, where: Path) -> None:
    """Another process is retraining the model: the decision is on record, and the reconciler carries it out."""
    lock = where / ".leeway" / "locks" / "m.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(lock):
        state = flows.by_hand("m", "new prices", "ann", world.AS_OF, return_state=True)
    assert ("Waits", True) == (state.name, "is on record and will be carried out by the reconciler" in state.message)
    assert [] == queries.runs(registry, "m")
    (outcome,) = flows.react("m", as_of=world.AS_OF)
    assert ("decision 2", True) == (outcome.subject, outcome.result.startswith("retrain promoted"))


def test_a_retrain_by_hand_says_that_it_was_refused(flows: Any, registry: Registry, where: Path) -> None:
    """Its state is not merely completed, and has the reasons of the gate."""
    Path(where, "retrain.json").write_text(json.dumps({"trainer": f"{world.HERE}:wrong"}))
    state = flows.by_hand("m", "new prices", "ann", world.AS_OF, return_state=True)
    assert ("Refused", True) == (state.name, state.message.startswith("Refused: v2 (static): loss"))
    assert RunState.REJECTED is state.result().state


def test_the_same_decision_again_changes_nothing(flows: Any, registry: Registry, where: Path) -> None:
    """Prefect may run a flow twice; the second run returns the first one's result."""
    decision = operations.record_decision(
        registry, model="m", incident_id=None, action=Action.RETRAIN, because=["by hand"], actor="ann", now=world.NOW
    )
    first, second = (flows.retrain("m", decision.id, world.AS_OF) for _ in range(2))
    assert (first, ["bootstrap", "promote"]) == (second, [p.kind for p in queries.promotions(registry, "m")])


def test_a_trainer_that_raises_fails_the_flow_run_and_tells_why(flows: Any, registry: Registry, where: Path) -> None:
    """The user's exception reaches Prefect, the reason the registry, and the story says so."""
    Path(where, "retrain.json").write_text(json.dumps({"trainer": f"{world.HERE}:broken"}))
    decision = operations.record_decision(
        registry, model="m", incident_id=None, action=Action.RETRAIN, because=["by hand"], actor="ann", now=world.NOW
    )
    with pytest.raises(errors.TrainerError, match="broken raised KeyError"):
        flows.retrain("m", decision.id, world.AS_OF)
    run = queries.runs(registry, "m")[0]
    assert (RunState.FAILED, True) == (run.state, run.reason in artifacts("m-retrain").data)


def test_an_audit_that_finds_nothing_to_compare_says_so(flows: Any, registry: Registry, where: Path) -> None:
    """The result is on record, and its text an artifact."""
    done = flows.audit("m", end=world.AS_OF)
    assert (done, False) == (queries.audits(registry, "m")[-1], done.passed)
    assert "nothing to compare" in artifacts("m-audit").data


def test_a_decision_that_is_not_there_is_not_found(flows: Any, registry: Registry, where: Path) -> None:
    """Nothing is started."""
    with pytest.raises(errors.NotFound, match="there is no decision 99"):
        flows.retrain("m", 99)
    assert [] == queries.runs(registry, "m")
