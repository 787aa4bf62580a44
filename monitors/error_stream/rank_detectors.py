"""A fast look at single losses, outside the false-alarm promise: River's detectors on ranks in the baseline's losses.

Slices take their time to say what single losses may say in minutes, but how often such detectors alarm by chance is
known for independent losses only. A loss is turned into its rank among the baseline's first: a detector's parameters
then mean the same whatever the loss's unit, which they do not on raw losses (Page-Hinkley's threshold is in it).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from river import drift

from features.errors import NotEnoughData
from features.scoring import Floats
from monitors.stats.bins import NumericBins, freeze_numeric

_river: Any = drift  # its detectors are typed in part only

CELLS = 200
"""About how many cells the baseline's losses are counted in."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The baseline's losses as *counts* on frozen *bins*: what a loss's rank is read from.

    >>> ranks = Ranks.freeze(np.array([0.0, 0.0, 0.0, 2.0]))
    >>> ranks.of(np.array([0.0, 2.0, 9.0])).tolist()
    [0.4, 0.8, 0.9]
    """

    bins: NumericBins
    counts: tuple[int, ...]

    @classmethod
    def freeze(cls, losses: Floats) -> Ranks:
        """Return the table of *losses*, on quantile bins of them.

        Raises:
            NotEnoughData: none of them is finite.
        """
        if not np.isfinite(losses).any():
            msg = "ranks need a finite loss at least"
            raise NotEnoughData(msg, hint="take a baseline whose predictions have labels")
        return cls(bins := freeze_numeric(losses, CELLS), (0,) * bins.cells).add(losses)

    def add(self, losses: Floats) -> Ranks:
        """Return the table with more *losses* counted on the same bins."""
        cells = self.bins.index(losses, np.isnan(losses))
        return Ranks(self.bins, tuple((np.bincount(cells, minlength=len(self.counts)) + self.counts).tolist()))

    def merge(self, other: Ranks) -> Ranks:
        """Return the table of both's losses; their bins must be the same."""
        assert self.bins == other.bins  # the baseline freezes them once
        return Ranks(self.bins, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def of(self, losses: Floats) -> Floats:
        """Return the mid-rank of each of the *losses*, strictly between 0 and 1; about uniform over the baseline's.

        Losses of one cell share a rank; those beyond the baseline's range have the outermost. All must be finite.
        """
        ordered = np.array(self.bins.ordered)
        n = np.array(self.counts)[ordered]
        ranks = np.empty(self.bins.cells)
        ranks[ordered] = (np.cumsum(n) - n / 2 + 0.5) / (n.sum() + 1)
        return np.asarray(ranks[self.bins.index(losses, np.zeros(len(losses), bool))])


@dataclass(frozen=True, slots=True)
class DetectorAlarm:
    """What a *detector* said at a *record*, counted from 1 over all finite losses: the loss has *risen*, or fallen."""

    detector: str
    record: int
    risen: bool

    def __str__(self) -> str:
        """Return the alarm in words.

        >>> print(DetectorAlarm("ADWIN", 1207, True))
        ADWIN: the loss has risen by record 1,207 (fast, outside the false-alarm promise)
        """
        moved = "risen" if self.risen else "fallen"
        return (
            f"{self.detector}: the loss has {moved} by record {self.record:,} (fast, outside the false-alarm promise)"
        )


@dataclass(frozen=True, slots=True)
class DetectorState:
    """What is known after *seen* losses. The *members* are River's and not to be changed: a copy of them learns."""

    ranks: Ranks
    members: tuple[Any, ...]
    seen: int = 0


@dataclass(frozen=True, slots=True)
class Detectors:
    """The detectors' parameters, chosen for ranks: together they alarm less than once in 10^5 independent records.

    Measured on uniform ranks, alarms in 10^5 records: ADWIN 0.2, Page-Hinkley 0.1, KSWIN 0.1. Page-Hinkley looks
    upwards and does without River's forgetting, under which its sum wanders over any threshold in the end. Bifet and
    Gavalda 2007 (ADWIN), Page 1954, Raab, Heusinger and Schleif 2020 (KSWIN: *seed* draws its samples, a record takes
    0.4 ms; an alpha of 0 leaves it out).
    """

    adwin_delta: float = 0.02
    page_hinkley_delta: float = 0.02
    page_hinkley_threshold: float = 20.0
    kswin_alpha: float = 1.3e-6
    seed: int = 0

    def start(self, ranks: Ranks, *only: str) -> DetectorState:
        """Return the state before any loss, of all detectors or *only* some: ``adwin``, ``page_hinkley``, ``kswin``."""
        made = self._makers()
        return DetectorState(ranks, tuple(made[name]() for name in only or made))

    def _makers(self) -> dict[str, Callable[[], Any]]:
        hinkley = {"delta": self.page_hinkley_delta, "threshold": self.page_hinkley_threshold}
        made: dict[str, Callable[[], Any]] = {
            "adwin": partial(_river.ADWIN, delta=self.adwin_delta),
            "page_hinkley": partial(_river.PageHinkley, **hinkley, alpha=1.0, mode="up"),
        }
        if self.kswin_alpha > 0:
            made["kswin"] = partial(_river.KSWIN, alpha=self.kswin_alpha, seed=self.seed)
        return made

    def update(self, state: DetectorState, losses: Floats) -> tuple[DetectorState, tuple[DetectorAlarm, ...]]:
        """Return the state after *losses*, in their order, and the alarms on the way; non-finite ones are passed over.

        However the losses are cut into calls, the answers are the same: a lost state comes back by replay.
        """
        members = copy.deepcopy(state.members)
        ranks = state.ranks.of(losses[np.isfinite(losses)]).tolist()
        alarms = [alarm for i, rank in enumerate(ranks, state.seen + 1) for alarm in _look(members, i, rank)]
        return DetectorState(state.ranks, members, state.seen + len(ranks)), tuple(alarms)


def _look(members: tuple[Any, ...], record: int, rank: float) -> Iterator[DetectorAlarm]:
    for member in members:
        before = _level(member)
        member.update(rank)
        if member.drift_detected:
            now = _level(member)
            yield DetectorAlarm(type(member).__name__, record, before is None or now is None or now > before)


def _level(member: Any) -> float | None:
    """Return the mean rank of what a detector goes by; None for Page-Hinkley, which only looks upwards."""
    if isinstance(member, _river.KSWIN):
        return float(np.mean(member.window)) if member.window else 0.5
    return float(member.estimation) if isinstance(member, _river.ADWIN) else None
