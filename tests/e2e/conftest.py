"""Data for browser tests: three models with a history, written by the registry's own operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.schema import LABEL, EventSchema, FeatureKind, Task
from features.window import to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Finding, SequentialVerdict, Signal, Stage, Verdict
from monitors.report import Report
from monitors.stats.bins import Bins, CategoricalBins, NumericBins
from registry import operations, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import (
    Action,
    Check,
    CheckResult,
    ComparedSlice,
    Comparison,
    ComparisonKind,
    Decision,
    RunState,
    Version,
)

START = datetime(2013, 3, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
WEEK = 7 * DAY
PROMOTED = datetime(2013, 8, 7, tzinfo=timezone.utc)
BROKEN = datetime(2013, 5, 10, tzinfo=timezone.utc)
SUMMER = datetime(2013, 8, 1, tzinfo=timezone.utc)
LINE = 0.1
NEEDED = 450.0
END = datetime(2013, 10, 1, tzinfo=timezone.utc)

BINS: dict[str, Bins] = {
    "temp": NumericBins(edges=tuple(float(t) for t in range(14, 95, 8)), mean=48.0, sd=16.0),
    "wind_speed": NumericBins(edges=(0.0, 4.6, 6.9, 9.2, 11.5, 13.8, 17.3, 36.8), mean=10.5, sd=5.5),
    "dep_hour": NumericBins(edges=(5.0, 7.0, 9.0, 12.0, 15.0, 17.0, 19.0, 23.0), mean=13.0, sd=4.7),
    "carrier": CategoricalBins(categories=("UA", "B6", "EV", "DL", "AA", "MQ"), others=("HA",)),
    "origin": CategoricalBins(categories=("EWR", "JFK", "LGA")),
    "prediction": NumericBins(edges=tuple(x / 10 for x in range(11)), mean=0.23, sd=0.12),
    LABEL: CategoricalBins(categories=("0", "1")),
}
SEGMENTS = ("origin=JFK", "origin=LGA")
INPUTS = tuple(name for name in BINS if name != LABEL)
SCHEMA = EventSchema(
    model="flights",
    task=Task.BINARY,
    features={name: FeatureKind(BINS[name].kind) for name in INPUTS if name != "prediction"},
    segments=("origin",),
)


def counts(name: str, when: datetime, rows: int) -> list[int]:
    """Return a window's cells of one variable: the temperature follows the season, the wind fails for a week in May."""
    bins, rng = BINS[name], np.random.default_rng([len(name), int(when.timestamp()) // 86400])
    x = (np.arange(bins.body) + 0.5) / bins.body
    summer = np.exp(-(((when - SUMMER) / (50 * DAY)) ** 2))
    centre = 0.35 + 0.4 * summer if name == "temp" else 0.4
    weights = np.exp(-(((x - centre) / 0.28) ** 2))
    cells = dict.fromkeys(bins.labels, 0)
    cells.update(zip(bins.labels, rng.multinomial(rows, weights / weights.sum()).tolist(), strict=False))
    if name == "wind_speed" and timedelta(0) <= when - BROKEN < WEEK:
        cells = {label: 2 * n // 3 for label, n in cells.items()} | {"missing": rows // 3}
    if name == "temp" and when > SUMMER - 30 * DAY:
        cells["over"] = rows // 50
    return list(cells.values())


def shifted(name: str, window: list[int], version: str) -> Finding:
    """Return the finding about a variable's distribution: Jensen-Shannon distance against the version's baseline."""
    reference = np.array(baseline_counts(name, version), float)
    p, q = reference / reference.sum(), np.array(window, float) / sum(window)
    mixed = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.nansum(np.where(v > 0, v * np.log2(v / mixed), 0)) for v in (p, q)]
    effect = float(np.sqrt(max(sum(parts) / 2, 0)))
    signal = Signal.PREDICTION if name == "prediction" else Signal.FEATURE
    return finding(signal, name, "js_distance_log2", effect, n=sum(window))


def finding(signal: Signal, variable: str, metric: str, effect: float, *, n: int, **metrics: float) -> Finding:
    """Return a finding whose line is at 0.1, by itself and over time; fewer than 3000 outcomes are too few."""
    few = n < 3000 and signal in (Signal.LABEL, Signal.PERFORMANCE)
    away = f"{effect:.3f} {'exceeds' if effect > LINE else 'does not exceed'} {LINE:.3f}"
    verdict = Verdict.NOT_ENOUGH if few else Verdict.DRIFT if effect > LINE else Verdict.STEADY
    told = Finding(
        signal=signal, variable=variable, metric=metric, effect=effect, threshold=LINE, n=n, baseline_n=48_000,
        window_verdict=verdict, reason="fewer than 3000 labelled rows" if few else away, metrics=metrics,
    )  # fmt: skip
    return told if few or signal is Signal.QUALITY else over_time(told, effect)


def over_time(told: Finding, effect: float) -> Finding:
    """Return a finding with what its slices say: evidence that grows with the effect, and reaches what is needed."""
    evidence = round(NEEDED * max(effect / LINE, 0.0) ** 4, 3)
    sequential = SequentialVerdict(
        verdict=told.window_verdict, guaranteed=True, budget_share=0.05, evidence=evidence, evidence_required=NEEDED,
        note=f"evidence {evidence:,.0f} of the 450 that are asked",
    )  # fmt: skip
    return told.model_copy(update={"interval": (effect - 0.02, effect + 0.02), "sequential": sequential})


def baseline_counts(name: str, version: str) -> list[int]:
    """Return the cells of a version's training period: winter for v1, summer for v2."""
    at = START if version == "v1" else datetime(2013, 8, 20, tzinfo=timezone.utc)
    return counts(name, at, 48_000)


def performance(end: datetime, version: str, rows: int) -> tuple[Finding, ...]:
    """Return the findings of outcomes: AUC sinks through the summer until v3 takes over."""
    days = (end - (START if version == "v1" else PROMOTED)) / DAY
    sinks = days * (0.00043 if version == "v1" else 0.0001) - 0.006 * float(np.sin(days / 3))
    levels = {"auc": 0.701 - sinks, "baseline_auc": 0.701, "log_loss": 0.512 + sinks, "baseline_log_loss": 0.512}
    return (
        finding(Signal.PERFORMANCE, "loss", "loss_increase", sinks / 0.512, n=rows, **levels),
        finding(Signal.LABEL, LABEL, "js_distance_log2", 0.0003 * days, n=rows),
    )


def reports(end: datetime, version: str, digest: str) -> list[Report]:
    """Return the reports of the week that ends at *end*: inputs, outcomes, and inputs of two segments."""
    rows = 1200 if end == START + WEEK else 6100
    window = {name: counts(name, end, rows) for name in INPUTS}
    found = [shifted(name, window[name], version) for name in INPUTS]
    common = {"model": "flights", "version": version, "window_start": end - WEEK, "window_end": end, "baseline": digest}
    late = int(rows * 0.24)
    missing = window["wind_speed"][BINS["wind_speed"].labels.index("missing")] / rows
    found.append(finding(Signal.QUALITY, "wind_speed", "missing_share", missing, n=rows))
    inputs = Report(stage=Stage.INPUTS, rows=rows, counts=window, findings=tuple(found), **common)
    outcomes = Report(
        stage=Stage.OUTCOMES, rows=rows, findings=performance(end, version, rows), **common,
        counts={LABEL: [rows - late, late, 0, 0, 0], "coverage": [rows, 0], "loss": [1, 1], "scores": [0] * 400},
    )  # fmt: skip
    parts = [inputs.model_copy(update={"segment": s, "findings": tuple(found[:2])}) for s in SEGMENTS]
    return [inputs, outcomes, *parts]


def add_version(reg: Registry, model: str, version: str, now: datetime) -> str:
    """Register a version with its baseline, and return the baseline's digest."""
    made = Version(
        model=model, version=version, mode="static", rows=48_000, created_at=now, trained_from=now - 60 * DAY,
        trained_until=now - DAY, metrics={"log_loss": 0.512, "auc": 0.701},
    )  # fmt: skip
    operations.add_version(reg, made)
    cells = {name: baseline_counts(name, version) for name in INPUTS}
    made_from = Baseline(
        events=SCHEMA.model_copy(update={"model": model}), version=version, start=now - 60 * DAY, end=now - DAY,
        rows=48_000, bins=BINS, outcomes=(Slice(start=0, counts={LABEL: [36_500, 11_500, 0, 0, 0]}),),
        inputs=tuple(Slice(start=0, segment=s, counts=cells) for s in ("", *SEGMENTS)),
    )  # fmt: skip
    return operations.store_baseline(reg, made_from, now=now)


def ends(since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the ends of daily windows in (since, until]."""
    while (since := since + DAY) <= until:
        yield since


def fill(reg: Registry) -> None:
    """Write the whole history: v1 drifts, one retrain is rejected, another promotes v3; two more models beside it."""
    operations.add_model(reg, model="flights", task="binary", now=START)
    first = add_version(reg, "flights", "v1", START)
    promote(reg, "flights", "v1", 0, START)
    for end in ends(START + 6 * DAY, PROMOTED):
        ingest.ingest(reg, reports(end, "v1", first), now=end)
        if end == datetime(2013, 5, 14, tzinfo=timezone.utc):
            repair(reg, end)
        if end == PROMOTED - 20 * DAY:
            rejected_retrain(reg, end)
    retrain(reg, PROMOTED)
    second = queries.version(reg, "flights", "v3").baseline or ""
    for end in ends(PROMOTED, END):
        ingest.ingest(reg, reports(end, "v3", second), now=end)
    held_retrain(reg, END)
    operations.record_audit(
        reg, model="flights", period_start=END - 30 * DAY, period_end=END, passed=False, numbers={"windows": 30},
        findings=["window 2013-09-12 has a report that its counts do not give"], report="audits/flights.md", now=END,
    )  # fmt: skip
    beside(reg)


def decide(reg: Registry, incident: int | None, action: Action, because: Sequence[str], now: datetime) -> Decision:
    """Record a decision about the flights model."""
    return operations.record_decision(
        reg, model="flights", incident_id=incident, action=action, because=because, actor="decider", now=now
    )


def promote(reg: Registry, model: str, version: str, generation: int, now: datetime, **more: Any) -> None:
    """Make *version* the champion."""
    operations.promote(
        reg, model=model, version=version, expected_generation=generation, effective_at=now, actor="ana",
        reason="passed every check", now=now, **more,
    )  # fmt: skip


def repair(reg: Registry, now: datetime) -> None:
    """Decide about the wind sensor: no retrain on broken data."""
    for incident in queries.undecided(reg, "flights"):
        action = Action.REPAIR_DATA if incident.signal == Signal.QUALITY.value else Action.NOTHING
        decide(reg, incident.id, action, ["32.8% of wind_speed is missing: the data are broken, not the world"], now)


def run_gate(reg: Registry, version: str, decision: Decision, checks: Sequence[Sequence[str]], now: datetime) -> int:
    """Carry out a decision to retrain as far as the gate's checks (name, result, got, want), and return the run."""
    run = operations.start_run(reg, decision_id=decision.id, as_of=now, flow_run="brisk-otter", now=now)
    add_version(reg, "flights", version, now)
    operations.set_challenger(reg, run.id, version, now=now)
    said = [Check(name=n, result=CheckResult(r), got=got, want=want, version=version) for n, r, got, want in checks]
    operations.record_checks(reg, run.id, said, now=now)
    return run.id


def rejected_retrain(reg: Registry, now: datetime) -> None:
    """A retrain by hand whose challenger does not pass."""
    decision = decide(reg, None, Action.RETRAIN, ["monthly refit, by hand"], now)
    checks = [
        ("signature", "pass", "5 features", "5 features"),
        ("paired loss", "fail", "+0.004 [-0.002, 0.011]", "upper end below 0"),
        ("loss by origin=LGA", "hold", "212 rows", "at least 500 rows"),
    ]
    run = run_gate(reg, "v2", decision, checks, now)
    operations.finish_run(
        reg, run, state=RunState.REJECTED, reason="v2 is not shown to be better than v1",
        now=now + timedelta(seconds=75),
    )  # fmt: skip


def held_retrain(reg: Registry, now: datetime) -> None:
    """A retrain for the newest incident, at first not possible, whose challenger is neither better nor worse yet."""
    incident = next(i for i in queries.undecided(reg, "flights"))
    first = decide(reg, incident.id, Action.NOTHING, ["no retrain: too few rows with labels"], now)
    decision = operations.record_decision(
        reg, model="flights", incident_id=incident.id, action=Action.RETRAIN, because=["6100 rows with labels"],
        actor="decider", now=now + DAY, revises=first.id,
    )  # fmt: skip
    checks = [
        ("data", "pass", "52000 rows (sha256 fedcba9876543210), 0 unusable labels", "to be on record"),
        ("loss", "hold", "mean loss 0.5010 against 0.5120", "evidence of 20"),
    ]
    run = run_gate(reg, "v4", decision, checks, now + DAY)
    reason = "v4 (static challenger) is neither better nor worse yet"
    operations.hold_run(reg, run, challenger="v4", reason=reason, now=now + DAY + timedelta(seconds=80))


def retrain(reg: Registry, now: datetime) -> None:
    """The retrain that performance drift sets in motion, and its promotion."""
    incident = next(i for i in queries.undecided(reg, "flights") if i.signal == Signal.PERFORMANCE.value)
    because = ["performance drifted in 12 windows", "6100 rows with labels to train on"]
    decision = decide(reg, incident.id, Action.RETRAIN, because, now)
    checks = [
        ("data", "pass", "48000 rows (sha256 0123456789abcdef), 0 unusable labels", "to be on record"),
        ("signature", "pass", "5 features", "5 features"),
        ("reload parity", "pass", "0 of 6100 rows differ", "none"),
        ("paired loss", "pass", "-0.021 [-0.030, -0.013]", "upper end below 0"),
    ]
    run = run_gate(reg, "v3", decision, checks, now)
    look(reg, 1, -0.021, CheckResult.PASS, since=now - 14 * DAY, run_id=run)
    promote(reg, "flights", "v3", 1, now, decision_id=decision.id, run_id=run)
    promotion = queries.promotions(reg, "flights")[-1].id
    look(reg, 1, -0.012, CheckResult.HOLD, since=now, promotion_id=promotion)
    look(reg, 2, -0.034, CheckResult.PASS, since=now + 14 * DAY, promotion_id=promotion)


def look(reg: Registry, number: int, mean: float, result: CheckResult, *, since: datetime, **of: int) -> None:
    """Record a look of 14 days at v3 against v1, in a trial (*run_id*) or in a watch (*promotion_id*)."""
    days = tuple(
        ComparedSlice(start=to_ms(since + i * DAY), rows=800, difference=800 * mean, loss=800 * 0.512)
        for i in range(14)
    )
    numbers = {"mean": mean, "low": mean - 0.015, "high": mean + 0.015, "alpha": 0.05, "worse": 0.04,
               "better": 31.0 if result is CheckResult.PASS else 2.7}  # fmt: skip
    kind = ComparisonKind.TRIAL if "run_id" in of else ComparisonKind.WATCH
    until = since + 14 * DAY
    operations.record_look(reg, Comparison(
        id=0, model="flights", kind=kind, series="performance, static", candidate="v3", reference="v1", look=number,
        until=until, result=result, reason=f"{mean:+.4f}", slices=days, numbers=numbers, made_at=until, **of,
    ))  # fmt: skip


def beside(reg: Registry) -> None:
    """A model that is steady, and one that has only been registered."""
    operations.add_model(reg, model="delays-eu", task="binary", now=START)
    digest = add_version(reg, "delays-eu", "v1", START)
    promote(reg, "delays-eu", "v1", 0, START)
    steady = [r.model_copy(update={"model": "delays-eu"}) for r in reports(START + 9 * DAY, "v1", digest)]
    ingest.ingest(reg, steady, now=START + 10 * DAY)
    operations.record_audit(
        reg, model="delays-eu", period_start=START, period_end=START + 30 * DAY, passed=True, numbers={}, findings=[],
        report="audits/delays-eu.md", now=END,
    )  # fmt: skip
    operations.add_model(reg, model="churn", task="binary", now=START)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that holds the whole history."""
    root: Path = tmp_path_factory.mktemp("world")
    with Registry.open(f"sqlite:///{root}/leeway.db", root / "artifacts") as reg:
        fill(reg)
        yield reg
