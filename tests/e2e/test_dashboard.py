"""The dashboard in a browser: a user finds what drifted, since when and what was done, without console errors."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, HttpCredentials, Page, sync_playwright

from dashboards.app import create
from registry.connection import Registry

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
HOW = "no chromium: `apt-get install chromium`, or name one in LEEWAY_CHROMIUM"
INCIDENT = "/models/flights/incidents/3"
PROMOTED, HELD = "/models/flights/incidents/4", "/models/flights/incidents/5"
LAST_OF_V1 = "/models/flights/windows/v1/inputs/2013-08-04T00:00:00Z"
WIDTHS = [1280, 400]
PASSWORD = "correct horse"
KNOWN: HttpCredentials = {"username": "anybody", "password": PASSWORD}
ABORTED = "net::ERR_ABORTED"  # what a browser says of the requests that it drops when it leaves a page


@dataclass
class Visitor:
    """A browser tab, and every complaint that its console has heard."""

    page: Page
    complaints: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless chromium, closed with the module: Playwright's event loop is in the way of everybody else's."""
    found = os.environ.get("LEEWAY_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip(HOW)
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs what containers and root do not have; only our own pages are opened.
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def address(world: Registry) -> Iterator[str]:
    """The dashboard of the world, served on a free loopback port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create(world, password=PASSWORD), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{free.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module", params=["light", "dark"])
def colours(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser that prefers light or dark colours, and keeps scripts from page to page as browsers do."""

    context = browser.new_context(base_url=address, color_scheme=request.param, http_credentials=KNOWN)
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def visitor(colours: BrowserContext, address: str) -> Iterator[Visitor]:
    """A tab; the test fails if its console complained, a request failed, or one went to another host."""
    page = colours.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda r: None if r.failure == ABORTED else complaints.append(f"failed: {r.url}"))
    page.on("request", lambda r: None if r.url.startswith(address) else complaints.append(f"asked: {r.url}"))
    yield Visitor(page, complaints)
    page.close()
    assert [] == complaints


def bars(page: Page) -> int:
    """Wait for the bar chart and return how many bars are drawn."""
    page.wait_for_selector("[data-chart=shares] .bars .point path", state="attached")
    return page.locator("[data-chart=shares] .bars .point path").count()


def test_from_the_overview_to_a_window_and_another_feature(visitor: Visitor) -> None:
    """The way a person takes: which model, since when, which feature, beside which other window."""
    page = visitor.page
    page.goto("/")
    row = page.get_by_role("row", name="flights")
    assert "generation 2, since 7 Aug 2013" in row.inner_text()
    assert "1 unresolved" in row.inner_text()

    page.get_by_role("link", name="flights", exact=True).click()
    assert "flights" == page.get_by_role("heading", level=1).inner_text()
    page.wait_for_selector("[data-chart=performance-1] .scatterlayer .point")
    assert ["AUC", "Log loss"] == page.locator("figure figcaption").all_inner_texts()
    assert "v3" in str(page.locator("[data-chart=performance-1] .infolayer").text_content())

    page.get_by_role("link", name="27 Jul – 2 Aug 2013, v1").click()
    assert "27 Jul – 2 Aug 2013" == page.get_by_role("heading", level=1).inner_text()
    assert "Distribution of temp" == page.locator("#distribution").inner_text()
    first = page.locator("table.data").first.locator("tbody tr").first
    assert ["temp", "drift"] == [first.locator("a").inner_text(), first.locator(".badge").first.inner_text()]
    assert 2 * 11 == bars(page)

    page.get_by_label("Variable").select_option("carrier")
    page.wait_for_url("**variable=carrier**")
    assert "Distribution of carrier" == page.locator("#distribution").inner_text()
    assert 2 * 7 == bars(page)

    page.get_by_label("Compare with window").select_option(label="24 Jun – 30 Jun 2013 (drift)")
    page.wait_for_url("**against=2013-07-01**")
    assert 3 * 7 == bars(page)
    assert "other window, 6" in page.locator("figure figcaption").inner_text()


def test_the_timeline_tells_every_verdict_without_colour(visitor: Visitor) -> None:
    """A letter in each cell, a word for who cannot see it, and the reason on hovering."""
    page = visitor.page
    page.goto("/models/flights?until=2013-05-20")
    cells = {name: page.get_by_role("row", name=name, exact=False).locator(".cell") for name in ("feature", "quality")}
    letters = {
        name: set("".join(found.locator("span[aria-hidden]").all_inner_texts())) for name, found in cells.items()
    }

    assert {"feature": {"D", "·"}, "quality": {"F", "·"}} == letters
    fault = cells["quality"].filter(has_text="F").first
    assert "3 May – 9 May 2013, v1: fault (wind_speed)" == fault.get_attribute("title")
    fault.click()
    assert "fault" == page.locator("tr", has_text="missing share").locator(".badge").inner_text()


def test_history_is_paged_by_date(visitor: Visitor) -> None:
    """Sixty windows a page, back to the first one and forth to the newest."""
    page = visitor.page
    page.goto("/models/flights")
    for _ in range(3):
        page.get_by_text("← Earlier").click()
    assert 0 == page.get_by_text("← Earlier").count()
    assert "1 Mar – 7 Mar 2013, v1" == page.locator(".tick a").first.get_attribute("aria-label")

    page.get_by_text("Later →").click()
    page.get_by_role("link", name="Newest", exact=True).click()
    assert "24 Sep – 30 Sep 2013, v3" == page.locator(".tick a").last.get_attribute("aria-label")


def test_a_segment_is_chosen(visitor: Visitor) -> None:
    """The timeline of one segment, and its windows."""
    page = visitor.page
    page.goto("/models/flights")
    page.get_by_label("Segment").select_option("origin=JFK")
    page.wait_for_url("**segment=origin%3DJFK**")
    page.locator(".tick a").last.click()

    assert "origin=JFK" in page.locator(".lead").inner_text()


def test_decisions_and_checks_are_told_with_their_reasons(visitor: Visitor) -> None:
    """Each incident with its decision, each challenger with what the gate wanted and got."""
    page = visitor.page
    page.goto("/models/flights")
    incident = page.locator("tr", has_text="performance").filter(has_text="no.")
    assert "6100 rows with labels to train on" in incident.inner_text()
    incident.get_by_text("pieces of evidence").click()
    assert 2 == incident.locator("details a").count()

    page.locator("details.run summary", has_text="v2").click()
    check = page.get_by_role("row", name="paired loss").filter(has_text="+0.004")
    assert "fail" == check.locator(".badge").inner_text()
    assert "v1 → v3" in page.locator("section", has_text="Promotions").last.inner_text()


def test_an_incident_is_explained_on_its_own_page(visitor: Visitor) -> None:
    """From its row to what moved, in which segments, with the evidence over time, and on to the window."""
    page = visitor.page
    page.goto("/models/flights")
    page.locator("tr", has_text="no. 3, v1").get_by_role("link", name="feature", exact=True).click()
    assert "Feature incident 3" == page.get_by_role("heading", level=1).inner_text()

    moved = page.locator("section", has=page.locator("#moved")).locator("tbody tr").first.inner_text()
    assert ["temp", "up", "inside the guarantee"] == [
        word for word in ("temp", "up", "inside the guarantee") if word in moved
    ]
    assert "A shift within segments of origin" in moved
    segments = page.locator("section", has=page.locator("#segments")).locator("tbody th").all_inner_texts()
    assert ["all traffic", "origin=JFK", "origin=LGA"] == segments

    page.wait_for_selector("[data-chart=evidence] .scatterlayer .point")
    assert "opened" in str(page.locator("[data-chart=evidence] .infolayer").text_content())
    hover(page, "[data-chart=evidence] .scatterlayer .point >> nth=-1", "of 450, drift")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/windows/v1/inputs/**")
    page.go_back()
    assert {"D", "·"} == set(page.locator(".timeline .cell span[aria-hidden]").all_inner_texts())
    page.get_by_text("Evidence as a table").click()
    assert "drift" in page.locator("figure table tbody tr").first.inner_text()

    page.get_by_role("link", name="temp").first.click()
    assert "Distribution of temp" == page.locator("#distribution").inner_text()
    assert "inside the guarantee" in page.locator("tr.chosen").first.inner_text()


def test_what_was_done_and_whether_it_helped_is_on_the_incident_page(visitor: Visitor) -> None:
    """The gate's checks, the trial and the watch look by look, the verdict, and the command that undoes it."""
    page = visitor.page
    page.goto(PROMOTED)
    retrains = page.locator("section", has=page.locator("#retrains"))

    assert "48000 rows (sha256 0123456789abcdef)" in retrains.inner_text()
    assert "Loss 4.5 % lower than v1 would have had" in retrains.inner_text()
    watch = retrains.locator("table.looks").last
    assert ["undecided", "better"] == watch.locator("tbody .badge").all_inner_texts()
    assert 2 == watch.locator("svg.look").count()
    undo = page.locator("section", has=page.locator("#undo")).locator("code").first.inner_text()
    assert 'leeway rollback --model flights --to v1 --because "..."' == undo


def test_a_held_run_has_a_badge_and_says_what_it_waits_for(visitor: Visitor) -> None:
    """On the model's page, and on that of its incident, whose decision was revised."""
    page = visitor.page
    page.goto("/models/flights")
    assert "held" == page.locator("details.run summary .badge").first.inner_text()

    page.goto(HELD)
    assert "waits for labels: run 3 is held, v4 answers in shadow" in page.locator("main").inner_text()
    decisions = page.locator("section", has=page.locator("#decisions")).locator(".decision strong").all_inner_texts()
    assert ["retrain", "no action"] == decisions


def test_a_chart_can_be_read_as_a_table(visitor: Visitor) -> None:
    """Nothing is in a picture alone."""
    page = visitor.page
    page.goto(LAST_OF_V1 + "?variable=origin")
    page.get_by_text("origin as a table").click()
    rows = page.locator("figure table tbody tr").all_inner_texts()

    assert ["EWR", "JFK", "LGA", "other"] == [row.split("\t")[0] for row in rows]


def hover(page: Page, mark: str, told: str) -> None:
    """Move the mouse onto a mark of a chart and wait for what it tells."""
    point = page.locator(mark).first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator(".hoverlayer").get_by_text(told).first.wait_for()


def test_a_point_of_the_chart_tells_its_verdict_and_leads_to_its_window(visitor: Visitor) -> None:
    """Pointing at a bad day says what it was, clicking opens it."""
    page = visitor.page
    page.goto("/models/flights")
    hover(page, "[data-chart=performance-1] .trace:last-child .point", "v1, drift")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/windows/v1/outcomes/**")


def test_a_bar_tells_its_rows(visitor: Visitor) -> None:
    """Pointing at a bar gives the share and the number of rows behind it."""
    page = visitor.page
    page.goto(LAST_OF_V1)
    hover(page, "[data-chart=shares] .trace:last-child .point:nth-child(6)", "rows)")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["/", "/models/flights", LAST_OF_V1, INCIDENT, PROMOTED, HELD, "/models/churn"])
def test_no_page_is_wider_than_the_screen(visitor: Visitor, path: str, width: int) -> None:
    """On a telephone, too: tables become cards, long timelines scroll inside their box."""
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(path)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_pages_still_answer(browser: Browser, address: str) -> None:
    """Forms have a button, tables have the numbers."""
    context = browser.new_context(base_url=address, java_script_enabled=False, http_credentials=KNOWN)
    page = context.new_page()
    page.goto(LAST_OF_V1)
    page.get_by_label("Variable").select_option("carrier")
    page.locator("form.choose button").click()

    assert "Distribution of carrier" == page.locator("#distribution").inner_text()
    context.close()


def test_text_has_contrast(visitor: Visitor) -> None:
    """Every word has at least 4.5 to 1 against what is behind it (WCAG 2.1, AA), in both colour schemes."""
    page = visitor.page
    for path in (
        "/",
        "/models/flights?until=2013-05-20",
        LAST_OF_V1,
        INCIDENT,
        PROMOTED,
        HELD,
        "/models/flights/incidents/2",
    ):
        page.goto(path)
        assert [] == page.evaluate((HERE / "contrast.js").read_text())


def test_a_page_elsewhere_gets_nothing_out_of_a_browser_that_knows_the_password(browser: Browser, address: str) -> None:
    """It can neither embed what is here nor fetch it, although the browser would add the password by itself."""
    context = browser.new_context(http_credentials=KNOWN)
    page = context.new_page()
    page.route("http://elsewhere.test/", lambda route: route.fulfill(body="<title>x</title>", content_type="text/html"))
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status) if answer.url.startswith(address) else None)
    page.goto("http://elsewhere.test/")
    seen = page.evaluate(
        """async address => {
            const image = new Promise(done => {
                const element = new Image();
                element.onload = () => done("loaded");
                element.onerror = () => done("refused");
                element.src = address + "/static/mark.svg";
            });
            const text = fetch(address + "/api/models", {credentials: "include"}).then(a => a.text(), () => "refused");
            return [await image, await text];
        }""",
        address,
    )
    context.close()

    assert ["refused", "refused"] == seen
    assert {403} >= set(statuses)
