"""Renewal of a baseline that is too short for the false-alarm guarantee: what it lacks, and how slices are added.

A renewal only adds. The bins stay, so windows are counted as before and a running job need not count anything again;
the slices of the revision before stay, so nothing that was normal is forgotten. A baseline that has the slices which
the guarantee needs is never renewed: a drift too slow to be noticed would otherwise become normal, step by step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from features import errors
from features.schema import PREDICTION
from features.window import from_ms, to_ms
from monitors.baseline.baseline import Baseline, Renewal, Slice
from monitors.finding import Stage
from monitors.profiles import counting
from monitors.profiles.side_channels import without_zero
from monitors.sequential import exchangeability

SLICES_NEEDED = exchangeability.MIN_SLICES
"""Slices of all traffic that a baseline needs in each stage; with fewer there is no false-alarm guarantee."""
Gained = Mapping[Stage, Sequence[Slice]]
"""Slices of any segment that may be added, by stage."""


@dataclass(frozen=True, slots=True)
class BaselineLength:
    """How many slices of all traffic a baseline has, by stage; outcomes only where it was made with labels.

    *end* is where its period ends, *slide* the length of a slice and *label_delay* that of the wait for labels, all in
    milliseconds; *window* is how many slices a window has.
    """

    slices: Mapping[Stage, int]
    end: int
    slide: int
    label_delay: int
    revision: int
    window: int

    @property
    def confirmation(self) -> int:
        """How long drift may be unconfirmed, in milliseconds: a window's slices.

        Without a guarantee it is drift once as many windows in a row are over their threshold
        (:mod:`monitors.sequential.monitor`), so the newest slices may be the first of a change.
        """
        return self.window * self.slide

    @property
    def missing(self) -> dict[Stage, int]:
        """How many slices each stage lacks."""
        return {stage: max(SLICES_NEEDED - n, 0) for stage, n in self.slices.items()}

    @property
    def is_short(self) -> bool:
        """Whether it is too short for the false-alarm guarantee."""
        return any(self.missing.values())


def length(baseline: Baseline) -> BaselineLength:
    """Return how long a baseline is, by what the false-alarm guarantee counts."""
    slices = {stage: sum(has_values(stage, s.counts) for s in baseline.slices(stage)) for stage in Stage}
    windows = baseline.events.windows
    return BaselineLength(
        slices if slices[Stage.OUTCOMES] else {Stage.INPUTS: slices[Stage.INPUTS]},
        to_ms(baseline.end), to_ms(windows.slide), to_ms(baseline.events.label_delay), baseline.revision,
        windows.slices,
    )  # fmt: skip


def has_values(stage: Stage, counts: Mapping[str, Sequence[int]]) -> bool:
    """Return whether a slice counts for a stage: it has predictions or, for outcomes, rows that are scored."""
    return any(counts.get(PREDICTION, ())) if stage is Stage.INPUTS else any(counts.get("coverage", ())[:1])


def renewed(baseline: Baseline, gained: Gained, valid_from: Mapping[Stage, datetime]) -> Baseline:
    """Return the next revision of a baseline: its own slices, and those that were gained.

    Parameters
    ----------
    baseline
        The revision before.
    gained
        Slices after its end that were counted on its bins, of all segments.
    valid_from
        By stage, the end of the newest window that has been judged already.

    Raises
    ------
    IllegalMove
        The baseline has the slices that it needs, or a slice lies in its own period.
    """
    before = length(baseline)
    starts = [s.start for slices in gained.values() for s in slices]
    if not before.is_short or not starts or min(starts) < before.end:
        msg = f"the baseline of {baseline.version} cannot be renewed: it is long enough, or the slices are its own"
        raise errors.IllegalMove(msg, hint="only one that is too short for the guarantee is renewed, by later slices")
    added = {stage: tuple(_countable(baseline, stage, s) for s in gained.get(stage, ())) for stage in Stage}
    inputs = [s for s in added[Stage.INPUTS] if not s.segment]
    renewal = Renewal(revision=before.revision + 1, renews=baseline.digest, before=baseline.end,
                      since=from_ms(min(starts)), valid_from=dict(valid_from))  # fmt: skip
    return baseline.model_copy(update={
        "end": from_ms(max(starts) + before.slide), "renewal": renewal,
        "rows": baseline.rows + sum(sum(s.counts.get(PREDICTION, ())) for s in inputs),
        "inputs": _in_order(baseline.inputs, added[Stage.INPUTS]),
        "outcomes": _in_order(baseline.outcomes, added[Stage.OUTCOMES]),
    })  # fmt: skip


def extends(baseline: Baseline, before: Baseline) -> bool:
    """Return whether a baseline is a revision of the one *before* that only adds slices, and that one needed them."""
    renewal = baseline.renewal
    if renewal is None or renewal.renews != before.digest or not length(before).is_short:
        return False
    own = {"start", "end", "rows", "inputs", "outcomes", "renewal"}
    same = baseline.model_dump(exclude=own - {"start"}) == before.model_dump(exclude=own - {"start"})
    stages = ((before.inputs, baseline.inputs), (before.outcomes, baseline.outcomes))
    return same and baseline.end > before.end and all(_begins_with(later, earlier) for earlier, later in stages)


def _begins_with(later: Sequence[Slice], earlier: Sequence[Slice]) -> bool:
    """Return whether slices are all of the *earlier* ones, unchanged, and others after them."""
    earlier_starts = {s.start for s in earlier}
    return [s for s in later if s.start in earlier_starts] == sorted(earlier, key=_order)


def _countable(baseline: Baseline, stage: Stage, one: Slice) -> Slice:
    """Return a slice without what no baseline counts: the error stream."""
    sizes = counting.layout(baseline.events, baseline.frozen, stage).sizes
    counts = {name: list(row) for name, row in one.counts.items() if name in sizes}
    return Slice(start=one.start, segment=one.segment, counts=without_zero(counts))


def _in_order(own: Sequence[Slice], added: Sequence[Slice]) -> tuple[Slice, ...]:
    return tuple(sorted((*own, *added), key=_order))


def _order(one: Slice) -> tuple[int, str]:
    return one.start, one.segment
