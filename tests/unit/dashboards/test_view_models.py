"""View models of pages, as functions of registry records."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dashboards import view_models
from dashboards.pages import templates
from dashboards.timeline import Address
from monitors.finding import Stage
from monitors.signals import Severity
from registry.records import Check, CheckResult, Incident, IncidentState, RetrainRun, RunState
from registry.views.retrain_record import CandidateRecord, RetrainRecord
from tests.support.drift_evidence import evidence

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
DAYS = [START + d * DAY for d in range(100)]
EVIDENCE = evidence("temp", effect=0.2, threshold=0.1, reason="0.2 exceeds 0.1", segment="origin=JFK",
                    window_start=START, window_end=START + 7 * DAY)  # fmt: skip


def incident(**more: Any) -> Incident:
    """Return an open incident of v1, seen from day 7 to day 9."""
    given = {
        "id": 1, "model": "m", "version": "v1", "signal": "feature", "severity": "info", "state": IncidentState.OPEN,
        "since": START + 7 * DAY, "judged_until": START + 9 * DAY, "windows": 3,
        "opened_at": START + 7 * DAY, "last_seen": START + 9 * DAY, "evidence": [EVIDENCE], **more,
    }  # fmt: skip
    return Incident.model_validate(given)


def test_evidence_leads_to_its_window() -> None:
    """A stored finding becomes a line with the address of the window it was found in."""
    (shown,) = view_models.incident(incident(), None).evidence

    assert Address("v1", Stage.INPUTS, START + 7 * DAY, "origin=JFK") == shown.window
    assert ("temp", 0.2, 0.1, "0.2 exceeds 0.1") == (shown.variable, shown.effect, shown.threshold, shown.reason)


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("corrections", [0, 2])
def test_an_incident_shows_how_bad_it_is(severity: Severity, corrections: int) -> None:
    """As a word with a shape, not as a colour alone; and whether late data have corrected it."""
    view = view_models.incident(incident(severity=severity, corrections=corrections), None)
    macros = templates.get_template("macros.html").make_module({"views": [view]})
    shown = macros.incidents("m", [view])  # type: ignore[attr-defined]

    assert f'<span class="badge {severity.value}"><svg' in shown
    assert bool(corrections) is ("corrected by late data" in shown)


@pytest.mark.parametrize(
    ("version", "day", "there"),
    [("v1", 6, False), ("v1", 7, True), ("v1", 9, True), ("v1", 10, False), ("v2", 8, False)],
)
def test_a_window_shows_the_incidents_of_its_time_and_version(version: str, day: int, there: bool) -> None:
    """From the first window of the episode to the newest, both included."""
    view = view_models.incident(incident(), None)

    shown = view_models.during([view], Address(version, Stage.INPUTS, START + day * DAY))

    assert there is (view in shown)


def test_checks_are_grouped_by_candidate() -> None:
    """In the order they were recorded, with how many passed."""
    run = RetrainRun(id=1, decision_id=1, model="m", state=RunState.REJECTED, as_of=START, started_at=START)
    checks = [
        Check(name=name, result=result, got="", want="", version=version)
        for name, result, version in [
            ("a", CheckResult.PASS, "v2"), ("a", CheckResult.PASS, "v3"), ("b", CheckResult.HOLD, "v2"),
        ]
    ]  # fmt: skip
    candidates = tuple(CandidateRecord(v, None, tuple(c for c in checks if c.version == v)) for v in ("v2", "v3"))
    view = view_models.run(RetrainRecord(run, None, candidates, (), None, None))

    assert [("v2", ["a", "b"]), ("v3", ["a"])] == [
        (version, [c.name for c in found]) for version, found in view.candidates
    ]
    assert (2, 3) == (view.passed, view.total)


def test_paging_back_and_forth_misses_no_window() -> None:
    """Every window is on some page, whichever way one walks."""
    newest, seen, until = DAYS[-1], set[datetime](), DAYS[-1]
    while True:
        shown = [d for d in DAYS if d <= until][-30:]
        seen.update(shown)
        page = view_models.pages(shown, cut=shown[0] > DAYS[0], newest=newest)
        if page.earlier is None:
            break
        until = page.earlier
    assert set(DAYS) == seen

    walked = set(shown)
    while page.later is not None:
        shown = [d for d in DAYS if d <= page.later][-30:]
        walked.update(shown)
        page = view_models.pages(shown, cut=shown[0] > DAYS[0], newest=newest)
    assert set(DAYS) == walked


@pytest.mark.parametrize(
    ("shown", "newest", "expected"),
    [
        ([], None, view_models.Pages(None, None)),
        ([], START, view_models.Pages(None, START)),
        ([START], START, view_models.Pages(None, None)),
        ([START], START + DAY, view_models.Pages(None, START + DAY)),
    ],
)
def test_pages_at_the_ends(shown: list[datetime], newest: datetime | None, expected: view_models.Pages) -> None:
    """An empty page leads to the newest, a single window to what follows, the newest nowhere."""
    assert expected == view_models.pages(shown, cut=False, newest=newest)
