"""The flows as a service: a real Prefect server, schedules, and runs in processes of their own.

The baseline job is a stub (`tests/support/trained_model.py`), since Flink is not the subject.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from registry import queries
from registry.records import RunState
from retrain_flows.orchestration import server, server_settings
from tests.support import trained_model as world
from tests.support import trained_model_service

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 150


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """Return a world with an incident that nobody has looked at yet."""
    return world.with_incident(tmp_path)


def asked(url: str, auth: str = "", body: Any = None, verb: str | None = None) -> Any:
    """Return what the Prefect server says at *url* to whoever shows *auth*."""
    question = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=verb)
    question.add_header("Content-Type", "application/json")
    question.add_header("Authorization", server_settings.basic(auth))
    with urllib.request.urlopen(question, timeout=10) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Prefect:
    """A server at *url* that asks for *auth*, and the world in *folder* that is served with it."""

    url: str
    auth: str
    folder: Path

    def serve(self) -> subprocess.Popen[bytes]:
        """Serve the world's flows from a process in a session of its own."""
        known = {**os.environ, **server_settings.settings(self.folder / ".leeway"), server_settings.URL: self.url}
        command = [sys.executable, "-m", trained_model_service.__name__]
        return subprocess.Popen(command, env={**known, "LEEWAY_PROJECT": str(self.folder)}, start_new_session=True)

    def ask(self, path: str, body: Any = None, verb: str | None = None) -> Any:
        """Return what the server says at *path*."""
        return asked(f"{self.url}{path}", self.auth, body, verb)

    def deployment(self, name: str) -> Any:
        """Return the deployment *name*, like ``react-m``."""
        return self.ask(f"/deployments/name/leeway-{name.partition('-')[0]}/{name}")

    def alter(self, name: str, **fields: Any) -> None:
        """Change a deployment, as whoever knows the secret can."""
        with sqlite3.connect(self.folder / ".leeway" / "prefect" / "prefect.db") as c:
            for field, value in fields.items():
                text = value if isinstance(value, str) else json.dumps(value)
                done = c.execute(f"UPDATE deployment SET {field} = ? WHERE name = ?", (text, name))
                assert 1 == done.rowcount

    def start(self, name: str, parameters: Any) -> None:
        """Have a run of the deployment made."""
        self.ask(f"/deployments/{self.deployment(name)['id']}/create_flow_run", {"parameters": parameters})

    def runs(self, deployment: str = "") -> list[Any]:
        """Return the runs that a schedule or somebody has made."""
        wanted: Any = {"flow_runs": {"parent_task_run_id": {"is_null_": True}}}
        if deployment:
            wanted["deployments"] = {"name": {"any_": [deployment]}}
        return list(self.ask("/flow_runs/filter", wanted))

    def count(self, state: str, deployment: str = "") -> int:
        """Return how many runs are in *state*."""
        return [run["state_type"] for run in self.runs(deployment)].count(state)

    def messages(self, deployment: str) -> set[str]:
        """Return what the states of the deployment's runs say."""
        return {run["state"]["message"] for run in self.runs(deployment)}


def wait(for_what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not for_what():
        assert time.monotonic() < give_up
        time.sleep(1)


@pytest.fixture
def prefect(where: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prefect]:
    """Yield a Prefect server of the world's own."""
    monkeypatch.delenv(server_settings.URL, raising=False)
    state = where / ".leeway"
    with server.running(state) as url:
        yield Prefect(url, server_settings.secret(state), where)


@pytest.mark.timeout(600)
def test_an_incident_is_dealt_with_by_schedule(prefect: Prefect) -> None:
    """Nobody calls anything: the reconciler's schedule does, in another folder than the project's.

    What the API says is to be run is not: neither a deployment's entrypoint nor its steps, but what was served. A look
    that finds nothing to do is on record as such. When the service is stopped its schedules stay active.
    """
    serving = prefect.serve()
    try:
        wait(lambda: _promoted(prefect.folder))
        wait(lambda: "nothing to do" in prefect.messages("react-m"))
        ran = prefect.folder / "ran"
        prefect.alter("audit-m", entrypoint="os.popen", pull_steps=[_step(f"touch {ran}")])
        prefect.start("audit-m", {"model": "m", "end": world.AS_OF.isoformat()})
        wait(lambda: prefect.count("COMPLETED", "audit-m") == 1)
        assert not ran.exists()
        for parameters in ({"model": "../../x"}, {"model": "os:popen"}, {"decision_id": "1; touch x"}):
            with pytest.raises(urllib.error.HTTPError, match="409"):
                prefect.start("retrain-m", parameters)
        prefect.start("retrain-m", {"where": {"opener": "os:popen", "project": f"touch {ran}"}, "decision_id": 1})
        prefect.start("audit-m", {"end": "0001-01-01T00:00:00Z"})
        wait(lambda: {"CRASHED", "FAILED"} <= {run["state_type"] for run in prefect.runs()})
        assert not ran.exists()
    finally:
        serving.terminate()
        serving.wait(180)
    react, audit = (prefect.deployment(f"{what}-m") for what in ("react", "audit"))
    assert (False, [True]) == (react["paused"], [s["active"] for s in react["schedules"]])
    assert ("0 6 * * 1", "UTC") == tuple(audit["schedules"][0]["schedule"][k] for k in ("cron", "timezone"))


def _step(command: str) -> Any:
    return {"prefect.deployments.steps.run_shell_script": {"script": command}}


def _promoted(where: Path) -> bool:
    with world.open_registry(where) as registry:
        return [RunState.PROMOTED] == [r.state for r in queries.runs(registry, "m")]


@pytest.mark.faults
def test_a_run_that_was_killed_holds_no_slot_when_the_service_is_started_again(prefect: Prefect) -> None:
    """Its process cannot say that it has ended; the incident does not wait until Prefect notices."""
    with prefect.serve() as serving:
        wait(lambda: prefect.count("RUNNING") > 0)
        os.killpg(serving.pid, signal.SIGKILL)
    assert prefect.count("RUNNING") > 0
    again = prefect.serve()
    try:
        wait(lambda: _promoted(prefect.folder))
    finally:
        again.terminate()
        again.wait(180)
    assert 1 == prefect.count("CRASHED")


PROJECT = """\
project: p
models: {m: {task: binary, events: {predictions: {path: events}, version: v1}, features: {x: numeric}}}
"""


@pytest.mark.parametrize("how", ["terminated", "killed", "nobody reads"])
def test_nothing_outlives_the_command_that_serves(tmp_path: Path, how: str) -> None:
    """Neither the server nor a run; whoever reads its output may have gone away; and no traceback is printed."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    known = {k: v for k, v in os.environ.items() if k not in (server_settings.URL, server_settings.AUTH)}
    command = [sys.executable, "-m", "leeway", "flows", "serve", "--every", "2s"]
    with (
        (tmp_path / "said").open("wb") as said,
        subprocess.Popen(command, cwd=tmp_path, env=known, stdout=subprocess.PIPE, stderr=said) as serving,
    ):
        assert serving.stdout is not None
        if how == "nobody reads":
            serving.stdout.close()
        started = _family(serving.pid)
        if how != "nobody reads":
            assert b"Serving m; pages at http://127.0.0.1:" in serving.stdout.readline()
            started |= _family(serving.pid)
            again = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, check=False)
            assert (3, True) == (again.returncode, "another process serves the flows" in again.stderr)
            serving.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGKILL)
        serving.wait(PATIENCE_SECONDS)
    assert started
    wait(lambda: not any(psutil.pid_exists(pid) for pid in started))
    text = (tmp_path / "said").read_text()
    assert "Traceback" not in text
    assert "INFO" not in text


def _family(pid: int) -> set[int]:
    """Return the processes that *pid* has started, once there are any."""
    process = psutil.Process(pid)
    wait(lambda: bool(process.children()))
    return {child.pid for child in process.children(recursive=True)}
