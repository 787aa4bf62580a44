"""Small registry values: a model `m` with a feature `x`, windows of a day, and a champion."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC
from monitors.baseline.baseline import Baseline
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.stats.bins import NumericBins
from registry import operations
from registry.connection import Registry
from registry.database import migrate, tables
from registry.incidents import ingest
from registry.records import (
    Action,
    Check,
    CheckResult,
    ComparedSlice,
    Comparison,
    ComparisonKind,
    Decision,
    Promotion,
    RetrainRun,
    Version,
)

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def model(reg: Registry, name: str = "m") -> str:
    """Register a model."""
    operations.add_model(reg, model=name, task="binary", now=NOW)
    return name


def version(reg: Registry, name: str, *, model: str = "m", data: bytes | None = None) -> Version:
    """Register a version with a model file, or one that Leeway only watches."""
    artifact = None if data is None else reg.artifacts.put(data)
    mode = "external" if data is None else "static"
    return operations.add_version(reg, Version(model=model, version=name, mode=mode, artifact=artifact, created_at=NOW))


def baseline(version: str, *, model: str = "m", rows: int = 100) -> Baseline:
    """Return a baseline of one bin."""
    events = EventSchema(model=model, task=Task.BINARY, features={"x": FeatureKind.NUMERIC})
    bins = {"x": NumericBins(edges=(0.0, 1.0))}
    return Baseline(events=events, version=version, start=NOW - 90 * DAY, end=NOW, rows=rows, bins=bins, inputs=())


def ready(reg: Registry, name: str, *, model: str = "m", data: bytes | None = None) -> Version:
    """Register a version that may be promoted."""
    made = version(reg, name, model=model, data=data)
    operations.store_baseline(reg, baseline(name, model=model), now=NOW)
    return made


def promote(reg: Registry, name: str, seen: int, *, model: str = "m", run_id: int | None = None) -> Promotion:
    """Promote a version over the champion of generation *seen*."""
    return operations.promote(reg, model=model, version=name, expected_generation=seen, effective_at=NOW + seen * DAY,
                         actor="ann", reason="better", now=NOW, run_id=run_id)  # fmt: skip


def rollback(reg: Registry, seen: int, to: str | None = None, *, model: str = "m") -> Promotion:
    """Roll the champion of generation *seen* back."""
    return operations.rollback(reg, model=model, expected_generation=seen, to_version=to, actor="ann", reason="worse",
                          effective_at=NOW + seen * DAY, now=NOW)  # fmt: skip


def champion(reg: Registry, name: str = "v1", *, of: str = "m") -> None:
    """Register a model with its first champion."""
    model(reg, of)
    ready(reg, name, model=of)
    promote(reg, name, 0, model=of)


def run(reg: Registry, *checks: Check, day: int = 1) -> RetrainRun:
    """Open an incident on champion `v1`, decide to retrain, and start; *checks* are the gate's."""
    (incident,) = ingest.ingest(reg, [window(day)], now=NOW).opened
    made = decide(reg, incident.id)
    started = operations.start_run(reg, decision_id=made.id, as_of=NOW + day * DAY, flow_run=None, now=NOW)
    operations.record_checks(reg, started.id, checks, now=NOW)
    return started


def decide(reg: Registry, incident_id: int | None, action: Action = Action.RETRAIN) -> Decision:
    """Decide about an incident, or by hand."""
    return operations.record_decision(reg, model="m", incident_id=incident_id, action=action, because=("js = 0.5",),
                                 actor="ann", now=NOW)  # fmt: skip


def check(result: CheckResult = CheckResult.PASS, *, version: str = "v2", name: str = "loss") -> Check:
    """Return one check of the gate."""
    return Check(name=name, result=result, got="0.1", want="< 0.2", version=version, numbers={"loss": 0.1})


def look(
    result: CheckResult = CheckResult.PASS, *, run_id: int | None = None, promotion_id: int | None = None,
    number: int = 1, candidate: str = "v2", reference: str = "v1",
) -> Comparison:  # fmt: skip
    """Return a look at two versions on one slice, of a run's trial or of a promotion's watch."""
    kind = ComparisonKind.WATCH if run_id is None else ComparisonKind.TRIAL
    seen = ComparedSlice(start=0, rows=10, difference=-1.0, loss=5.0)
    return Comparison(
        id=0, model="m", kind=kind, series="incident 1, static", run_id=run_id, promotion_id=promotion_id,
        candidate=candidate, reference=reference, until=NOW + number * DAY, look=number, result=result,
        reason="difference of losses -0.1000", slices=(seen,), history=(0.25,),
        numbers={"better": 20.0, "worse": 0.5, "alpha": 0.05}, made_at=NOW,
    )  # fmt: skip


def stamp(reg: Registry, revision: str, oldest: str = "") -> None:
    """Give the registry the schema *revision* of a later release, and say who may still use it if *oldest* is given."""
    with reg.write() as c:
        c.execute(sa.text(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '{revision}'"))
        if oldest:
            c.execute(tables.compatibility.update().values(oldest=oldest))


def everything(reg: Registry) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table: equal before and after where nothing happened."""
    with reg.read() as c:
        every = {t.name: sa.select(t).order_by(*t.primary_key) for t in tables.metadata.sorted_tables}
        return {name: [tuple(row) for row in c.execute(rows)] for name, rows in every.items()}


def window(
    day: int,
    verdict: Verdict = Verdict.DRIFT,
    *,
    signal: Signal = Signal.FEATURE,
    version: str = "v1",
    segment: str = "",
    n: int = 100,
    stage: Stage = Stage.INPUTS,
    **said: Any,
) -> Report:
    """Return the report of the window that ends on *day*, with one finding; *n* tells revisions apart."""
    end = NOW + day * DAY
    told = {
        "variable": "x",
        "window_verdict": verdict,
        "metric": "js",
        "effect": 0.5,
        "n": n,
        "baseline_n": 100,
        **said,
    }
    finding = Finding.model_validate({"signal": signal, **told})
    return Report(model="m", version=version, segment=segment, stage=stage, window_start=end - DAY, window_end=end,
                  baseline="0" * 64, rows=n, counts={"x": [n]}, findings=(finding,))  # fmt: skip
