"""What the script in the page draws: charts as plain JSON, without a colour, a position or a word of JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dashboards.compare import Distribution
from dashboards.series import Line
from dashboards.timeline import Address
from registry.records import Promotion


def line(of: Line, promotions: Sequence[Promotion], link: Callable[[Address], str]) -> dict[str, Any]:
    """Return a metric over time with its baseline level, and a mark for each promotion within its range."""
    first, last = of.points[0].end, of.points[-1].end
    marks = [
        {"at": p.effective_at.isoformat(), "label": p.to_version, "kind": p.kind}
        for p in promotions
        if first <= p.effective_at <= last
    ]
    return {
        "kind": "line",
        "name": of.name,
        "x": [p.end.isoformat() for p in of.points],
        "y": [p.value for p in of.points],
        "baseline": [p.baseline for p in of.points],
        "verdicts": [p.verdict.value for p in of.points],
        "versions": [p.window.version for p in of.points],
        "links": [link(p.window) for p in of.points],
        "marks": marks,
    }


def bars(of: Distribution) -> dict[str, Any]:
    """Return the shares of each sample, cell by cell."""
    return {
        "kind": "bars",
        "name": of.variable,
        "cells": list(of.cells),
        "samples": [{"name": s.name, "shares": list(s.shares), "counts": list(s.counts)} for s in of.samples],
    }
