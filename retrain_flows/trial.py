"""Trials and watches: two versions compared on the same rows, look after look, as labels come.

A trial is of a held run: its candidate answers the champion's rows in shadow until it is better or worse, or another
retrain takes its place. A watch is of a promotion: the new champion is compared with the version before it in the same
way, and its result says whether the promotion helped. Both use the gate's evidence
(:mod:`retrain_flows.gate.evidence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from features import scoring
from features.window import from_ms
from registry import operations, queries
from registry.records import ComparedSlice, Comparison, ComparisonKind, RetrainRun
from retrain_flows.data import usable_rows
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import evidence, slice_sums, slice_window
from retrain_flows.gate.slice_window import Window
from retrain_flows.gate.weighed import Weighed, weigh
from retrain_flows.training import retrain_data
from retrain_flows.training.challengers import GatedCandidate
from retrain_flows.training.trial_series import TrialSeries

LOOK_SLICES = (1, 10)
"""Fewest and most slices that a look after the first waits for. A look costs two models' predictions of their rows, and
a day of waiting for one costs what the world's change costs a day."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions that are compared, candidate minus reference, in a run or after a promotion."""

    kind: ComparisonKind
    candidate: str
    reference: str
    run_id: int | None = None
    promotion_id: int | None = None


@dataclass(frozen=True, eq=False)
class Look:
    """New slices of a comparison, what the memory of slices is learned from, and the comparison with them weighed."""

    slices: Sequence[ComparedSlice]
    history: Sequence[float]
    weighed: Weighed
    now: datetime


def record_gate(ws: Workspace, run: RetrainRun, name: str, gated: GatedCandidate, now: datetime) -> Comparison | None:
    """Record the look that a run's gate had at a candidate; None where it had too few new slices for one."""
    if gated.weighed is None:
        return None
    reference = retrain_data.champion_of(ws.registry, ws.model).version
    pair = Pair(ComparisonKind.TRIAL, name, reference, run_id=run.id)
    past = gated.candidate.history
    history = () if past is None else tuple(map(float, past))
    return _record(ws, pair, gated.series, Look(gated.slices, history, gated.weighed, now))


def look(
    ws: Workspace, pair: Pair, series: TrialSeries, *, since: datetime, as_of: datetime, now: datetime
) -> Comparison | None:
    """Look at a comparison again if enough slices have matured since the last look.

    Parameters
    ----------
    ws
        The model's workspace.
    pair
        The versions.
    series
        The looks so far.
    since
        Where the comparison starts, in event time, if there was no look yet.
    as_of
        The moment, in event time.
    now
        The time that is recorded.

    Returns
    -------
    Comparison or None
        The new look; None where there are too few new slices.
    """
    start = series.looks[-1].until if series.looks else since
    slide = ws.schema.windows.slide
    wanted = look_slices(sum(len(look.slices) for look in series.counting))
    if (as_of - ws.schema.label_delay - start) // slide < wanted:
        return None
    slices = compared(ws, pair, start, as_of)
    if len(slices) < wanted:
        return None
    history, margin = _history(ws), ws.trainers.gate.margin if pair.kind is ComparisonKind.TRIAL else 0.0
    question = evidence.Question(ws.schema.windows, margin, np.array(history, dtype=np.float64) if history else None)
    weighed = weigh((*(past.slices for past in series.counting), slices), question, worse_since=series.worse_since)
    return None if weighed is None else _record(ws, pair, series, Look(slices, history, weighed, now))


def look_slices(slices: int) -> int:
    """Return how many new slices the next look waits for: an eighth of those that count so far, within LOOK_SLICES.

    >>> [look_slices(slices) for slices in (0, 7, 28, 100)]
    [5, 1, 3, 10]
    """
    fewest, most = LOOK_SLICES
    return evidence.MIN_SLICES if slices == 0 else min(max(fewest, slices // 8), most)


def compared(ws: Workspace, pair: Pair, since: datetime, as_of: datetime) -> tuple[ComparedSlice, ...]:
    """Return the slices from an event time on whose labels have matured, on which both versions have answered.

    Raises
    ------
    ArtifactError
        A model file is missing, altered, or not trusted.
    """
    end = ws.schema.windows.slice_of(as_of - ws.schema.label_delay)
    rows = usable_rows.read(ws, as_of=as_of, start=since, end=end).rows
    candidate, reference = (queries.version(ws.registry, ws.model, name) for name in (pair.candidate, pair.reference))
    sd = retrain_data.label_sd(ws, reference)
    answers = [retrain_data.answers_of(ws, version, rows) for version in (candidate, reference)]
    usable = scoring.is_answered(answers[0]) & scoring.is_answered(answers[1])
    rows = rows.rows(usable)
    if len(rows) == 0:
        return ()
    first, second = (scoring.losses(rows.task, own[usable], rows.target, sd=sd) for own in answers)
    return slice_sums.compared(first, second, rows.times, ws.schema.windows)


def _record(ws: Workspace, pair: Pair, series: TrialSeries, new: Look) -> Comparison:
    """Record a look at a series."""
    window, total = new.weighed.window, new.weighed.evidence
    numbers = {"mean": window.mean, "low": window.low, "high": window.high, "better": total.better,
               "worse": total.worse, "alpha": series.alpha, "rows": float(window.rows),
               "slices": float(window.slices)}  # fmt: skip
    made = Comparison(
        id=0, model=ws.model, kind=pair.kind, series=series.name, run_id=pair.run_id, promotion_id=pair.promotion_id,
        candidate=pair.candidate, reference=pair.reference, look=series.count + 1,
        until=from_ms(new.slices[-1].start) + ws.schema.windows.slide, result=evidence.decide(total, series.alpha),
        reason=_in_words(window, total, series.alpha), slices=tuple(new.slices), history=tuple(new.history),
        numbers={name: value for name, value in numbers.items() if np.isfinite(value)}, made_at=new.now,
    )  # fmt: skip
    return operations.record_look(ws.registry, made)


def _in_words(window: Window, total: evidence.Evidence, alpha: float) -> str:
    """Return a look in words: difference with bounds, slices, and evidence for the more likely of the two results."""
    return f"difference of losses {slice_window.in_words(window)}; {total.in_words(alpha)}"


def _history(ws: Workspace) -> tuple[float, ...]:
    """Return the differences from which the newest look learned the memory of slices."""
    looks = queries.comparisons(ws.registry, ws.model)
    return next((look.history for look in reversed(looks) if look.history), ())
