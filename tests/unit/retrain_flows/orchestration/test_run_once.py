"""React, retrain and audit by hand: in this process, with nothing of Prefect unless a server of it is there."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from features import errors
from leeway import context
from leeway.flows import run_once
from leeway.stack import ports
from registry import operations, queries
from registry.records import Action, RunState
from retrain_flows.orchestration import model_jobs, server, server_settings
from tests.support import trained_model as world

PROJECT = f"""\
project: world
models:
  m:
    task: binary
    events: {{predictions: {{path: predictions}}, labels: {{path: labels}}}}
    features: {{x: numeric, c: categorical}}
    retrain: {{trainer: "{world.HERE}:static"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a world with an incident that nobody has looked at."""
    return world.with_incident(tmp_path)


@pytest.mark.slow
def test_by_hand_the_same_is_done_as_by_flow(folder: Path) -> None:
    """The incident is dealt with, its comparison drawn, alerts sent; and the audit is on record."""
    doing = model_jobs.ByHand(partial(world.open_job, str(folder)))
    (outcome,) = doing.react("m", world.AS_OF)
    audited = doing.audit("m", end=world.AS_OF)
    with world.open_registry(folder) as registry:
        (run,) = queries.runs(registry, "m")
        assert (RunState.PROMOTED, None) == (run.state, run.flow_run)
        assert audited == queries.audits(registry, "m")[-1]
    assert ("incident 1", True) == (outcome.subject, outcome.result.startswith("retrain promoted"))
    assert (folder / ".leeway" / "html" / f"m-run-{run.id}.html").is_file()
    assert (folder / "delivered").exists()


@pytest.mark.slow
def test_a_failed_run_is_on_record_and_its_alerts_are_sent(folder: Path) -> None:
    """The trainer's exception reaches the caller as an error of ours."""
    (folder / "retrain.json").write_text(f'{{"trainer": "{world.HERE}:broken"}}')
    with world.open_registry(folder) as registry:
        decision = operations.record_decision(registry, model="m", incident_id=None, action=Action.RETRAIN,
                                         because=["by hand"], actor="ann", now=world.NOW)  # fmt: skip
    with pytest.raises(errors.TrainerError, match="broken raised KeyError"):
        model_jobs.ByHand(partial(world.open_job, str(folder))).retrain("m", decision.id, world.AS_OF)
    with world.open_registry(folder) as registry:
        assert [RunState.FAILED] == [run.state for run in queries.runs(registry, "m")]
    assert (folder / "delivered").exists()


def test_a_server_that_is_named_and_does_not_answer_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started in its place, and nothing is done that it should have recorded."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    monkeypatch.setenv(server_settings.URL, f"http://127.0.0.1:{ports.free()}/api")
    with context.open(tmp_path) as opened:
        for do in (run_once.react, run_once.audit, partial(run_once.retrain, decision_id=1)):
            with pytest.raises(errors.EngineAway, match="does not answer"):
                do(opened, opened.model())


def test_what_is_left_of_a_server_that_is_gone_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed could not take its address away."""
    monkeypatch.delenv(server_settings.URL, raising=False)
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "url").write_text(server_settings.address(ports.free()))
    assert {} == server.running_already(tmp_path, {})


@pytest.mark.slow
def test_commands_that_may_use_prefect_do_not_import_it() -> None:
    """It takes seconds, and most of the time there is nothing to do."""
    modules = "leeway.commands.retrain, leeway.flows.run_once, leeway.flows.serve_flows"
    said = f"import sys, {modules}; print('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, timeout=120)
    assert "False" == done.stdout.strip()
