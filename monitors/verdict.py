"""From a window's counts to its findings: the one place where a number becomes a verdict.

Drift needs two things: an effect beyond what chance, and the baseline's own windows, reach (:mod:`monitors.threshold`),
and one at least as large as the policy finds worth telling. Steady needs that such an effect could have been seen.
Everything else is not enough evidence, with the size that would do. The same counts give the same findings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from features.schema import LABEL, PREDICTION, Task
from features.window import to_ms
from monitors import distance, loss, performance, quality, threshold
from monitors.baseline import Baseline
from monitors.bins import CategoricalBins, Counts, NumericBins
from monitors.policy import MonitorPolicy
from monitors.report import Finding, Signal, Stage, Verdict

METRIC = "js_distance_log2"
"""What the verdict on a distribution rests on; the other distances are told beside it."""
LARGEST = 1.0
"""No distance is larger: a line up there can never be crossed."""


def judge(  # noqa: PLR0913 - what identifies a window is listed, not bundled
    baseline: Baseline,
    policy: MonitorPolicy,
    *,
    stage: Stage,
    segment: str,
    window_slices: int,
    start_ms: int,
    counts: Mapping[str, Sequence[int]],
    seen: int | None = None,
) -> tuple[Finding, ...]:
    """Return the findings of the window of *window_slices* slices from *start_ms* (ms since the epoch), in *segment*.

    INPUTS: a quality finding per variable with a fault, or one steady one (variable ``*``) if none has any; a finding
    per feature and one for the prediction. OUTCOMES: label, performance, and a quality finding if the label has a
    fault. A variable with a fault is not judged for drift.

    The policy's alpha is shared equally (Bonferroni) among the drift and the quality question of every variable, or
    among the three questions of outcomes. No metric is NaN; a segment, variable or stage that the baseline or the
    window lacks is a recorded result, never an exception.

    A window with events in fewer slices than windows of the baseline have (*seen*; None is all) began before its
    version served, or fell into an outage: its figures are told, but not judged.
    """
    questions = 2 * len(baseline.events.variables) if stage is Stage.INPUTS else 3
    known = _known(_Same(baseline), stage, segment, length=window_slices, level=policy.alpha / questions)
    span = window_slices * to_ms(baseline.events.windows.slide)
    inside = start_ms < to_ms(baseline.end) and start_ms + span > to_ms(baseline.start)
    window = _Window(known, policy, counts, "; the window overlaps the baseline's own period" if inside else "")
    found = _inputs(window) if stage is Stage.INPUTS else _outcomes(window, baseline.events.task)
    usual = _usual_slices(baseline, stage, segment, window_slices)
    return found if seen is None or seen >= usual else tuple(_withhold(f, seen, window_slices) for f in found)


def _usual_slices(baseline: Baseline, stage: Stage, segment: str, window_slices: int) -> int:
    """Return in how many of a window's slices the baseline had events, on average and rounded down."""
    span = -(-(to_ms(baseline.end) - to_ms(baseline.start)) // to_ms(baseline.events.windows.slide))
    return len(baseline.slices(stage, segment)) * window_slices // max(span, 1)


def _withhold(finding: Finding, seen: int, of: int) -> Finding:
    reason = f"only {seen} of the window's {of} slices have events"
    return finding.model_copy(update={"verdict": Verdict.NOT_ENOUGH, "reason": reason})


@dataclass(frozen=True)
class _Same:
    """A baseline as a cache key: the object itself, as hashing all its counts would cost more than it saves."""

    baseline: Baseline

    def __hash__(self) -> int:
        return id(self.baseline)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.baseline is other.baseline


@dataclass(frozen=True)
class _Known:
    """What a baseline says about one stage and segment, made ready once for all windows of one length and *level*."""

    segment: str
    level: float
    bins: Mapping[str, NumericBins | CategoricalBins]
    drift: Mapping[str, threshold.Reference]
    quality: Mapping[str, quality.Reference]
    sd: float
    loss: loss.Reference | None


@dataclass(frozen=True)
class _Window:
    """One window beside what is known; *note* is added to the reason of each drift finding."""

    known: _Known
    policy: MonitorPolicy
    counts: Mapping[str, Sequence[int]]
    note: str

    def cells(self, variable: str) -> Counts:
        """Return the variable's counts; nothing counted is zeros."""
        return np.asarray(self.counts.get(variable, [0] * self.known.bins[variable].cells), dtype=np.int64)


@lru_cache(maxsize=256)
def _known(same: _Same, stage: Stage, segment: str, *, length: int, level: float) -> _Known:
    baseline = same.baseline
    names = baseline.events.variables if stage is Stage.INPUTS else [LABEL]
    bins = {name: baseline.bins[name] for name in names}
    slices = {name: baseline.counts(stage, name, segment) for name in names}
    slices = {name: s if len(s) else np.zeros((0, bins[name].cells), np.int64) for name, s in slices.items()}
    sd = performance.label_sd(baseline.bins)
    return _Known(
        segment,
        level,
        bins,
        {n: threshold.reference(s, threshold.compared(bins[n]), length=length, level=level) for n, s in slices.items()},
        {name: quality.Reference(bins[name], s.sum(axis=0), threshold.runs(s, length)) for name, s in slices.items()},
        sd,
        _loss(baseline, segment, length, sd) if stage is Stage.OUTCOMES else None,
    )


def _loss(baseline: Baseline, segment: str, length: int, sd: float) -> loss.Reference:
    task = baseline.events.task
    names = ("coverage", "loss", "scores") if task is Task.BINARY else ("coverage", "loss")
    slices = {name: baseline.counts(Stage.OUTCOMES, name, segment) for name in names}
    return loss.reference(task, slices, length, sd=sd)


def _inputs(window: _Window) -> tuple[Finding, ...]:
    names = list(window.known.bins)
    found = {name: _fault(window, name) for name in names}
    faults = [f for f in found.values() if f is not None]
    drift = [
        _drift(window, Signal.PREDICTION if name == PREDICTION else Signal.FEATURE, name, fault)
        for name, fault in found.items()
    ]
    return (*(faults or [_no_fault(window)]), *drift)


def _outcomes(window: _Window, task: Task) -> tuple[Finding, ...]:
    fault = _fault(window, LABEL)
    label = _drift(window, Signal.LABEL, LABEL, fault)
    assert window.known.loss is not None  # made ready for this stage
    nothing = {"coverage": [0, 0], "loss": [0, 0], "scores": [0] * 2 * performance.GRID}
    counts = {**nothing, **window.counts}
    lost = loss.finding(task, window.known.loss, counts, window.policy, level=window.known.level,
                        sd=window.known.sd)  # fmt: skip
    return (*([fault] if fault else []), label, lost)


def _fault(window: _Window, name: str) -> Finding | None:
    return quality.finding(name, window.known.quality[name], window.cells(name), window.policy, window.known.level)


def _no_fault(window: _Window) -> Finding:
    """Return the one finding that says no variable has a fault, or that there are too few rows to say so."""
    n = int(window.cells(PREDICTION).sum())
    base = int(window.known.quality[PREDICTION].total.sum())
    few = _too_few(window, n, base)
    reason = few or f"no fault in any of {len(window.known.bins)} variables"
    verdict = Verdict.NOT_ENOUGH if few else Verdict.STEADY
    return Finding(signal=Signal.QUALITY, variable="*", verdict=verdict, metric="faults", effect=None if few else 0.0,
                   n=n, baseline_n=base, reason=reason)  # fmt: skip


def _drift(window: _Window, signal: Signal, name: str, fault: Finding | None) -> Finding:
    """Return the finding on one variable's distribution; without *effect* and *threshold* if it was not compared."""
    bins, reference = window.known.bins[name], window.known.drift[name]
    cells = window.cells(name)
    compared = cells[threshold.compared(bins)]
    n = int(compared.sum())
    said: dict[str, Any]
    told = threshold.figures({**_distances(bins, reference.total, compared), **quality.shares(bins, cells)})
    if fault is not None:
        said = {"verdict": Verdict.NOT_ENOUGH, "reason": f"a quality fault, so not judged for drift: {fault.reason}"}
    elif few := _too_few(window, n, reference.rows):
        said = {"verdict": Verdict.NOT_ENOUGH, "reason": few}
    else:
        line, least = reference.line(n), window.policy.min_effect
        told |= threshold.figures({f"{METRIC}_by_chance": line.sampling, f"{METRIC}_own_windows": reference.largest})
        over = min(round(max(line.value, least), 6), LARGEST)
        verdict = _weigh(told[METRIC], over, line, least)
        needed = _needed(reference, n, least, over) if verdict is Verdict.NOT_ENOUGH else ""
        reason = needed or _compare(told[METRIC], over, line, least)
        said = {"verdict": verdict, "effect": told[METRIC], "threshold": over, "reason": reason + window.note}
    return Finding(signal=signal, variable=name, metric=METRIC, n=n, baseline_n=reference.rows, metrics=told, **said)


def _weigh(effect: float, over: float, line: threshold.Line, least: float) -> Verdict:
    if effect > over:
        return Verdict.DRIFT
    # An effect worth telling could hide in the noise; with no least effect, steady is all that is not significant.
    return Verdict.NOT_ENOUGH if line.sampling > least > 0 or over >= LARGEST else Verdict.STEADY


def _compare(effect: float, over: float, line: threshold.Line, least: float) -> str:
    reached = (
        "the baseline's own windows reached" if line.value == line.own else "chance and the baseline's own unrest reach"
    )
    what = "the smallest effect worth telling" if line.value <= least else f"what {reached}"
    return f"{effect:.3f} {'exceeds' if effect > over else 'does not exceed'} {over:.3f}, {what}"


def _needed(reference: threshold.Reference, n: int, least: float, over: float) -> str:
    if over >= LARGEST:
        return "the baseline's own windows differ so much that no distance would tell; a longer baseline might"
    rows, base = reference.rows_needed(n, least)
    also = "" if base <= reference.rows else f" and {base:,} in the baseline"
    return f"an effect of {least:g} could hide in the noise of {n:,} values; {rows:,}{also} would do"


def _distances(bins: NumericBins | CategoricalBins, p: Counts, q: Counts) -> dict[str, float]:
    out = {"psi": distance.psi(p, q), METRIC: distance.js_distance_log2(p, q)}
    if isinstance(bins, NumericBins):
        out |= {"ks": distance.ks(p, q), "wasserstein_normed": distance.wasserstein_normed(p, q, bins)}
    else:
        out["total_variation"] = distance.total_variation(p, q)
    return {name: float(value) for name, value in out.items()}


def _too_few(window: _Window, n: int, base: int) -> str:
    """Return why nothing can be said of *n* rows against *base* baseline rows, or nothing if something can."""
    least, segment = window.policy.min_rows, window.known.segment
    if base == 0 and segment and not any(r.rows for r in window.known.drift.values()):
        return f"the baseline has never seen the segment {segment}"
    if base < least:
        return f"the baseline has {base:,} values; {least:,} are needed"
    return f"the window has {n:,} values; {least:,} are needed" if n < least else ""
