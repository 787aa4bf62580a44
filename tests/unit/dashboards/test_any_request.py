"""Robustness of the dashboard: any request gets a page or a plain error, never a 500."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dashboards import api, pages
from leeway.stack import postgres
from registry import operations
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Version
from tests.support.example_counts import examples
from tests.unit.dashboards.test_app import DAY, START, WINDOW, Browser, baseline, report

ROUTES = sorted({route.path for r in (pages.router, api.router) for route in r.routes if isinstance(route, APIRoute)})
KNOWN = {"model": "late", "version": "v1", "stage": "inputs", "end": "2024-01-08T00:00:00Z", "number": "1"}
MOMENTS = st.datetimes(timezones=st.none() | st.timezones()).map(lambda at: at.isoformat()) | st.sampled_from(
    ["0001-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "9999-12-31", "-1", "1e400", "NaN"]
)
NUMBERS = st.integers().map(str) | st.sampled_from([str(n) for n in (0, 2**31, 2**63 - 1, 2**63)] + ["1" * 5000])
NAMES = st.text(max_size=20) | st.sampled_from(
    ["late", "v1", "temp", "\0", "..", "../../x", "a" * 5000, "\x1b[", "%ff"]
)
PART = st.one_of(MOMENTS, NUMBERS, NAMES, st.sampled_from([*KNOWN.values(), "outcomes"]))
QUERY = st.dictionaries(st.sampled_from(["until", "against", "segment", "variable"]), PART)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser at the pages of a model with a champion, windows and an incident, on each database."""
    # Not in pytest's folder: where root runs the tests, the server is another user and has to get there.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if request.param == "sqlite":
            with Registry.open(f"sqlite:///{root}/leeway.db", root / "artifacts") as reg:
                yield Browser(filled(reg))
        else:
            with (
                postgres.running(root, durable=False) as url,
                Registry.open(str(url), root / "artifacts") as reg,
            ):
                yield Browser(filled(reg))


def filled(reg: Registry) -> Registry:
    """Return the registry with something on each page."""
    operations.add_model(reg, model="late", task="binary", now=START)
    operations.add_version(reg, Version(model="late", version="v1", mode="external", created_at=START))
    digest = operations.store_baseline(reg, baseline(), now=START)
    operations.promote(
        reg,
        model="late",
        version="v1",
        expected_generation=0,
        effective_at=START,
        actor="me",
        reason="first",
        now=START,
    )
    for end in (7, 8):
        ingest.ingest(reg, [report(START + end * DAY, digest, 50)], now=START)
    return reg


def path_of(route: str, parts: Mapping[str, str]) -> str:
    """Return a route's path with each of its parts quoted."""
    return re.sub(r"\{(\w+)\}", lambda found: _quoted(parts[found[1]]), route)


def _quoted(part: str) -> str:
    """Return a part of a path, quoted; dots alone too, or the client would go a folder up and ask for another page."""
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


@st.composite
def requests(draw: st.DrawFn) -> str:
    """Return a path of any route with known and unknown parts, and a query."""
    parts = {name: draw(st.just(known) | PART) for name, known in KNOWN.items()}
    return f"{path_of(draw(st.sampled_from(ROUTES)), parts)}?{urlencode(draw(QUERY), errors='replace')}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(100))
@given(path=requests())
@example("/models/late?until=0001-01-01")
@example("/models/late?until=9999-12-31T23:59:59")
@example(f"{WINDOW}?against=0001-01-01T00:00:00%2B23:59")
@example("/models/late/windows/v1/inputs/9999-12-31T23:59:59-01:00")
@example("/models/late/incidents/9223372036854775807")
@example("/api/models/late/incidents/9223372036854775807")
@example("/models/late?segment=%00")
@example("/models/%00")
@example("/api/models/%2E%2E")
def test_no_path_and_no_query_is_a_500(browser: Browser, path: str) -> None:
    """Each part is bounded by its type: outside of it, the answer says what cannot be read."""
    answer = browser.get(path)

    assert answer.status_code in {200, 307, 404}, path  # 307 takes a slash from the end
    if answer.status_code == 404:
        assert "Traceback" not in answer.text
        assert answer.json()["error"] if path.startswith("/api/") else "All models" in answer.text


@pytest.mark.parametrize(
    "path",
    ["/static/%00", "/static/" + "a" * 300, "/static/..%2f..%2fapp.py", "/static//etc/passwd", "/static/", "/%00",
     "/models/late%2F..", "/%ff", "/static/app.js%00", "/models/" + "a/" * 200 + "b"],
)  # fmt: skip
def test_no_other_path_is_a_500(browser: Browser, path: str) -> None:
    """Files by their own names alone, and nothing else reaches the file system."""
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "[:evil"}, {"host": "["}, {"host": "a" * 5000}, {"host": "\xff"}, {"origin": "://"},
        {"origin": "\xff"}, {"authorization": "Basic \xff"}, {"authorization": "Basic " + "A" * 9999},
        {"authorization": ""}, {"sec-fetch-site": "\xff"},
        {"if-none-match": '"' * 99}, {"if-modified-since": "Mon, 99 Jan 99999 99:99:99"},
        {"range": "bytes=9" + "9" * 4999 + "-"}, {"range": "bytes=-1-1"}, {"accept-encoding": "\xff"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/static/app.js"])
def test_no_header_is_a_500(browser: Browser, headers: dict[str, str], path: str) -> None:
    """A bad one is refused, or does not matter."""
    answer = browser.get(path, {name: value.encode("latin-1") for name, value in headers.items()})  # type: ignore[misc]

    assert answer.status_code in {200, 206, 304, 400, 401, 403, 404, 416, 429}
