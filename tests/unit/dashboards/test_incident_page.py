"""View of an incident: evidence required for the alarm, window verdicts, and effects to scale."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from dashboards import charts, incident_page
from dashboards.incident_page import EvidencePoint, EvidenceTrace, Scale
from dashboards.timeline import Address
from monitors.explain.explanation import explain_window
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry.incidents.explain import WindowVerdict
from registry.records import Incident, IncidentState
from tests.support.incident_world import DAY, START, A, B, baseline, finding, inputs, number, report, steady

COUNTS = inputs(number(100, 100))


def day(n: int) -> datetime:
    """Return the end of day *n*."""
    return START + n * DAY


def incident(since: int, last: int) -> Incident:
    """Return an incident of x that was seen from day *since* to day *last*."""
    return Incident.model_validate({
        "id": 1, "model": "late", "version": "v1", "signal": "feature", "severity": "info",
        "state": IncidentState.OPEN, "since": day(since), "opened_at": day(since), "last_seen": day(last),
        "judged_until": day(last), "windows": last - since + 1, "evidence": [],
    })  # fmt: skip


def evidence(n: int, *totals: float, segment: str = "", **said: Any) -> Report:
    """Return day *n*, steady, with evidence for as many variables."""
    return report(COUNTS, *(steady(f"x{i}", evidence=t, **said) for i, t in enumerate(totals)), day=n, segment=segment)


def test_evidence_is_summed_window_by_window() -> None:
    """All variables that share what is needed are one line, with the window that each point leads to."""
    last = report(COUNTS, finding("x", evidence=451.0), day=2)
    (trace,) = incident_page.evidence_traces([evidence(1, 10.0, 5.5), last], Signal.FEATURE)

    assert ("", 450.0) == (trace.segment, trace.evidence_required)
    assert (
        EvidencePoint(day(1), 15.5, Verdict.STEADY, Address("v1", Stage.INPUTS, day(1))),
        EvidencePoint(day(2), 451.0, Verdict.DRIFT, Address("v1", Stage.INPUTS, day(2))),
    ) == trace.points
    assert 451 / 450 == trace.peak


def test_the_lines_nearest_to_an_alarm_are_drawn() -> None:
    """By their peak as a multiple of what each needs, not by evidence: three can be told apart."""
    some = [
        evidence(1, 100.0), evidence(1, 300.0, segment=A), evidence(1, 200.0, segment=B),
        evidence(1, 1.0, segment="site=C"), evidence(2, 90.0, segment=B, evidence_required=100.0),
    ]  # fmt: skip

    assert [(B, 100.0), (A, 450.0), (B, 450.0)] == [
        (t.segment, t.evidence_required) for t in incident_page.evidence_traces(some, Signal.FEATURE)
    ]


def test_without_evidence_there_is_no_line() -> None:
    """Of a signal that is not judged over time, or not there."""
    alone = report(COUNTS, steady("x", evidence_required=None, evidence=None))

    assert () == incident_page.evidence_traces([alone], Signal.FEATURE)
    assert () == incident_page.evidence_traces([evidence(1, 3.0)], Signal.QUALITY)


def test_a_window_is_a_column_and_a_segment_a_row() -> None:
    """All traffic first; a window that tells nothing of a segment leaves a gap; the incident's columns are marked."""
    said = [
        WindowVerdict(day(1), Stage.INPUTS, "", Verdict.STEADY),
        WindowVerdict(day(1), Stage.INPUTS, B, Verdict.STEADY),
        WindowVerdict(day(2), Stage.INPUTS, "", Verdict.DRIFT),
        WindowVerdict(day(2), Stage.INPUTS, A, Verdict.NOT_ENOUGH),
        WindowVerdict(day(3), Stage.INPUTS, "", Verdict.STEADY),
    ]
    shown = incident_page.verdict_grid(said, incident(2, 2))

    assert ((day(1), day(2), day(3)), (False, True, False)) == (shown.ends, shown.inside)
    assert {"": "sds", A: "-n-", B: "s--"} == {
        row.segment: "".join(c.verdict.value[0] if c else "-" for c in row.cells) for row in shown.rows
    }
    assert Address("v1", Stage.INPUTS, day(2), A) == shown.rows[1].cells[1].window  # type: ignore[union-attr]
    assert (("Mar 2024", 3),) == shown.months


@pytest.mark.parametrize("order", [1, -1])
def test_of_both_stages_the_worse_verdict_is_shown(order: int) -> None:
    """A label's fault counts though the inputs are well, whichever is read first."""
    said = [
        WindowVerdict(day(1), Stage.INPUTS, "", Verdict.STEADY),
        WindowVerdict(day(1), Stage.OUTCOMES, "", Verdict.DRIFT),
    ][::order]
    ((cell,),) = (row.cells for row in incident_page.verdict_grid(said, incident(1, 1)).rows)

    assert (Verdict.DRIFT, Stage.OUTCOMES) == (cell.verdict, cell.window.stage)  # type: ignore[union-attr]


def test_what_is_told_leads_to_its_window() -> None:
    """A variable to the segment that it is told of, a segment to itself."""
    told = explain_window(baseline(), [report(COUNTS), report(COUNTS, finding("x"), segment=A)])

    assert Address("v1", Stage.INPUTS, day(1), A) == incident_page.window_address(told, told.drifted[0])
    assert [Address("v1", Stage.INPUTS, day(1), s) for s in ("", A)] == [
        incident_page.window_address(told, c) for c in told.segments
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "least", "expected"),
    [
        (finding("x", 0.3, interval=(0.2, 0.4)), 0.1, Scale(0.0, 0.75, 0.5, 1.0, 0.25, 0.25)),
        (finding("x", 0.3, interval=(0.2, 0.4)), None, Scale(0.0, 0.75, 0.5, 1.0, 0.25, None)),
        (finding("x", 0.3, interval=(0.2, 0.4), threshold=1.0), None, Scale(0.0, 0.3, 0.2, 0.4, 1.0, None)),
        (finding("x", 0.2, interval=(0.1, 0.25), threshold=1.0), 0.1, Scale(0.0, 0.8, 0.4, 1.0, None, 0.4)),
        (finding("x", 0.0, interval=(-0.1, 0.1), threshold=0.3), None, Scale(0.25, 0.25, 0.0, 0.5, 1.0, None)),
        (finding("x", 0.5, interval=None, threshold=None), None, Scale(0.0, 1.0, 1.0, 1.0, None, None)),
        (finding("x", 0.0, interval=None, threshold=None), None, Scale(0.0, 0.0, 0.0, 0.0, None, None)),
    ],
)
def test_an_effect_is_drawn_beside_its_lines(found: Finding, least: float | None, expected: Scale) -> None:
    """From zero to whatever is largest; a line that no effect comes near is left out."""
    assert expected == incident_page.scale(found, least)


def test_without_an_effect_nothing_is_drawn() -> None:
    """A variable that was not judged has no place on a scale."""
    assert None is incident_page.scale(finding("x").model_copy(update={"effect": None}))


def trace(*totals: float, needed: float = 100.0, segment: str = "") -> EvidenceTrace:
    """Return a trace of one point a day."""
    where = Address("v1", Stage.INPUTS, START, segment)
    points = tuple(EvidencePoint(day(i), t, Verdict.STEADY, where) for i, t in enumerate(totals))
    return EvidenceTrace(segment, needed, points)


def test_the_chart_of_evidence_is_plain_data() -> None:
    """A line a segment with its totals and links, and marks within what is shown."""
    chart = charts.evidence([trace(0, 2, 120), trace(1, 1, 1, segment=A)], incident(2, 9), lambda w: f"/{w.segment}")

    assert ["all traffic", A] == [t["name"] for t in chart["traces"]]
    first = chart["traces"][0]
    assert ([0, 2, 120], 100.0, ["/"] * 3) == (first["totals"], first["required"], first["links"])
    assert [{"at": day(2).isoformat(), "label": "opened"}] == chart["marks"]


@pytest.mark.parametrize(
    ("totals", "floor"), [((0.0, 2.0, 120.0), 0.02), ((0.0, 0.0), 0.1), ((1e-9, 5.0), 1e-4), ((50.0, 60.0), 0.1)]
)
def test_no_evidence_is_drawn_at_the_bottom(totals: tuple[float, ...], floor: float) -> None:
    """Nothing has no logarithm: it lies as low as the least that there is, within reason."""
    assert floor == charts.evidence([trace(*totals)], incident(0, 0), str)["floor"]
