"""The flows as a service: a real Prefect server, schedules, and runs in processes of their own.

The baseline job is a stub (`tests/unit/retraining/world.py`), since Flink is not the subject.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitors.report import Stage, Verdict
from registry import ingest, queries
from registry.records import RunState
from retrain_flows import server
from retrain_flows.job import Where
from tests.unit.retraining import world

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 150
SERVE = """
import sys
from datetime import timedelta
from retrain_flows import deployments
from retrain_flows.job import Where
where = Where.model_validate_json(sys.argv[1])
deployments.serve([where], audit_cron="0 6 * * 1", every=timedelta(seconds=5))
"""
HOLD = """
import sys, time
from pathlib import Path
from retrain_flows import server
with server.running(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def where(tmp_path: Path) -> Where:
    """Return a world with an incident that nobody has looked at yet."""
    events = world.write_events(tmp_path)
    (tmp_path / "retrain.json").write_text("{}")
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, events)
        world.with_champion(ws)
        world.drift(ws, day=55)
        later = world.report(world.AS_OF, verdict=Verdict.STEADY).model_copy(update={"stage": Stage.INPUTS})
        ingest.ingest(registry, [later], now=world.NOW)
    return Where(opener=f"{world.HERE}:open_job", project=str(tmp_path), model="m")


def asked(url: str) -> Any:
    """Return what the Prefect server says at *url*."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def wait(for_what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not for_what():
        assert time.monotonic() < give_up
        time.sleep(1)


def test_an_incident_is_dealt_with_by_schedule(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody calls anything: the reconciler's schedule does, in another folder than the project's.

    When the service is stopped its schedules stay active, and the server that was started for it is gone.
    """
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    state = Path(where.project) / ".leeway"
    with server.running(state) as url:
        environment = {**os.environ, **server.settings(state), "PREFECT_API_URL": url}
        serving = subprocess.Popen([sys.executable, "-c", SERVE, where.model_dump_json()], env=environment)
        try:
            wait(lambda: _promoted(where))
        finally:
            serving.terminate()
            serving.wait(180)
        react, audit = (asked(f"{url}/deployments/name/leeway-{what}/{what}-m") for what in ("react", "audit"))
    assert (False, [True]) == (react["paused"], [s["active"] for s in react["schedules"]])
    assert ("0 6 * * 1", "UTC") == tuple(audit["schedules"][0]["schedule"][k] for k in ("cron", "timezone"))
    with pytest.raises(OSError, match="refused"):
        asked(f"{url}/health")


def _promoted(where: Where) -> bool:
    with world.open_registry(Path(where.project)) as registry:
        return [RunState.PROMOTED] == [r.state for r in queries.runs(registry, "m")]


@pytest.mark.faults
def test_a_run_that_was_killed_holds_no_slot_when_the_service_is_started_again(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process cannot say that it has ended; the incident does not wait until Prefect notices."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    state = Path(where.project) / ".leeway"
    with server.running(state) as url:
        environment = {**os.environ, **server.settings(state), "PREFECT_API_URL": url}
        command = [sys.executable, "-c", SERVE, where.model_dump_json()]
        with subprocess.Popen(command, env=environment, start_new_session=True) as serving:
            wait(lambda: _runs(url, "RUNNING") > 0)
            os.killpg(serving.pid, signal.SIGKILL)
        assert _runs(url, "RUNNING") > 0
        again = subprocess.Popen(command, env=environment)
        try:
            wait(lambda: _promoted(where))
        finally:
            again.terminate()
            again.wait(180)
        assert 1 == _runs(url, "CRASHED")


def _runs(url: str, state: str) -> int:
    wanted = {"flow_runs": {"state": {"type": {"any_": [state]}}, "parent_task_run_id": {"is_null_": True}}}
    question = urllib.request.Request(f"{url}/flow_runs/filter", json.dumps(wanted).encode())
    question.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(question, timeout=10) as answer:
        return len(json.load(answer))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_a_process_that_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    """Nothing is left behind that would keep the port and the database."""
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        url = holder.stdout.readline().strip()
        assert asked(f"{url}/health") is True
        holder.send_signal(how)
    wait(lambda: _refused(url))


def _refused(url: str) -> bool:
    try:
        asked(f"{url}/health")
    except OSError:
        return True
    return False
