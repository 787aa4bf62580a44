"""Data for explanations: two features, a segment, windows with chosen findings, and a registry of five days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Task
from features.window import UTC, Windows
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report, digest
from monitors.stats.bins import Bins, CategoricalBins, NumericBins
from registry import operations
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Version

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
    features={"x": FeatureKind.NUMERIC, "y": FeatureKind.NUMERIC, "site": FeatureKind.CATEGORICAL},
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


SEQUENTIAL: dict[str, Any] = {
    "verdict": Verdict.DRIFT, "guaranteed": True, "budget_share": 0.02, "evidence": 0.0, "evidence_required": 450.0,
    "note": "drift continues",
}  # fmt: skip


def finding(variable: str, effect: float = 0.3, *, signal: Signal = Signal.FEATURE, **changed: Any) -> Finding:
    """Return a finding of drift inside the guarantee; *changed* are its fields, and those of its sequential verdict.

    One whose *guaranteed* is None has no sequential verdict.
    """
    sequential = {name: changed.pop(name, usual) for name, usual in SEQUENTIAL.items()}
    values = {
        "window_verdict": Verdict.DRIFT, "metric": "js_distance_log2", "effect": effect, "threshold": 0.1,
        "interval": (effect - 0.05, effect + 0.05), "n": 200, "baseline_n": 200, "reason": "far", **changed,
        "sequential": sequential if sequential["guaranteed"] is not None else None,
    }  # fmt: skip
    return Finding.model_validate({"signal": signal, "variable": variable, **values})


def steady(variable: str, **changed: Any) -> Finding:
    """Return a finding that says steady."""
    return finding(
        variable, 0.02, **{"verdict": Verdict.STEADY, "window_verdict": Verdict.STEADY, "note": "", **changed}
    )


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


KNOWN = baseline({"x": 0.75, "y": 0.25})
POLICY = digest(MonitorPolicy())
RAISED = {"evidence": 460.0, "note": "drift: evidence 460.0 of the 450 that 1 per 90d asks"}
INSIDE = {"": number(40, 160), A: number(40, 60), B: number(0, 100)}


def window(day: int, *, drift: bool, lost: bool = False, **raised: Any) -> list[Report]:
    """Return the reports of one day: x drifts everywhere or nowhere, and so does the loss."""
    found = finding("x", 0.343, **raised) if drift else steady("x")
    same = {"day": day, "policy": POLICY, "baseline": KNOWN.digest}
    inside = [report(inputs(x), found, segment=s, **same) for s, x in INSIDE.items()]
    loss = {"signal": Signal.PERFORMANCE, "metric": "loss_increase", "metrics": {"auc": 0.6, "baseline_auc": 0.7}}
    said = finding("loss", 0.5, **loss, **raised) if lost else steady("loss", **loss)
    return [*inside, report(outcomes(120, 200), said, stage=Stage.OUTCOMES, **same)]


def begin(reg: Registry) -> None:
    """Make `v1` the champion of `late`, and store a quiet day."""
    operations.add_model(reg, model="late", task="binary", now=START)
    operations.add_version(reg, Version(model="late", version="v1", mode="external", created_at=START))
    operations.store_baseline(reg, KNOWN, now=START)
    operations.promote(reg, model="late", version="v1", expected_generation=0, effective_at=START, actor="ann",
                  reason="first", now=START)  # fmt: skip
    store(reg, window(1, drift=False))


def drift(reg: Registry) -> None:
    """Let x drift from the second day to the fourth (incident 1), and the loss on the fourth (incident 2)."""
    store(reg, window(2, drift=True, **RAISED))
    store(reg, window(3, drift=True))
    store(reg, window(4, drift=True, lost=True))


def late(reg: Registry) -> None:
    """Late data of the second day: it had not drifted."""
    store(reg, [r.model_copy(update={"rows": 201}) for r in window(2, drift=False)])


def store(reg: Registry, reports: list[Report]) -> None:
    """Ingest one window's reports."""
    ingest.ingest(reg, reports, now=reports[0].window_end)
