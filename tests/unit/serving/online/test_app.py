"""The application: its description fits its answers, and every error is one in words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving import app as serving_app
from serving.online import bodies, openapi
from serving.online.follower import Follower
from serving.online.service import ModelService
from tests.support import serving_world as world

ROW = {"x": 0.5, "z": 4.0, "c": "a"}
INFER = {
    "id": "q",
    "inputs": [
        {"name": "x", "datatype": "FP64", "shape": [1], "data": [0.5]},
        {"name": "z", "datatype": "FP64", "shape": [1, 1], "data": [[4]]},
        {"name": "c", "datatype": "BYTES", "shape": [1], "data": ["a"]},
    ],
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelService]:
    """Yield the service of a model with one version."""
    with world.open_registry(tmp_path_factory.mktemp("registry")) as registry, ThreadPoolExecutor(1) as executor:
        world.add_version(registry, "v1", world.trees())
        world.promote(registry, "v1")
        follower = Follower(registry, world.SCHEMA, world.TRUST, executor)
        made = ModelService(follower, None, None, lambda: world.NOW)
        asyncio.run(made.start())
        yield made


def ask(service: ModelService, method: str, path: str, **options: Any) -> httpx.Response:
    """Return the answer of the application, without a server."""

    async def send() -> httpx.Response:
        """Ask inside a loop."""
        app = serving_app.create({"m": service}, executor=ThreadPoolExecutor(1), bounds=bodies.Bounds(1000), follow=60)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/models/m/predict", {"instances": [ROW]}),
    ("/v2/models/m/infer", INFER),
])  # fmt: skip
def test_requests_and_answers_are_as_described(service: ModelService, path: str, body: Any) -> None:
    """By the schemas of the OpenAPI document, which other programs generate clients from; errors too."""
    described = ask(service, "GET", "/openapi.json").json()["paths"][path]["post"]
    answer, refused = ask(service, "POST", path, json=body), ask(service, "POST", path, json={})
    taken = described["requestBody"]["content"]["application/json"]["schema"]

    jsonschema.validate(body, taken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, taken)
    assert (200, 400) == (answer.status_code, refused.status_code)
    for each in (answer, refused):
        schema = described["responses"][str(each.status_code)]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(each.json(), schema)


def test_every_route_is_described(service: ModelService) -> None:
    """None that there is not, and none missing but the page itself."""
    app = serving_app.create({"m": service}, executor=ThreadPoolExecutor(1), bounds=bodies.Bounds(), follow=60)
    routes = {route.path.replace("{model}", "m") for route in app.routes}  # type: ignore[attr-defined]
    assert routes - {"/docs"} == set(openapi.document([world.SCHEMA])["paths"])


def test_the_page_lists_routes_and_runs_no_script(service: ModelService) -> None:
    """With a request to copy."""
    page = ask(service, "GET", "/docs").text
    assert "POST" in page
    assert "{&quot;x&quot;: 1.5, &quot;z&quot;: 1.5, &quot;c&quot;: &quot;a&quot;}" in page
    assert "<script" not in page


@pytest.mark.parametrize(("method", "path", "content", "status", "words"), [
    ("POST", "/v1/models/m/predict", b'{"instances": [{"x": NaN}]}', 400, "JSON has no NaN"),
    ("POST", "/v1/models/m/predict", b"\xff", 400, "not JSON"),
    ("POST", "/v1/models/m/predict", b" " * 1001, 413, "more than 1000 bytes"),
    ("POST", "/v1/models/m/predict", b" " * 9000, 413, "more than 1000 bytes"),
    ("POST", "/v1/models/other/predict", b"{}", 404, "there is no model 'other' here (served are m)"),
    ("POST", "/v2/models/m/versions/v9/infer", b"{}", 404, "m v9 is not served (served are v1"),
    ("GET", "/v2/models/m/infer", None, 405, "GET is not what /v2/models/m/infer takes"),
    ("GET", "/v2/models/other", None, 404, "there is no model 'other'"),
    ("GET", "/v2/models/m/versions/v9/ready", None, 404, "m v9 is not served"),
    ("GET", "/", None, 404, "there is no /; /docs lists what there is"),
])  # fmt: skip
def test_an_error_is_json_in_words(
    service: ModelService, method: str, path: str, content: bytes | None, status: int, words: str
) -> None:
    """With the status that clients know."""
    answer = ask(service, method, path, content=content)
    assert status == answer.status_code
    assert words in answer.json()["error"]


@pytest.mark.parametrize(("headers", "size", "status", "words"), [
    ({}, 1001, 413, "the body has more than 1000 bytes (send fewer rows in a request)"),
    ({"content-encoding": "gzip"}, 2, 415, "the body is compressed (send it without content-encoding)"),
    ({"inference-header-content-length": "2"}, 2, 415, "the tensors are binary (send their data as JSON"),
])  # fmt: skip
def test_a_body_that_is_refused_ends_the_connection(
    service: ModelService, headers: dict[str, str], size: int, status: int, words: str
) -> None:
    """Its rest may still be on the way, and is no next request; the error is one of the tree and names the fix."""
    answer = ask(service, "POST", "/v1/models/m/predict", content=b" " * size, headers=headers)
    assert (status, "close") == (answer.status_code, answer.headers["connection"])
    assert answer.json()["error"].startswith(words)


def test_nothing_is_ready_before_a_champion(tmp_path: Path) -> None:
    """The process lives, says no, and why; predictions may be asked for again later."""
    with world.open_registry(tmp_path) as registry, ThreadPoolExecutor(1) as executor:
        empty = ModelService(Follower(registry, world.SCHEMA, (), executor), None, None, lambda: world.NOW)
        asyncio.run(empty.start())
        answers = {
            path: ask(empty, "GET", path) for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/m/ready")
        }
        refused = ask(empty, "POST", "/v1/models/m/predict", json={"instances": [ROW]})

    assert [200, 503, 503] == [answer.status_code for answer in answers.values()]
    assert (503, "1") == (refused.status_code, refused.headers["retry-after"])
    assert "m has no champion that could be loaded" in refused.json()["error"]


def test_metrics_are_prometheus(service: ModelService) -> None:
    """Parsed by its own client."""
    families = {f.name: f for f in text_string_to_metric_families(ask(service, "GET", "/metrics").text)}
    version = families["leeway_serve_version_info"].samples[0].labels
    assert ("m", "v1", "champion", "treelite") == tuple(version[k] for k in ("model", "version", "role", "predictor"))
    assert {"leeway_serve_log_rows", "leeway_serve_swaps", "leeway_serve_load_failures"} <= families.keys()


def test_the_error_of_a_defect_tells_nothing_of_the_inside(
    service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its traceback is for the log."""
    monkeypatch.setattr("serving.requests.named_json.read", lambda *_: 1 / 0)
    answer = ask(service, "POST", "/v1/models/m/predict", json={"instances": [ROW]})
    assert (500, {"error": "the server failed; its log says why"}) == (answer.status_code, answer.json())
