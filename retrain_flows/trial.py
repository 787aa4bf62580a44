"""Trials and watches: two versions compared on the same rows, look after look, as labels come.

A trial is of a held run: its candidate answers the champion's rows in shadow until it is better, worse, or has had its
time. A watch is of a promotion: the new champion is compared with the version before it in the same way, and its result
says whether the promotion helped. Both are the gate's sequential test (:mod:`retrain_flows.gate.sequential_test`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from features import scoring
from features.scoring import Floats
from features.window import from_ms, to_ms
from registry import operations, queries
from registry.records import CheckResult, ComparedSlice, Comparison, ComparisonKind, RetrainRun, Version
from retrain_flows.data import dataset
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import slice_sums
from retrain_flows.gate.sequential_test import Rule, SequentialDifference, sequential_test
from retrain_flows.training import retrain_data, trial_series
from retrain_flows.training.challengers import GatedCandidate


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions that are compared: *candidate* minus *reference*, in a run or after a promotion."""

    kind: ComparisonKind
    series: str
    candidate: str
    reference: str
    run_id: int | None = None
    promotion_id: int | None = None


def open_trial(
    ws: Workspace, run: RetrainRun, candidate: str, gated: GatedCandidate, *, until: datetime, now: datetime
) -> Comparison:
    """Record a run's look at its series: all slices on which the gate has compared its candidate and those before it."""
    reference = retrain_data.champion_of(ws.registry, ws.model).version
    pair = Pair(ComparisonKind.TRIAL, gated.series.name, candidate, reference, run_id=run.id)
    by = rule(ws, gated.series.alpha)
    return record(ws, pair, gated.slices, by, until=until, now=now, looks=gated.series.looks)


def rule(ws: Workspace, alpha: float) -> Rule:
    """Return the rule of a trial at an error rate."""
    policy = ws.trainers.gate
    return Rule(alpha=alpha, margin=policy.margin, patience=policy.patience)


def new_slices(ws: Workspace, pair: Pair, since: datetime, as_of: datetime) -> tuple[ComparedSlice, ...]:
    """Return the slices from an event time on whose labels have matured, on which both versions have answered.

    Raises
    ------
    ArtifactError
        A model file is missing, altered, or not trusted.
    """
    end = from_ms(ws.schema.windows.slice_start(to_ms(as_of - ws.schema.label_delay)))
    if end <= since:
        return ()
    rows = dataset.read(ws.log, ws.schema, as_of=as_of, start=since, end=end).rows
    candidate, reference = (queries.version(ws.registry, ws.model, name) for name in (pair.candidate, pair.reference))
    sd = retrain_data.label_sd(ws, reference)
    answers = [retrain_data.answers_of(ws, version, rows) for version in (candidate, reference)]
    usable = scoring.is_answered(answers[0]) & scoring.is_answered(answers[1])
    rows = rows.rows(usable)
    if len(rows) == 0:
        return ()
    first, second = (scoring.losses(rows.task, own[usable], rows.target, sd=sd) for own in answers)
    return slice_sums.compared(first, second, rows.times, ws.schema.windows)


def look(ws: Workspace, pair: Pair, by: Rule, *, since: datetime, as_of: datetime, now: datetime) -> Comparison | None:
    """Look at a comparison again if enough slices have matured since the last look; return the newest look.

    Parameters
    ----------
    ws
        The model's workspace.
    pair
        The versions.
    by
        The rule.
    since
        Where the comparison starts, in event time, if there was no look yet.
    as_of
        The moment, in event time.
    now
        The time that is recorded.

    Returns
    -------
    Comparison or None
        None where there was no look yet and no slice has matured.
    """
    looks = _looks(ws, pair)
    last = looks[-1] if looks else None
    if last is not None and last.result is not CheckResult.HOLD:
        return last
    start = last.until if last else since
    due = int(last.numbers["next_look"]) if last else 1
    slide = ws.schema.windows.slide
    possible = len(last.slices if last else ()) + max((as_of - ws.schema.label_delay - start) // slide, 0)
    if possible < due:
        return last
    later = new_slices(ws, pair, start, as_of)
    slices = (*(last.slices if last else ()), *later)
    if not later or len(slices) < due:
        return last
    until = from_ms(later[-1].start) + slide
    return record(ws, pair, slices, by, until=until, now=now, looks=looks)


def _looks(ws: Workspace, pair: Pair) -> list[Comparison]:
    """Return the looks so far: all of a trial's series against the champion's reign, or those of a watch."""
    if pair.kind is ComparisonKind.WATCH:
        return queries.comparisons(ws.registry, ws.model, promotion_id=pair.promotion_id)
    champion = retrain_data.champion_of(ws.registry, ws.model)
    return [look for look in trial_series.against(ws, champion) if look.series == pair.series]


def record(  # noqa: PLR0913 - a look is of a pair, its slices and a rule
    ws: Workspace,
    pair: Pair,
    slices: Sequence[ComparedSlice],
    by: Rule,
    *,
    until: datetime,
    now: datetime,
    looks: Sequence[Comparison] = (),
) -> Comparison:
    """Compare the versions on all slices so far, and record the look."""
    counted = [int(earlier.numbers["slices"]) for earlier in looks if earlier.numbers.get("spent")]
    d = sequential_test(*slice_sums.arrays(slices), by, looks=counted, history=_history(ws, pair.reference))
    return operations.record_look(
        ws.registry,
        Comparison(
            id=0, model=ws.model, kind=pair.kind, series=pair.series, run_id=pair.run_id, promotion_id=pair.promotion_id,
            candidate=pair.candidate, reference=pair.reference, until=until, look=len(looks) + 1, result=d.result,
            reason=d.reason.value, slices=tuple(slices), numbers=_numbers(d, slices, by), made_at=now,
        ),
    )  # fmt: skip


def _numbers(d: SequentialDifference, slices: Sequence[ComparedSlice], by: Rule) -> dict[str, float]:
    """Return the figures of a look; bounds only where there are any."""
    rows = sum(s.rows for s in slices)
    figures = {"mean": d.mean, "low": d.low, "high": d.high, "rows": float(rows), "slices": float(d.slices),
               "spent": d.spent, "next_look": float(d.next_look), "alpha": by.alpha,
               "reference_loss": sum(s.loss for s in slices) / rows if rows else 0.0}  # fmt: skip
    return {name: value for name, value in figures.items() if abs(value) < float("inf")}


def _history(ws: Workspace, reference: str) -> Floats | None:
    version: Version = queries.version(ws.registry, ws.model, reference)
    return retrain_data.memory_history(ws, version)
