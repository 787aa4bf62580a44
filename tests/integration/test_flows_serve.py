"""Served flows: a real Prefect server, schedules, and runs in processes of their own.

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
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import pytest

from leeway.stack import ports
from registry import queries
from registry.records import Action, RunState
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
    """Return what the Prefect server says at *url* to whoever shows *auth*.

    It answers 503 while its SQLite file is being written to elsewhere, and Prefect's own client asks again then.
    """
    question = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=verb)
    question.add_header("Content-Type", "application/json")
    question.add_header("Authorization", server_settings.basic(auth))
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(question, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > give_up:
                raise
            time.sleep(1)


@dataclass(frozen=True)
class Prefect:
    """A server at *url* that asks for *auth*, and the world in *folder* that is served with it."""

    url: str
    auth: str
    folder: Path

    def serve(self, printed: Any = None) -> subprocess.Popen[bytes]:
        """Serve the world's flows from a process in a session of its own; what it prints goes to *printed*."""
        known = {
            **os.environ,
            server_settings.URL: self.url,
            **server_settings.settings(self.folder / ".leeway"),
            **server_settings.client(self.auth),
        }
        command = [sys.executable, "-m", trained_model_service.__name__]
        environment = {**known, "LEEWAY_PROJECT": str(self.folder)}
        return subprocess.Popen(command, env=environment, start_new_session=True, stdout=printed, stderr=printed)

    @contextmanager
    def serving(self, printed: Path | None = None) -> Iterator[None]:
        """Serve the world's flows while the block runs; what is printed goes to the file *printed*."""
        with nullcontext() if printed is None else printed.open("wb") as file:
            process = self.serve(file)
            try:
                yield
            finally:
                process.terminate()
                process.wait(180)

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
def test_an_incident_is_dealt_with_by_the_service(prefect: Prefect) -> None:
    """Nobody calls anything: the reconcile loop does, in another folder than the project's.

    What the API says is to be run is not: neither a deployment's entrypoint nor its steps, but what was served. The
    loop starts one run for one incident, and none that does nothing or is cancelled. When the service is stopped the
    schedule of audits stays active.
    """
    with prefect.serving():
        wait(lambda: _promoted(prefect.folder))
        wait(lambda: prefect.count("COMPLETED", "react-m") == 1)
        (react,) = prefect.runs("react-m")
        assert ("m: decide about incident 1 (performance drift)", "Promoted") == (react["name"], react["state_name"])
        assert {"leeway", "model:m", "incident:1", "signal:performance"} == set(react["tags"])
        assert "Incident 1: retrain promoted: static challenger passed the gate" in react["state"]["message"]
        ran = prefect.folder / "ran"
        prefect.alter("audit-m", entrypoint="os.popen", pull_steps=[_step(f"touch {ran}")])
        prefect.start("audit-m", {"model": "m", "end": world.AS_OF.isoformat()})
        prefect.start("react-m", {"model": "m"})
        wait(lambda: prefect.count("COMPLETED", "audit-m") == 1)
        wait(lambda: "nothing to do" in prefect.messages("react-m"))
        assert not ran.exists()
        for parameters in ({"model": "../../x"}, {"model": "os:popen"}, {"reason": ""}, {"actor": 7}):
            with pytest.raises(urllib.error.HTTPError, match="409"):
                prefect.start("retrain-m", {"reason": "x", "actor": "ann", **parameters})
        more = {"where": {"opener": "os:popen", "project": f"touch {ran}"}, "reason": "x", "actor": "ann"}
        prefect.start("retrain-m", more)
        prefect.start("audit-m", {"end": "0001-01-01T00:00:00Z"})
        wait(lambda: {"CRASHED", "FAILED"} <= {run["state_type"] for run in prefect.runs()})
        assert not ran.exists()
        assert 2 == len(prefect.runs("react-m"))
        assert 0 == prefect.count("CANCELLED")
    react, audit = (prefect.deployment(f"{what}-m") for what in ("react", "audit"))
    assert [] == react["schedules"]
    assert ("0 6 * * 1", "UTC") == tuple(audit["schedules"][0]["schedule"][k] for k in ("cron", "timezone"))
    assert audit["schedules"][0]["active"]


def _step(command: str) -> Any:
    return {"prefect.deployments.steps.run_shell_script": {"script": command}}


def _promoted(where: Path) -> bool:
    with world.open_registry(where) as registry:
        return RunState.PROMOTED in [r.state for r in queries.runs(registry, "m")]


@pytest.mark.timeout(600)
def test_a_retrain_is_started_by_hand_on_prefects_pages(prefect: Prefect) -> None:
    """With a reason and a name: the decision is recorded as that of `leeway retrain`, and the run says how it ended.

    A schedule and a limit that an earlier release gave the reconciler are removed.
    """
    flow = prefect.ask("/flows/", {"name": "leeway-react"})["id"]
    each_minute = {"schedule": {"interval": 60}, "slug": "react", "active": True}
    earlier = {"name": "react-m", "flow_id": flow, "schedules": [each_minute], "concurrency_limit": 1}
    prefect.ask("/deployments/", earlier)
    with prefect.serving():
        wait(lambda: prefect.count("COMPLETED", "react-m") == 1)
        (prefect.folder / "retrain.json").write_text(json.dumps({"trainer": f"{world.HERE}:useless"}))
        prefect.start("retrain-m", {"reason": "new prices", "actor": "ann"})
        wait(lambda: prefect.count("COMPLETED", "retrain-m") == 1)
        react = prefect.deployment("react-m")
        assert ([], None) == (react["schedules"], react["global_concurrency_limit"])
        wait(lambda: prefect.count("SCHEDULED", "react-m") == 0)  # what the schedule had made before goes, too
    (run,) = prefect.runs("retrain-m")
    with world.open_registry(prefect.folder) as registry:
        decision, retrain = queries.decisions(registry, "m")[-1], queries.runs(registry, "m")[-1]
        assert (None, Action.RETRAIN, "ann") == (decision.incident_id, decision.action, decision.actor)
        assert ("new prices", f"started on Prefect's pages, flow run {run['id']}") == decision.because
        assert (decision.id, RunState.HELD) == (retrain.decision_id, retrain.state)
    assert ("m: retrain by ann: new prices", "Held") == (run["name"], run["state_name"])
    assert "v3 (static challenger) is neither better nor worse yet" in run["state"]["message"]
    assert {"leeway", "model:m"} == set(run["tags"])


@pytest.mark.faults
def test_a_run_that_was_killed_holds_nothing_up_when_the_service_is_started_again(prefect: Prefect) -> None:
    """Its process cannot say that it has ended; the incident does not wait until Prefect notices."""
    with prefect.serve() as serving:
        wait(lambda: prefect.count("RUNNING") > 0)
        os.killpg(serving.pid, signal.SIGKILL)
    assert prefect.count("RUNNING") > 0
    with prefect.serving():
        wait(lambda: _promoted(prefect.folder))
    assert 1 == prefect.count("CRASHED")


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_a_server_that_is_killed_in_mid_run_costs_nothing(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on and ends, alerts are sent, the service waits; when the server is back, all is on its pages.

    The trainer waits for a file, so that the server dies while it runs and comes back after the run has ended.
    """
    monkeypatch.delenv(server_settings.URL, raising=False)
    state = where / ".leeway"
    (where / "retrain.json").write_text(json.dumps({"trainer": f"{world.HERE}:static_after_signal"}))
    monkeypatch.setenv("LEEWAY_TEST_SIGNAL", str(where / "go"))
    first = PrefectServer(state)
    prefect = Prefect(first.url, server_settings.secret(state), where)
    first.start()
    try:
        with prefect.serving(where / "printed"):
            wait(lambda: (where / "go.waits").exists())
            first.kill()
            wait(lambda: "is away" in (where / "printed").read_text())
            (where / "go").touch()
            wait(lambda: _promoted(where))
            first.start()
            wait(lambda: "answers again" in (where / "printed").read_text())
            wait(lambda: {"Promoted"} <= {run["state_name"] for run in prefect.runs("react-m")})
            prefect.start("audit-m", {"model": "m", "end": world.AS_OF.isoformat()})
            wait(lambda: prefect.count("COMPLETED", "audit-m") == 1)
        assert 1 == prefect.count("COMPLETED", "react-m")
    finally:
        first.kill()
    away, back = (where / "printed").read_text().splitlines()
    assert ("is away" in away, "answers again" in back) == (True, True)
    with world.open_registry(where) as registry:
        assert [RunState.PROMOTED] == [r.state for r in queries.runs(registry, "m")]
        assert ["bootstrap", "promote"] == [p.kind for p in queries.promotions(registry, "m")]
    assert (where / "delivered").exists()


class PrefectServer:
    """A server of a state folder at a port of its own, which can be killed and started again."""

    def __init__(self, state: Path) -> None:
        self._state, self._port = state, ports.free()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = server_settings.address(self._port)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        (self._state / "logs").mkdir(parents=True, exist_ok=True)
        with (self._state / "logs" / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                server_settings.command(self._port), env=server_settings.environment(self._state, self._port),
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait(self._answers)

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            return asked(f"{self.url}/health") is True
        except OSError:
            return False


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


@pytest.mark.faults
def test_a_server_of_the_command_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """At the same address; one line says that it is away, one that it answers again; and no traceback is printed."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    known = {k: v for k, v in os.environ.items() if k not in (server_settings.URL, server_settings.AUTH)}
    command = [sys.executable, "-m", "leeway", "flows", "serve", "--every", "2s"]
    printed = tmp_path / "printed"
    with printed.open("wb") as file, subprocess.Popen(command, cwd=tmp_path, env=known, stdout=file, stderr=file) as it:
        try:
            wait(lambda: "pages at" in printed.read_text())
            (server_process,) = _servers(it.pid)
            address = (tmp_path / ".leeway" / "prefect" / "url").read_text()
            time.sleep(10)
            os.killpg(server_process, signal.SIGKILL)
            wait(lambda: "answers again" in printed.read_text())
            assert [] != _servers(it.pid) != [server_process]
            assert asked(f"{address}/health") is True
        finally:
            it.terminate()
            it.wait(180)
    _, away, back = printed.read_text().splitlines()
    assert ("is away" in away, "answers again" in back) == (True, True)


def _servers(pid: int) -> list[int]:
    """Return the Prefect servers that *pid* has started."""
    return [child.pid for child in psutil.Process(pid).children() if "server_main" in " ".join(child.cmdline())]


def _family(pid: int) -> set[int]:
    """Return the processes that *pid* has started, once there are any."""
    process = psutil.Process(pid)
    wait(lambda: bool(process.children()))
    return {child.pid for child in process.children(recursive=True)}
