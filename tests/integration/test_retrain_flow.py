"""The flows on a real Prefect server: what they do is in the registry, what they tell is in Prefect's artifacts.

The baseline job is a stub (`tests/support/trained_model.py`), since Flink is not the subject; everything else is real.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
