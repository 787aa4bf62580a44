"""Chart data for the page's script (Plotly): plain JSON with values and labels; colours and layout are in app.js.

Plotly takes texts for markup, also links to other hosts, so that names of events (categories, segments, versions) are
escaped here, once for all places in which they are drawn.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

from dashboards.incident_page import EvidenceTrace
from dashboards.performance_chart import Line
from dashboards.timeline import Address
from dashboards.window_page import Distribution
from registry.records import Incident, Promotion

LOWEST = 1e-4
"""Multiple of the required evidence below which a point is drawn at the bottom of the logarithmic scale."""


def line(of: Line, promotions: Sequence[Promotion], link: Callable[[Address], str]) -> dict[str, Any]:
    """Return a performance metric over windows with its baseline level, and a mark for each promotion in its range."""
    first, last = of.points[0].end, of.points[-1].end
    marks = [
        {"at": p.effective_at.isoformat(), "label": _plain(p.to_version), "kind": p.kind}
        for p in promotions
        if first <= p.effective_at <= last
    ]
    return {
        "kind": "line",
        "name": _plain(of.name),
        "x": [p.end.isoformat() for p in of.points],
        "y": [p.value for p in of.points],
        "baseline": [p.baseline for p in of.points],
        "verdicts": [p.verdict.value for p in of.points],
        "versions": [_plain(p.window.version) for p in of.points],
        "links": [link(p.window) for p in of.points],
        "marks": marks,
    }


def evidence(traces: Sequence[EvidenceTrace], incident: Incident, link: Callable[[Address], str]) -> dict[str, Any]:
    """Return sequential evidence over windows, one line a trace, with marks where the incident opened and last drifted.

    The script draws totals as multiples of ``required``, those below ``floor`` at ``floor``: the scale is logarithmic.
    """
    multiples = [p.total / t.evidence_required for t in traces for p in t.points if p.total > 0]
    first, last = (min(t.points[0].end for t in traces), max(t.points[-1].end for t in traces))
    marks = ((incident.opened_at, "opened"), (incident.last_seen, "last drift"))
    return {
        "kind": "evidence",
        "floor": max(min([*multiples, 0.1]), LOWEST),
        "traces": [
            {
                "name": _plain(t.segment or "all traffic"),
                "required": t.evidence_required,
                "x": [p.end.isoformat() for p in t.points],
                "totals": [p.total for p in t.points],
                "verdicts": [p.verdict.value for p in t.points],
                "links": [link(p.window) for p in t.points],
            }
            for t in traces
        ],
        "marks": [{"at": at.isoformat(), "label": label} for at, label in marks if first <= at <= last],
    }


def bars(of: Distribution) -> dict[str, Any]:
    """Return the bars of a distribution: the share and count of each sample in each cell."""
    return {
        "kind": "bars",
        "name": _plain(of.variable),
        "cells": [_plain(cell) for cell in of.cells],
        "samples": [{"name": _plain(s.name), "shares": list(s.shares), "counts": list(s.counts)} for s in of.samples],
    }


def _plain(text: str) -> str:
    """Return a text that Plotly draws as it is."""
    return html.escape(text, quote=False)
