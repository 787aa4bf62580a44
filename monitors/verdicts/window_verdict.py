"""Single-window verdicts: from the counts of one window to its findings on drift, performance and data quality.

Each question is answered by a module of its own: :mod:`monitors.verdicts.distribution`,
:mod:`monitors.verdicts.performance`, :mod:`monitors.verdicts.estimated_performance` and :mod:`monitors.quality`. What
cannot be answered is *not enough evidence*, with what it would take. The same counts always give the same findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.schema import LABEL, MULTIVARIATE, PREDICTION, Task
from features.window import to_ms
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.error_stream import stream_findings
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.profiles import outcome_counts
from monitors.quality import arrivals, router, volume
from monitors.quality.fault import Fault
from monitors.stats.bins import Counts
from monitors.verdicts import distribution, estimated_performance, performance
from monitors.verdicts.distribution import WINDOW_LEVEL
from monitors.verdicts.stacked_variables import StackedSample
from monitors.verdicts.window_reference import WindowReference, usual_slices, window_reference

Accepted = frozenset[tuple[str, str]]
"""Faults that are taken for drift, as (variable, kind)."""
WITHHELD = "not judged for drift because of a data quality fault: "
"""How the reason of a finding begins that was withheld for a fault."""


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
    slices_with_events: int | None = None,
    accepted: Accepted = frozenset(),
) -> tuple[Finding, ...]:
    """Return the findings of one window.

    For the inputs stage these are a quality finding for each variable with a fault, or a steady one (variable ``*``) if
    none has any; one for each feature and for the prediction; and, where the baseline has them, one for the
    reconstruction error and one for the estimated performance. For the outcomes stage: label, performance, and a
    quality finding if the label has a fault. A variable with a fault is not judged for drift, nor is what is derived
    from it.

    A window is judged by itself at :data:`.WINDOW_LEVEL`, which guarantees nothing over time: that is for
    :mod:`monitors.sequential.monitor`. Faults are judged here for good, at their share of the false-alarm budget.

    Parameters
    ----------
    baseline, policy
        The version's baseline, and the monitor settings.
    stage, segment
        Which counts of the window these are; the segment is "" for all traffic.
    window_slices
        Slices that the window has.
    start_ms
        Where the window starts, in milliseconds since the epoch.
    counts
        The window's counts, a row of cells by variable; one that is absent has no rows.
    newest
        The counts of its newest slice, in which faults are looked for too, as a whole window hides what began today.
    slices_with_events
        In how many of its slices there were events; None is all. With fewer than windows of the baseline have, the
        window began before its version served, or fell into an outage: it has metrics, but is not judged. Two things
        are: faults of the feed (:data:`monitors.quality.volume.FEED_METRICS`), which may be why it is short, and the
        error stream of the newest slice, which is compared with itself.
    accepted
        Faults that somebody accepted as drift, as (variable, kind): they are no faults.

    Returns
    -------
    tuple of Finding
        No metric is NaN. A segment, variable or stage that baseline or window lacks is a finding, never an exception.
    """
    reference = window_reference(baseline, stage, segment, length=window_slices, policy=policy)
    span = window_slices * to_ms(baseline.events.windows.slide)
    inside = start_ms < to_ms(baseline.end) and start_ms + span > to_ms(baseline.start)
    typical = usual_slices(baseline, stage, segment, window_slices)
    whole = slices_with_events is None or slices_with_events >= typical
    note = "; the window overlaps the baseline's own period" if inside else ""
    ahead = (start_ms + span - to_ms(baseline.end)) // to_ms(baseline.events.windows.slide)
    window = _Window(reference, policy, counts, newest, note, whole, accepted, ahead)
    window_findings = _inputs(window) if stage is Stage.INPUTS else _outcomes(window, baseline.events.task)
    stated = (
        window_findings
        if whole
        else tuple(f if _is_fault(f) else _withhold(f, slices_with_events, window_slices) for f in window_findings)
    )
    return (*stated, *stream_findings.findings(policy, newest, start_ms + span - to_ms(baseline.events.windows.slide)))


def _is_fault(finding: Finding) -> bool:
    return finding.signal is Signal.QUALITY and finding.verdict is Verdict.DRIFT


def _withhold(finding: Finding, slices_with_events: int | None, of: int) -> Finding:
    reason = f"only {slices_with_events} of the window's {of} slices have events"
    return finding.model_copy(update={"window_verdict": Verdict.NOT_ENOUGH, "reason": reason})


@dataclass(frozen=True)
class _Window:
    """One window, with what it is compared with.

    *note* is added to the reason of each verdict; *whole* is whether it has events in as many slices as windows of the
    baseline have; *ahead* is how many slices it ends after the baseline.
    """

    reference: WindowReference
    policy: MonitorPolicy
    counts: Mapping[str, Sequence[int]]
    newest: Mapping[str, Sequence[int]] | None
    note: str
    whole: bool
    accepted: Accepted
    ahead: int

    def cells(self, variable: str) -> Counts:
        """Return the counts of a variable, (cells,); zeros where nothing was counted."""
        return np.asarray(self.counts.get(variable, [0] * self.reference.bins[variable].cells), dtype=np.int64)


def _inputs(window: _Window) -> tuple[Finding, ...]:
    faults, reference = _faults(window), window.reference
    withheld = {name: _fault_reason(faults.get(name)) for name in reference.router.quality}
    if MULTIVARIATE in reference.bins:
        broken = next((f for f in faults.values() if f.variable not in (PREDICTION, "*")), None)
        withheld[MULTIVARIATE] = _fault_reason(broken)
    judged = _drift(window, withheld)
    estimate = _estimate(window, list(faults.values()))
    return (*(faults.values() or [_no_fault(window)]), *(judged[name] for name in withheld), *estimate)


def _estimate(window: _Window, faults: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the finding on the estimated performance, where there is one; it is not judged where there are faults."""
    reference = window.reference
    if reference.estimate:
        withheld = _fault_reason(faults[0] if faults else None) or _unknown_segment(reference)
        estimate = estimated_performance.finding(
            reference.estimate, window.counts, window.policy, level=WINDOW_LEVEL, withheld=withheld
        )
        yield (
            estimate
            if estimate.effect is None
            else estimate.model_copy(update={"reason": estimate.reason + window.note})
        )


def _outcomes(window: _Window, task: Task) -> tuple[Finding, ...]:
    """Return the findings of the outcomes stage: faults of the label, its distribution, and performance."""
    faults = _faults(window)
    label = _drift(window, {LABEL: _fault_reason(faults.get(LABEL))})[LABEL]
    assert window.reference.loss is not None  # there for this stage
    nothing = {"coverage": [0, 0], "loss": [0, 0], "scores": [0] * 2 * outcome_counts.SCORE_BINS}
    counts = {**nothing, **window.counts}
    lost = performance.finding(task, window.reference.loss, counts, window.policy, level=WINDOW_LEVEL,
                        sd=window.reference.sd)  # fmt: skip
    return (*faults.values(), label, lost)


def _faults(window: _Window) -> dict[str, Finding]:
    """Return the finding on each variable with a fault; ``*`` is the feed as a whole, judged on all traffic only."""
    router_reference, arrival_reference = window.reference.router, window.reference.arrivals
    fed, feed_faults = volume.FeedCounts(), list[Fault]()
    if not window.reference.segment and PREDICTION in router_reference.quality:
        fed = arrivals.feed_counts(
            arrival_reference, window.counts, window.newest, whole=window.whole, ahead=window.ahead
        )
    elif not window.reference.segment:
        feed_faults += arrivals.unlabelled(
            arrival_reference, window.counts if window.whole else {}, window.newest, window.reference.level / 2
        )
    faults = router.route(
        router_reference, window.counts, window.policy, window.reference.level, newest=window.newest, rows=fed
    )
    every = [*faults, *feed_faults]
    standing = every if window.whole else [f for f in every if f.metric in volume.FEED_METRICS]
    unaccepted = [f for f in standing if not _is_accepted(f, window.accepted)]
    return router.findings(unaccepted, router_reference, window.counts)


def _is_accepted(fault: Fault, accepted: Accepted) -> bool:
    return all((variable, fault.kind.value) in accepted for variable in fault.variables or ("*",))


def _no_fault(window: _Window) -> Finding:
    """Return the finding that no variable has a fault, or that there are too few rows to know."""
    n = int(window.cells(PREDICTION).sum())
    base = int(window.reference.router.quality[PREDICTION].total.sum())
    few = _too_few(window, n, base)
    reason = few or f"no fault in any of {len(window.reference.router.quality)} variables"
    verdict = Verdict.NOT_ENOUGH if few else Verdict.STEADY
    return Finding(signal=Signal.QUALITY, variable="*", window_verdict=verdict, metric="faults",
                   effect=None if few else 0.0, n=n, baseline_n=base, reason=reason)  # fmt: skip


def _fault_reason(fault: Finding | None) -> str:
    return f"{WITHHELD}{fault.reason}" if fault else ""


_SIGNALS = {PREDICTION: Signal.PREDICTION, LABEL: Signal.LABEL, MULTIVARIATE: Signal.MULTIVARIATE}
"""The signals of variables that are no features."""


def _drift(window: _Window, withheld: Mapping[str, str]) -> dict[str, Finding]:
    """Return the findings on the distributions of all variables; *withheld* is why one must not be judged, or ""."""
    sample = StackedSample(window.reference.stacked, window.counts)
    monitored = [
        distribution.Monitored(_SIGNALS.get(name, Signal.FEATURE), withheld[name] or _too_few(window, n, base))
        for name, n, base in sample.sizes
    ]
    return distribution.findings(sample, monitored, window.policy, note=window.note)


def _too_few(window: _Window, n: int, base: int) -> str:
    """Return why *n* rows cannot be compared with *base* baseline rows; "" if they can."""
    least = window.policy.min_rows
    if unseen := _unknown_segment(window.reference):
        return unseen
    if base < least:
        return f"the baseline has {base:,} values; {least:,} are needed"
    return f"the window has {n:,} values; {least:,} are needed" if n < least else ""


def _unknown_segment(reference: WindowReference) -> str:
    never = reference.segment and not any(r.rows for r in reference.drift.values())
    return f"the baseline has no rows of the segment {reference.segment}" if never else ""
