"""A small world to be explained: two features, a segmenting one, and windows whose findings are told by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from features.schema import LABEL, PREDICTION, EventSchema, Kind, Task
from features.window import UTC, Windows
from monitors.baseline import Baseline, Slice
from monitors.bins import Bins, CategoricalBins, NumericBins
from monitors.report import Finding, Report, Signal, Stage, Verdict

START, DAY = datetime(2024, 3, 1, tzinfo=UTC), timedelta(days=1)
NUMBER = NumericBins(edges=(0.0, 1.0, 2.0))
BINS: dict[str, Bins] = {
    "x": NUMBER,
    "y": NUMBER,
    "site": CategoricalBins(categories=("A", "B")),
    PREDICTION: NUMBER,
    LABEL: CategoricalBins(categories=("0", "1")),
}
SCHEMA = EventSchema(
    model="late",
    task=Task.BINARY,
    features={"x": Kind.NUMERIC, "y": Kind.NUMERIC, "site": Kind.CATEGORICAL},
    segments=("site",),
    windows=Windows(size=DAY, slide=DAY),
)
A, B = "site=A", "site=B"


def number(low: int, high: int, **beyond: int) -> list[int]:
    """Return the cells of a number: *low* and *high* rows in its two bins, and those *beyond* by their labels."""
    return list({**dict.fromkeys(NUMBER.labels, 0), "[0, 1)": low, "[1, 2)": high, **beyond}.values())


def inputs(x: list[int], y: list[int] | None = None, site: tuple[int, int] = (50, 50)) -> dict[str, list[int]]:
    """Return the counts of one segment; *y* and the prediction are as in the baseline unless told otherwise."""
    return {"x": x, "y": y or number(50, 50), "site": [*site, 0, 0, 0], PREDICTION: number(50, 50)}


def outcomes(loss: float, rows: int) -> dict[str, list[int]]:
    """Return the outcomes of *rows* whose losses sum to *loss*."""
    return {"loss": [round(loss * 1e6), 0], "coverage": [rows, 0], LABEL: [rows, 0, 0, 0, 0]}


def baseline(importance: dict[str, float] | None = None, **changed: Any) -> Baseline:
    """Return a baseline: A has low x and a loss of .2 a row, B high x and .6; there are as many of each."""
    inside = {"": number(100, 100), A: number(90, 10), B: number(10, 90)}
    losses = {"": (80.0, 200), A: (20.0, 100), B: (60.0, 100)}
    said = {
        "events": SCHEMA, "version": "v1", "start": START - 30 * DAY, "end": START, "rows": 200, "bins": BINS,
        "inputs": tuple(Slice(start=0, segment=s, counts=inputs(x)) for s, x in inside.items()),
        "outcomes": tuple(Slice(start=0, segment=s, counts=outcomes(*x)) for s, x in losses.items()),
        "importance": importance or {}, **changed,
    }  # fmt: skip
    return Baseline.model_validate(said)


def finding(variable: str, effect: float = 0.3, *, signal: Signal = Signal.FEATURE, **said: Any) -> Finding:
    """Return a finding of drift that keeps the promise, unless *said* otherwise."""
    told = {
        "verdict": Verdict.DRIFT, "metric": "js_distance_log2", "effect": effect, "threshold": 0.1,
        "interval": (effect - 0.05, effect + 0.05), "share": 0.02, "evidence": 0.0, "needed": 450.0, "promised": True,
        "alone": Verdict.DRIFT, "over_time": "drift goes on", "n": 200, "baseline_n": 200, "reason": "far", **said,
    }  # fmt: skip
    return Finding.model_validate({"signal": signal, "variable": variable, **told})


def steady(variable: str, **said: Any) -> Finding:
    """Return a finding that says steady."""
    return finding(variable, 0.02, **{"verdict": Verdict.STEADY, "alone": Verdict.STEADY, "over_time": "", **said})


def report(
    counts: dict[str, list[int]], *findings: Finding, segment: str = "", day: int = 1, stage: Stage = Stage.INPUTS,
    **said: Any,
) -> Report:  # fmt: skip
    """Return the report of the window that ends after *day* days."""
    end = START + day * DAY
    told = {"model": "late", "version": "v1", "window_start": end - DAY, "window_end": end, "baseline": "0" * 64,
            "rows": 200, **said}  # fmt: skip
    return Report.model_validate(
        {"segment": segment, "stage": stage, "counts": counts, "findings": findings, **told}
    )  # fmt: skip
