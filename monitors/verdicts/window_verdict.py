"""From a window's counts to its findings: which questions are asked of it, and at which level each.

How a question is answered is told by :mod:`monitors.verdicts.distribution`, :mod:`monitors.verdicts.performance` and
:mod:`monitors.quality.value_faults`. What cannot be answered is not enough evidence, with the size that would do. The
same counts give the same findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from features.schema import LABEL, MULTIVARIATE, PREDICTION, Task
from features.window import to_ms
from monitors.baseline import budget_shares
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.error_stream import stream_findings
from monitors.profiles import outcome_counts
from monitors.quality import arrivals, router, router_reference, volume
from monitors.quality.fault import Fault
from monitors.report import Finding, Signal, Stage, Verdict
from monitors.stats import threshold
from monitors.stats.bins import CategoricalBins, Counts, NumericBins
from monitors.verdicts import distribution, estimated_performance, performance
from monitors.verdicts.distribution import LOOK


def judge(  # noqa: PLR0913 - what identifies a window is listed, not bundled
    baseline: Baseline,
    policy: MonitorPolicy,
    *,
    stage: Stage,
    segment: str,
    window_slices: int,
    start_ms: int,
    counts: Mapping[str, Sequence[int]],
    newest: Mapping[str, Sequence[int]] | None = None,
    seen: int | None = None,
) -> tuple[Finding, ...]:
    """Return the findings of the window of *window_slices* slices from *start_ms* (ms since the epoch), in *segment*.

    INPUTS: a quality finding per variable with a fault, or one steady one (variable ``*``) if none has any; a finding
    per feature, one for the prediction and, where the baseline learned to tell, one each for how features go together
    and for the loss to expect. OUTCOMES: label, performance, and a quality finding if the label has a fault. A variable
    with a fault is not judged for drift, nor is what is made of it.

    Faults are looked for in the *newest* slice too, where its counts are given: a window hides what began today.

    A window is described at :data:`monitors.verdicts.distribution.LOOK`: what it says alone promises nothing over time,
    which is for
    :mod:`monitors.sequential.monitor`. Faults are judged here for good, at their share of the false-alarm budget. No
    metric is NaN; a segment, variable or stage that the baseline or the window lacks is a recorded result, never an
    exception.

    A window with events in fewer slices than windows of the baseline have (*seen*; None is all) began before its
    version served, or fell into an outage: its figures are told, but not judged. Two things are: faults of the feed
    (:data:`monitors.quality.volume.FEED_METRICS`), which may be why it is short, and the error stream of the newest
    slice, where the policy asks for one: what it is compared with is its own.
    """
    known = _window_reference(_SameBaseline(baseline), stage, segment, length=window_slices, policy=policy)
    span = window_slices * to_ms(baseline.events.windows.slide)
    inside = start_ms < to_ms(baseline.end) and start_ms + span > to_ms(baseline.start)
    usual = _usual_slices(baseline, stage, segment, window_slices)
    whole = seen is None or seen >= usual
    note = "; the window overlaps the baseline's own period" if inside else ""
    window = _Window(known, policy, counts, newest, note, whole)
    found = _inputs(window) if stage is Stage.INPUTS else _outcomes(window, baseline.events.task)
    told = found if whole else tuple(f if _stands(f) else _withhold(f, seen, window_slices) for f in found)
    return (*told, *stream_findings.findings(policy, newest, start_ms + span - to_ms(baseline.events.windows.slide)))


def _usual_slices(baseline: Baseline, stage: Stage, segment: str, window_slices: int) -> int:
    """Return in how many of a window's slices the baseline had events, on average and rounded down."""
    span = -(-(to_ms(baseline.end) - to_ms(baseline.start)) // to_ms(baseline.events.windows.slide))
    return len(baseline.slices(stage, segment)) * window_slices // max(span, 1)


def _stands(finding: Finding) -> bool:
    return finding.signal is Signal.QUALITY and finding.verdict is Verdict.DRIFT


def _withhold(finding: Finding, seen: int | None, of: int) -> Finding:
    reason = f"only {seen} of the window's {of} slices have events"
    return finding.model_copy(update={"window_verdict": Verdict.NOT_ENOUGH, "reason": reason})


@dataclass(frozen=True)
class _SameBaseline:
    """A baseline as a cache key: the object itself, as hashing all its counts would cost more than it saves."""

    baseline: Baseline

    def __hash__(self) -> int:
        return id(self.baseline)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameBaseline) and self.baseline is other.baseline


@dataclass(frozen=True)
class _WindowReference:
    """What a baseline says about one stage and segment, made ready once for all windows of one length.

    *level* is the chance of a false fault in one window.
    """

    segment: str
    level: float
    router: router_reference.RouterReference
    bins: Mapping[str, NumericBins | CategoricalBins]
    drift: Mapping[str, threshold.ReferenceWindows]
    sd: float
    loss: performance.LossReference | None
    estimate: estimated_performance.EstimateReference | None
    arrivals: arrivals.ArrivalReference


@dataclass(frozen=True)
class _Window:
    """One window beside what is known; *note* is added to the reason of each drift finding.

    *whole* says that it has events in as many slices as windows of the baseline do.
    """

    known: _WindowReference
    policy: MonitorPolicy
    counts: Mapping[str, Sequence[int]]
    newest: Mapping[str, Sequence[int]] | None
    note: str
    whole: bool

    def cells(self, variable: str) -> Counts:
        """Return the variable's counts; nothing counted is zeros."""
        return np.asarray(self.counts.get(variable, [0] * self.known.bins[variable].cells), dtype=np.int64)


@lru_cache(maxsize=256)
def _window_reference(
    same: _SameBaseline, stage: Stage, segment: str, *, length: int, policy: MonitorPolicy
) -> _WindowReference:
    baseline = same.baseline
    sent = list(baseline.events.variables) if stage is Stage.INPUTS else [LABEL]
    inputs = stage is Stage.INPUTS
    names = [*sent, MULTIVARIATE] if inputs and baseline.derived.projection else sent
    bins = {name: baseline.bins[name] for name in names}
    slices = {name: baseline.counts(stage, name, segment) for name in names}
    slices = {name: s if len(s) else np.zeros((0, bins[name].cells), np.int64) for name, s in slices.items()}
    sd = outcome_counts.label_sd(baseline.bins)
    level = budget_shares.quality_level(baseline, policy, segment) * len(sent)
    return _WindowReference(
        segment,
        level,
        router_reference.router_reference(
            {n: bins[n] for n in sent}, {n: slices[n] for n in sent}, length=length, level=level
        ),
        bins,
        {
            n: threshold.reference_windows(s, threshold.compared(bins[n]), length=length, level=LOOK)
            for n, s in slices.items()
        },
        sd,
        None if inputs else _loss(baseline, segment, length, sd),
        estimated_performance.reference(baseline, segment, length, sd=sd) if inputs else None,
        arrivals.arrival_reference(baseline, segment, length),
    )


def _loss(baseline: Baseline, segment: str, length: int, sd: float) -> performance.LossReference:
    task = baseline.events.task
    names = ("coverage", "loss", "scores") if task is Task.BINARY else ("coverage", "loss")
    slices = {name: baseline.counts(Stage.OUTCOMES, name, segment) for name in names}
    return performance.reference(task, slices, length, sd=sd)


def _inputs(window: _Window) -> tuple[Finding, ...]:
    faults = _faults(window)
    judged = [
        _drift(window, Signal.PREDICTION if name == PREDICTION else Signal.FEATURE, name, _because(faults.get(name)))
        for name in window.known.router.quality
    ]
    told = list(faults.values())
    return (*(told or [_no_fault(window)]), *judged, *_derived(window, told))


def _derived(window: _Window, faults: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings on what is made of other variables: none of it is judged where one of those has a fault."""
    known = window.known
    if MULTIVARIATE in known.bins:
        broken = next((f for f in faults if f.variable not in (PREDICTION, "*")), None)
        yield _drift(window, Signal.MULTIVARIATE, MULTIVARIATE, _because(broken))
    if known.estimate:
        withheld = _because(faults[0] if faults else None) or _unseen(known)
        told = estimated_performance.finding(
            known.estimate, window.counts, window.policy, level=LOOK, withheld=withheld
        )
        yield told if told.effect is None else told.model_copy(update={"reason": told.reason + window.note})


def _outcomes(window: _Window, task: Task) -> tuple[Finding, ...]:
    faults = _faults(window)
    label = _drift(window, Signal.LABEL, LABEL, _because(faults.get(LABEL)))
    assert window.known.loss is not None  # made ready for this stage
    nothing = {"coverage": [0, 0], "loss": [0, 0], "scores": [0] * 2 * outcome_counts.SCORE_BINS}
    counts = {**nothing, **window.counts}
    lost = performance.finding(task, window.known.loss, counts, window.policy, level=LOOK,
                        sd=window.known.sd)  # fmt: skip
    return (*faults.values(), label, lost)


def _faults(window: _Window) -> dict[str, Finding]:
    """Return a finding for each variable with a fault; ``*`` is the feed as a whole, which only all traffic tells."""
    reference, known = window.known.router, window.known.arrivals
    fed, more = volume.FeedCounts(), list[Fault]()
    if not window.known.segment and PREDICTION in reference.quality:
        fed = arrivals.feed_counts(known, window.counts, window.newest, whole=window.whole)
    elif not window.known.segment:
        more += arrivals.unlabelled(known, window.counts if window.whole else {}, window.newest, window.known.level / 2)
    found = router.route(reference, window.counts, window.policy, window.known.level, newest=window.newest, rows=fed)
    every = [*found, *more]
    standing = every if window.whole else [f for f in every if f.metric in volume.FEED_METRICS]
    return router.findings(standing, reference, window.counts)


def _no_fault(window: _Window) -> Finding:
    """Return the one finding that says no variable has a fault, or that there are too few rows to say so."""
    n = int(window.cells(PREDICTION).sum())
    base = int(window.known.router.quality[PREDICTION].total.sum())
    few = _too_few(window, n, base)
    reason = few or f"no fault in any of {len(window.known.router.quality)} variables"
    verdict = Verdict.NOT_ENOUGH if few else Verdict.STEADY
    return Finding(
        signal=Signal.QUALITY,
        variable="*",
        window_verdict=verdict,
        metric="faults",
        effect=None if few else 0.0,
        n=n,
        baseline_n=base,
        reason=reason,
    )


def _because(fault: Finding | None) -> str:
    return f"a quality fault, so not judged for drift: {fault.reason}" if fault else ""


def _drift(window: _Window, signal: Signal, name: str, withheld: str) -> Finding:
    known = window.known
    sample = distribution.WindowCounts(known.bins[name], known.drift[name], window.cells(name))
    withheld = withheld or _too_few(window, sample.n, sample.reference.rows)
    return distribution.finding(signal, name, sample, window.policy, withheld=withheld, note=window.note)


def _too_few(window: _Window, n: int, base: int) -> str:
    """Return why nothing can be said of *n* rows against *base* baseline rows, or nothing if something can."""
    least = window.policy.min_rows
    if unseen := _unseen(window.known):
        return unseen
    if base < least:
        return f"the baseline has {base:,} values; {least:,} are needed"
    return f"the window has {n:,} values; {least:,} are needed" if n < least else ""


def _unseen(known: _WindowReference) -> str:
    never = known.segment and not any(r.rows for r in known.drift.values())
    return f"the baseline has never seen the segment {known.segment}" if never else ""
