"""`leeway serve` as a process, with a real registry: answers, promotions under load, and what a stop leaves behind."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.errors import BadRequestError, NotFoundError
from open_inference.openapi.types import InferenceRequest, RequestInput

from serving.online.bodies import Bounds
from tests.support import serving_world as world
from tests.support.command_line import leeway
from tests.support.serving_world import Server

pytestmark = pytest.mark.slow
ROW = {"x": 0.5, "z": 4.0, "c": "a"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server of one champion, for tests that change nothing."""
    with world.serving(world.project(tmp_path_factory.mktemp("served"))) as running:
        yield running


class Load:
    """Clients that send one row after the other, each by its own id, until stopped."""

    def __init__(self, server: Server, clients: int) -> None:
        self.answered: list[tuple[str, str, float]] = []  # id, version, when
        self.failed: list[str] = []
        self._server, self._ended = server, threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(i,)) for i in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all clients."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self._server.token}"}
        with httpx.Client(base_url=self._server.url, headers=headers, timeout=20) as client:
            for i in range(100_000):
                if self._ended.is_set():
                    return
                name = f"{number}-{i}"
                try:
                    answer = client.post(
                        "/v1/models/m/predict", json={"instances": [{**ROW, "x": i % 7 - 3, "id": name}]}
                    )
                except httpx.HTTPError as error:
                    self.failed.append(f"{type(error).__name__}: {error}")
                    return
                if answer.status_code == 200:
                    self.answered.append((name, answer.json()["version"], time.monotonic()))
                else:
                    self.failed.append(answer.text)


def client(server: Server) -> OpenInferenceClient:
    """Return the client that others wrote."""
    headers = {"Authorization": f"Bearer {server.token}"}
    return OpenInferenceClient(base_url=server.url, httpx_client=httpx.Client(headers=headers, timeout=30))


def tensors(**values: list[Any]) -> list[RequestInput]:
    """Return a tensor for each feature."""
    kinds = {"c": "BYTES"}
    return [RequestInput(name=n, shape=[len(v)], datatype=kinds.get(n, "FP64"), data=v) for n, v in values.items()]


def test_a_client_of_the_protocol_gets_health_metadata_and_predictions(server: Server) -> None:
    """A client that was generated from the protocol's own description, columns in another order."""
    with_others = client(server)
    with_others.check_server_liveness()
    with_others.check_server_readiness()
    with_others.check_model_readiness("m")
    with_others.check_model_version_readiness("m", "v1")
    described = with_others.read_model_metadata("m")
    request = InferenceRequest(id="q", inputs=tensors(c=["a", "never"], z=[4.0, 1.0], x=[0.5, -1.0]))
    answer = with_others.model_infer("m", request=request)
    named = with_others.model_version_infer("m", "v1", request=request)
    plain = server.predict(ROW, {"x": -1, "z": 1, "c": "never"})[1]

    assert "leeway" == with_others.read_server_metadata().name
    assert [("x", "FP64"), ("z", "FP64"), ("c", "BYTES")] == [(i.name, i.datatype) for i in described.inputs]
    assert ("m", "v1", "q") == (answer.model_name, answer.model_version, answer.id)
    assert answer.outputs == named.outputs
    assert [p["prediction"] for p in plain["predictions"]] == answer.outputs[0].data.__root__
    assert plain["digest"] == answer.parameters["digest"]


def test_the_protocols_errors_are_those_the_client_knows(server: Server) -> None:
    """An unknown version is not found, a missing tensor a bad request with its name."""
    with_others = client(server)
    with pytest.raises(NotFoundError):
        with_others.check_model_version_readiness("m", "v9")
    with pytest.raises(BadRequestError) as refused:
        with_others.model_infer("m", request=InferenceRequest(inputs=tensors(x=[1.0], z=[1.0])))
    assert "c: missing" in str(refused.value.body)


def test_without_the_token_or_from_another_page_nothing_is_answered(server: Server) -> None:
    """On loopback too; health alone says yes or no to anybody of this machine."""
    closed = ["/v2", "/v2/models/m", "/health", "/metrics", "/docs", "/openapi.json", "/v2/models/m/ready"]
    wrong = {"Authorization": "Bearer wrong"}

    assert {401} == {server.ask(path, **wrong)[0] for path in closed}
    assert 401 == server.predict(ROW, **wrong)[0]
    assert [200, 200] == [server.ask(path, **wrong)[0] for path in ("/v2/health/live", "/v2/health/ready")]
    assert 403 == server.predict(ROW, Origin="http://evil.example")[0]
    assert 400 == server.predict(ROW, Host="evil.example")[0]
    assert 403 == server.ask("/v2/health/ready", Origin="http://evil.example")[0]


def test_a_large_and_a_compressed_body_are_refused(server: Server) -> None:
    """By their size, with the bound in words; whether the length is told or not."""
    large = b'{"instances": [' + b" " * Bounds().body + b"]}"
    status, answer = server.ask("/v1/models/m/predict", large)
    compressed = server.predict(ROW, **{"Content-Encoding": "gzip"})

    assert (413, True) == (status, str(Bounds().body) in answer["error"])
    assert 415 == compressed[0]
    assert 200 == server.predict(ROW)[0]


def test_a_slow_client_costs_nobody_else(server: Server) -> None:
    """Neither one that sends its headers byte by byte nor one that keeps its body back; each is cut off in time."""
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    body = f"POST /v1/models/m/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}\r\n"
    with socket.create_connection(address) as headers, socket.create_connection(address) as bodies:
        headers.sendall(b"POST /v1/models/m/pre")
        bodies.sendall(f"{body}Content-Length: 100\r\n\r\n{{".encode())
        assert {200} == {server.predict(ROW)[0] for _ in range(20)}
        for connection in (headers, bodies):
            connection.settimeout(30)
        assert b"408" in bodies.recv(100)
        assert b"408" in headers.recv(100)


def test_an_invalid_request_among_many_fails_alone(server: Server) -> None:
    """Requests of different lengths at once: each gets its own rows' answers."""
    alone = {x: server.predict({**ROW, "x": x})[1]["predictions"][0]["prediction"] for x in range(9)}

    def ask(n: int) -> tuple[int, list[Any]]:
        """Ask for n rows; one request has a text for a number."""
        status, answer = server.predict(*({**ROW, "x": x if n != 5 else "five"} for x in range(n)))
        return status, [p["prediction"] for p in answer.get("predictions", ())]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [1, 2, 3, 5, 9] * 20))

    assert {400} == {status for status, predictions in answers if not predictions}
    assert 20 == sum(status == 400 for status, _ in answers)
    assert all(predictions == [alone[x] for x in range(len(predictions))] for _, predictions in answers)


def test_metrics_name_version_predictor_and_counts(server: Server) -> None:
    """In Prometheus' format; a model that a caller makes up is no label."""
    server.ask("/v2/models/nope/infer", {})
    server.predict(ROW)
    status, text = server.ask("/metrics")

    assert 200 == status
    assert 'leeway_serve_requests_total{model="m",route="predict",status="200"}' in text
    assert 'role="champion",version="v1"' in text
    assert 'predictor="numpy"' in text
    assert "nope" not in text


def test_promotions_under_load_fail_no_request(tmp_path: Path) -> None:
    """Eight promotions and a version that cannot be loaded, while four clients ask; the log has each answer once."""
    folder = world.project(tmp_path)
    with world.open_registry(folder) as registry, world.serving(folder, "--log-every", "1s") as server:
        with Load(server, 4) as load:
            for i in range(2, 10):
                world.add_version(registry, f"v{i}", world.linear(i) if i % 2 else world.trees(i))
                world.promote(registry, f"v{i}")
                world.wait_for(server, lambda i=i: world.champion_is(server, f"v{i}"), f"v{i} answers")
            world.add_version(registry, "v10", None, data=b"no model file")
            world.promote(registry, "v10")
            world.wait_for(server, lambda: "v10" in server.ask("/health")[1]["m"]["failed_to_load"], "v10 fails")
            health, metrics = server.ask("/health")[1]["m"], server.ask("/metrics")[1]
            time.sleep(0.3)
        assert 200 == server.ask("/v2/health/ready")[0]
        assert 0 == server.stop()

    logged = world.logged(folder / "predictions")
    assert [] == load.failed
    assert {f"v{i}" for i in range(1, 10)} == {version for _, version, _ in load.answered}
    assert {(name, version) for name, version, _ in load.answered} == set(
        zip(logged["id"], logged["model_version"], strict=True)
    )
    assert len(logged) == len(load.answered)
    assert ("v9", 'leeway_serve_swaps_total{model="m"} 8.0') == (
        health["champion"],
        metrics[metrics.index("leeway_serve_swaps_total{") :].split("\n")[0],
    )
    assert 'leeway_serve_load_failures{model="m",version="v10"}' in metrics
    assert "v10 cannot be loaded: the model file cannot be read" in server.log()


def test_a_graceful_stop_answers_and_logs_all(tmp_path: Path) -> None:
    """SIGTERM under load: each answer that a client got is in the log, which `leeway check` and the reader take."""
    folder = world.project(tmp_path)
    with world.serving(folder, "--log-every", "1h") as server, Load(server, 4) as load:
        time.sleep(2)
        assert 0 == server.stop()
    logged = world.logged(folder / "predictions")

    assert {name for name, _, _ in load.answered} <= set(logged["id"])
    assert len(set(logged["id"])) == len(logged) >= 100
    assert 1 == len(list((folder / "predictions").glob("*.parquet")))
    (folder / "labels" / "l.jsonl").write_text(
        "".join(
            json.dumps({"id": name, "time": logged["time"].max().isoformat(), "label": 1}) + "\n"
            for name in logged["id"]
        )
    )
    checked = json.loads(leeway(folder, "check", "--json"))
    assert f"{len(logged):,} rows in 1 file" in json.dumps(checked)


def test_a_kill_loses_the_answers_of_a_second_at_most(tmp_path: Path) -> None:
    """SIGKILL under load: the next server publishes what the dead one left, all but the last flush."""
    folder = world.project(tmp_path)
    with world.serving(folder, "--log-every", "1h") as server, Load(server, 4) as load:
        time.sleep(3)
        killed = time.monotonic()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    assert [] == list((folder / "predictions").glob("*.parquet"))
    with world.serving(folder, "--log-every", "1h") as again:
        recovered = again.ask("/health")[1]["m"]["log"]["recovered"]
        assert 0 == again.stop()
    logged = world.logged(folder / "predictions")
    lost = [when for name, _, when in load.answered if name not in set(logged["id"])]

    assert recovered == len(logged) > 100
    assert all(when > killed - 1.0 for when in lost)
    assert len(set(logged["id"])) == len(logged)


def test_versions_on_trial_answer_in_shadow_and_are_logged_apart(tmp_path: Path) -> None:
    """The held candidate's rows are in a folder of their own, with the champion's ids; the response has none of it."""
    folder = world.project(tmp_path)
    with world.open_registry(folder) as registry:
        world.add_version(registry, "v2", world.trees(2))
        world.hold(registry, "v2")
    with world.serving(folder, "--shadow") as server:
        answers = [server.predict({**ROW, "x": x / 10})[1] for x in range(30)]
        named = server.ask("/v2/models/m/versions/v2/ready")[0]
        assert 0 == server.stop()
    champion, trial = world.logged(folder / "predictions"), world.logged(folder / "serving" / "m" / "shadow")

    assert {"v1"} == {a["version"] for a in answers} == set(champion["model_version"])
    assert {"v2"} == set(trial["model_version"])
    assert [a["predictions"][0]["id"] for a in answers] == list(champion["id"]) == list(trial["id"])
    assert list(champion["prediction"]) != list(trial["prediction"])
    assert 200 == named
