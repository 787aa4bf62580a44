"""Access to the dashboard: login, refusals with a message, and security headers."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from plotly import offline

from dashboards import app, login_throttle, security
from features.errors import ProjectError, RegistryError
from features.schema import EventSchema, FeatureKind, Task
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.stats.bins import NumericBins
from registry import operations
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Version

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
WINDOW = "/models/late/windows/v1/inputs/2024-01-08T00:00:00Z"
BINS = NumericBins(edges=(0.0, 1.0, 2.0))
HOSTILE = "<script>alert(1)</script>"
PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def reg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with one model, one champion and two windows of it, the second one revised."""
    root: Path = tmp_path_factory.mktemp("registry")
    with Registry.open(f"sqlite:///{root}/leeway.db", root / "artifacts") as made:
        operations.add_model(made, model="late", task="binary", now=START)
        operations.add_version(made, Version(model="late", version="v1", mode="external", created_at=START))
        digest = operations.store_baseline(made, baseline(), now=START)
        operations.promote(
            made, model="late", version="v1", expected_generation=0, effective_at=START, actor="me", reason=HOSTILE,
            now=START,
        )  # fmt: skip
        for end, count in ((7, 50), (8, 50), (8, 60)):
            ingest.ingest(made, [report(START + end * DAY, digest, count)], now=START)
        yield made


def cells(low: int, high: int) -> list[int]:
    """Return a row of counts with nothing out of range."""
    return [low, high] + [0] * (BINS.cells - BINS.body)


def baseline() -> Baseline:
    """Return a baseline of one feature."""
    schema = EventSchema(model="late", task=Task.BINARY, features={"temp": FeatureKind.NUMERIC})
    counts = Slice(start=0, counts={"temp": cells(60, 40)})
    return Baseline(
        events=schema, version="v1", start=START - 9 * DAY, end=START, rows=100,
        bins={"temp": BINS}, inputs=(counts,),
    )  # fmt: skip


def report(end: datetime, digest: str, count: int) -> Report:
    """Return a window in which the temperature drifts, for a reason that is no friend of HTML."""
    away = Finding(
        signal=Signal.FEATURE, variable="temp", window_verdict=Verdict.DRIFT, metric="js_distance_log2", effect=0.3,
        threshold=0.1, n=100, baseline_n=100, reason=HOSTILE,
    )  # fmt: skip
    return Report(
        model="late", version="v1", stage=Stage.INPUTS, window_start=end - 7 * DAY, window_end=end, baseline=digest,
        rows=100, counts={"temp": cells(100 - count, count)}, findings=(away,),
    )  # fmt: skip


class Browser:
    """Asks the dashboard as if it were served on loopback, with the password if it is *known*."""

    def __init__(
        self,
        reg: Registry,
        *,
        known: bool = True,
        policies: Mapping[str, MonitorPolicy] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        made = app.create(reg, password=PASSWORD, policies=policies, attempts=login_throttle.LoginAttempts(clock))
        self._transport = httpx.ASGITransport(made)
        self._sent = {"authorization": f"Bearer {PASSWORD}"} if known else {}

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer to a GET of *path*."""
        return self.request("GET", path, headers)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer to one request."""

        async def ask() -> httpx.Response:
            """Ask without a server."""
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1:8321") as client:
                return await client.request(method, path, headers={**self._sent, **(headers or {})})

        return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/", "/models/late", WINDOW, "/nowhere", "/static/app.js", "/api/models"])
def test_every_answer_has_the_safe_headers(reg: Registry, path: str) -> None:
    """Pages, errors, files and JSON alike; no answer allows an inline script."""
    headers = Browser(reg).get(path).headers

    assert security.HEADERS.items() <= dict(headers).items()
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def test_what_is_about_models_is_not_cached_and_files_are_asked_after(reg: Registry) -> None:
    """A shared cache never holds a page; a style sheet is kept while its tag is the same."""
    seen = Browser(reg)

    assert "no-store" == seen.get("/models/late").headers["cache-control"]
    assert "no-cache" == seen.get("/static/style.css").headers["cache-control"]


@pytest.mark.parametrize("path", ["/models/late", WINDOW, "/models/late/incidents/1"])
def test_words_from_outside_stay_words(reg: Registry, path: str) -> None:
    """A reason or an actor with markup in it is shown, not run."""
    page = Browser(reg).get(path).text

    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_newest_revision_is_shown_under_the_same_address(reg: Registry) -> None:
    """Late data change the window's page, not its address."""
    page = Browser(reg).get("/models/late/windows/v1/inputs/2024-01-09").text

    assert "revision 2 after late data" in page


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/models/early", "There is no model &#39;early&#39;"),
        ("/models/late/windows/v1/inputs/2024-02-01", "There is no inputs window of late v1 that ends at 2024-02-01"),
        ("/models/late/windows/v2/inputs/2024-01-08", "There is no inputs window of late v2"),
        (WINDOW + "?variable=wind", "This window has no variable &#39;wind&#39;"),
        (WINDOW + "?against=2024-03-01", "ends at 2024-03-01"),
        ("/models/late/windows/v1/inputs/soon", "This address cannot be read (end:"),
        ("/models/late/windows/v1/sideways/2024-01-08", "This address cannot be read (stage:"),
        ("/models/late?until=whenever", "This address cannot be read (until:"),
        ("/nowhere", "There is no page /nowhere"),
        ("/static/nowhere.js", "There is no page /static/nowhere.js"),
    ],
)
def test_what_is_not_there_is_said_with_a_way_back(reg: Registry, path: str, said: str) -> None:
    """A 404 page says what is missing and leads back to the models."""
    answer = Browser(reg).get(path)

    assert 404 == answer.status_code
    assert said in answer.text
    assert '<a href="/">All models</a>' in answer.text


def test_the_api_refuses_in_json(reg: Registry) -> None:
    """Programs get the same words as an object."""
    answer = Browser(reg).get("/api/models/early")

    assert (404, "there is no model 'early'", "registered: late") == (
        answer.status_code, answer.json()["error"], answer.json()["hint"],
    )  # fmt: skip


def test_a_registry_that_cannot_be_read_is_503(reg: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says why and what to do, in the registry's own words."""

    def locked(*_: object) -> None:
        raise RegistryError("the registry cannot be used: locked", hint="try again")

    monkeypatch.setattr("registry.queries.models", locked)
    answer = Browser(reg).get("/")

    assert 503 == answer.status_code
    assert "The registry cannot be used: locked." in answer.text
    assert "Try again." in answer.text


def test_an_empty_registry_says_what_to_run(tmp_path: Path) -> None:
    """A new user is told the command that makes something appear."""
    with Registry.open(f"sqlite:///{tmp_path}/leeway.db", tmp_path / "artifacts") as empty:
        page = Browser(empty).get("/").text

    assert "leeway baseline" in page


def test_a_model_without_windows_says_what_to_run(reg: Registry) -> None:
    """So is a user whose model has a baseline and nothing else; an empty segment is another matter."""
    with Registry.open(str(reg.url).replace("leeway.db", "other.db"), Path(reg.artifacts.root)) as other:
        operations.add_model(other, model="new", task="binary", now=START)
        seen = Browser(other)

        assert "leeway monitor" in seen.get("/models/new").text
        assert "leeway monitor" not in seen.get("/models/new?segment=origin=JFK").text


@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:8321", "127.0.0.1.evil.example", "", "[:evil", "[::1", "[", "[::1].evil.example",
    "[evil]:80", "[::1%eth0]", "localhost:", "localhost:99999", "localhost:x", "user@localhost", "localhost/x",
    "10.0.0.1", "localhost evil.example", "127.0.0.1#@evil.example", "2130706433",
])  # fmt: skip
def test_other_host_names_are_not_answered(reg: Registry, host: str) -> None:
    """A name that somebody points at this machine does not get through to it."""
    answer = Browser(reg).get("/", headers={"host": host})

    assert 400 == answer.status_code
    assert "Models" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8321", "127.0.0.1", "[::1]:8321"])
def test_this_machines_names_are_answered(reg: Registry, host: str) -> None:
    """With and without a port, IPv6 too."""
    assert 200 == Browser(reg).get("/", headers={"host": host}).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "http://127.0.0.1:8321"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 200),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}, 200),
    ],
)
def test_pages_elsewhere_get_nothing(reg: Registry, headers: dict[str, str], status: int) -> None:
    """Not even with the password that a browser would add; a link from elsewhere is followed."""
    assert status == Browser(reg).get("/", headers).status_code


def test_pages_elsewhere_cannot_lock_a_user_out(reg: Registry) -> None:
    """They are refused before a password of theirs counts."""
    seen = Browser(reg, known=False)
    for _ in range(20):
        seen.get("/", {"origin": "http://evil.example", "authorization": "Bearer wrong"})

    assert 200 == seen.get("/", {"authorization": f"Bearer {PASSWORD}"}).status_code


def test_wrong_passwords_are_limited_and_the_right_one_gets_in_afterwards(reg: Registry) -> None:
    """Of 500 guesses at once a few are looked at; while a client waits, it does not learn which one is right."""
    now = [0.0]
    seen = Browser(reg, known=False, clock=lambda: now[0])
    right = {"authorization": f"Bearer {PASSWORD}"}
    answers = [seen.get("/", {"authorization": f"Bearer {i}"}) for i in range(500)]

    assert {401: login_throttle.FREE, 429: 500 - login_throttle.FREE} == Counter(a.status_code for a in answers)
    assert ("1", 429) == (answers[-1].headers["retry-after"], seen.get("/", right).status_code)
    now[0] += 1
    assert 200 == seen.get("/", right).status_code


def test_who_only_looks_is_not_counted(reg: Registry) -> None:
    """A browser asks without a password first, each time."""
    seen = Browser(reg, known=False)

    assert {401} == {seen.get("/").status_code for _ in range(20)}
    assert 200 == seen.get("/", {"authorization": f"Bearer {PASSWORD}"}).status_code


def test_an_empty_password_is_none(reg: Registry) -> None:
    """It would let everybody in."""
    with pytest.raises(ProjectError):
        app.create(reg, password="")


def basic(password: str) -> str:
    """Return the header that a browser sends."""
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize("path", ["/", "/api/models", "/static/app.js", "/api/openapi.json", "/nowhere"])
def test_nothing_is_shown_without_the_password(reg: Registry, path: str) -> None:
    """Pages, data, files and even errors are behind it, and the browser is told to ask."""
    answer = Browser(reg, known=False).get(path)

    assert 401 == answer.status_code
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert security.HEADERS.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (basic("s3cret"), 200),
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        (basic("S3cret"), 401),
        (basic(""), 401),
        ("Bearer ", 401),
        ("Bearer s3cretx", 401),
        ("Basic not-base64", 401),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), 401),
        ("Digest s3cret", 401),
        ("s3cret", 401),
    ],
)
def test_only_the_password_opens(reg: Registry, authorization: str, status: int) -> None:
    """As a browser sends it or as a bearer token; anything else is asked again."""
    assert status == Browser(reg, known=False).get("/", headers={"authorization": authorization}).status_code


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_plotly_comes_from_its_package(reg: Registry, accepted: str) -> None:
    """The script is the installed one, compressed only for who can read that."""
    answer = Browser(reg).get("/static/plotly.min.js", {"accept-encoding": accepted})

    assert offline.get_plotlyjs() == answer.text
    assert accepted == answer.headers.get("content-encoding", "identity")


def test_the_api_says_what_the_pages_say(reg: Registry) -> None:
    """Overview, model and window under the pages' own addresses; times in ISO 8601 with their zone."""
    seen = Browser(reg)
    (about,) = seen.get("/api/models").json()
    shown = seen.get("/api/models/late").json()
    window = seen.get("/api" + WINDOW).json()

    assert ("late", "v1", "drift") == (about["model"], about["champion"]["version"], about["inputs"]["verdict"])
    assert ["2024-01-08T00:00:00Z", "2024-01-09T00:00:00Z"] == [c["end"] for c in shown["timeline"]["columns"]]
    assert [[60, 40], [50, 50]] == [s["counts"] for s in window["distribution"]["samples"]]
    (incident,) = seen.get("/api/models/late/incidents").json()
    assert ("feature", "info") == (incident["incident"]["signal"], incident["incident"]["severity"])
    assert [] == seen.get("/api/models/late/runs").json()


def test_the_api_describes_itself_without_another_host(reg: Registry) -> None:
    """OpenAPI yes; its usual viewers load scripts from elsewhere, so they are off."""
    seen = Browser(reg)

    assert set(seen.get("/api/openapi.json").json()["paths"]) >= {"/api/models", "/api/models/{model}"}
    assert [404, 404] == [seen.get(path).status_code for path in ("/docs", "/redoc")]


def test_only_reading_is_possible(reg: Registry) -> None:
    """No page and no API answer changes anything."""
    seen = Browser(reg)

    assert {405} == {seen.request(method, "/models/late").status_code for method in ("POST", "PUT", "DELETE", "PATCH")}
