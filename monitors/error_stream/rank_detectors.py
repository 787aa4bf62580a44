"""Error-stream drift detectors (ADWIN, Page-Hinkley, KSWIN) on the ranks of single losses in the baseline's losses.

They react within minutes of labels, where sequential monitoring needs slices, but their false-alarm rate is known for
independent losses only, so the false-alarm guarantee does not cover them. Losses are replaced by their ranks in the
baseline, so that a detector's parameters mean the same in any unit of the loss; on raw losses Page-Hinkley's threshold
would be in that unit. Delays and false alarms: docs/statistics.md, section 2.

References
----------
Bifet and Gavalda (2007), "Learning from time-changing data with adaptive windowing" (ADWIN), SDM.
Page (1954), "Continuous inspection schemes", Biometrika 41.
Raab, Heusinger and Schleif (2020), "Reactive soft prototype computing for concept drift streams" (KSWIN),
Neurocomputing 416.
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

RANK_CELLS = 200
"""Approximate number of cells that the baseline's losses are counted in."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Empirical distribution of the baseline's losses, from which ranks are read.

    Parameters
    ----------
    bins
        Frozen quantile bins of the losses.
    counts
        Losses in each cell.

    Examples
    --------
    >>> ranks = Ranks.freeze(np.array([0.0, 0.0, 0.0, 2.0]))
    >>> ranks.of(np.array([0.0, 2.0, 9.0])).tolist()
    [0.4, 0.8, 0.9]
    """

    bins: NumericBins
    counts: tuple[int, ...]

    @classmethod
    def freeze(cls, losses: Floats) -> Ranks:
        """Return the distribution of *losses* on quantile bins of them.

        Raises
        ------
        NotEnoughData
            None of them is finite.
        """
        if not np.isfinite(losses).any():
            msg = "ranks need a finite loss at least"
            raise NotEnoughData(msg, hint="take a baseline whose predictions have labels")
        return cls(bins := freeze_numeric(losses, RANK_CELLS), (0,) * bins.cells).add(losses)

    def add(self, losses: Floats) -> Ranks:
        """Return the distribution with more losses counted on the same bins."""
        cells = self.bins.index(losses, np.isnan(losses))
        return Ranks(self.bins, tuple((np.bincount(cells, minlength=len(self.counts)) + self.counts).tolist()))

    def merge(self, other: Ranks) -> Ranks:
        """Return the sum of two distributions on the same bins."""
        assert self.bins == other.bins  # the baseline freezes them once
        return Ranks(self.bins, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def of(self, losses: Floats) -> Floats:
        """Return the mid-rank of each loss, (losses,), in (0, 1); about uniform over the baseline's losses.

        Losses in one cell share a rank; those beyond the baseline's range have the outermost. All must be finite.
        """
        ordered = np.array(self.bins.ordered)
        n = np.array(self.counts)[ordered]
        ranks = np.empty(self.bins.cells)
        ranks[ordered] = (np.cumsum(n) - n / 2 + 0.5) / (n.sum() + 1)
        return np.asarray(ranks[self.bins.index(losses, np.zeros(len(losses), bool))])


@dataclass(frozen=True, slots=True)
class DetectorAlarm:
    """One alarm of a detector.

    Parameters
    ----------
    detector
        The detector's name.
    record
        At which loss, from 1, over all finite losses.
    risen
        Whether the loss has risen; otherwise it has fallen.
    """

    detector: str
    record: int
    risen: bool

    def __str__(self) -> str:
        """Return the alarm as a sentence.

        >>> print(DetectorAlarm("ADWIN", 1207, True))
        ADWIN: the loss has risen by record 1,207 (fast, outside the false-alarm guarantee)
        """
        moved = "risen" if self.risen else "fallen"
        return (
            f"{self.detector}: the loss has {moved} by record {self.record:,} (fast, outside the false-alarm guarantee)"
        )


@dataclass(frozen=True, slots=True)
class DetectorState:
    """State after a number of losses.

    Parameters
    ----------
    ranks
        The baseline's distribution.
    members
        River's detectors. They must not be changed: :meth:`Detectors.update` updates a copy.
    records
        Losses seen so far.
    """

    ranks: Ranks
    members: tuple[Any, ...]
    records: int = 0


@dataclass(frozen=True, slots=True)
class Detectors:
    """Parameters of the detectors, chosen for ranks: together fewer than one alarm in 10^5 independent records.

    Measured on uniform ranks, alarms in 10^5 records: ADWIN 0.2, Page-Hinkley 0.1, KSWIN 0.1 (`python -m
    benchmarks.error_stream`). Page-Hinkley looks for increases only and without River's forgetting factor, under which
    its sum eventually wanders over any threshold.

    Parameters
    ----------
    adwin_delta
        ADWIN's confidence parameter.
    page_hinkley_delta
        Page-Hinkley's tolerated increase of the mean rank.
    page_hinkley_threshold
        Page-Hinkley's threshold of the cumulative sum.
    kswin_alpha
        KSWIN's significance level; 0 leaves it out. It takes 0.4 ms per record.
    seed
        Seed of KSWIN's samples.
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
        """Return the state after more losses, in their order, and the alarms; losses that are not finite are skipped.

        The result does not depend on how losses are divided among calls: a lost state is rebuilt by replay.
        """
        members = copy.deepcopy(state.members)
        ranks = state.ranks.of(losses[np.isfinite(losses)]).tolist()
        alarms = [alarm for i, rank in enumerate(ranks, state.records + 1) for alarm in _step(members, i, rank)]
        return DetectorState(state.ranks, members, state.records + len(ranks)), tuple(alarms)


def _step(members: tuple[Any, ...], record: int, rank: float) -> Iterator[DetectorAlarm]:
    """Update each detector with one rank; yield the alarms."""
    for member in members:
        before = _level(member)
        member.update(rank)
        if member.drift_detected:
            now = _level(member)
            yield DetectorAlarm(type(member).__name__, record, before is None or now is None or now > before)


def _level(member: Any) -> float | None:
    """Return the mean rank in a detector's window; None for Page-Hinkley, which looks for increases only."""
    if isinstance(member, _river.KSWIN):
        return float(np.mean(member.window)) if member.window else 0.5
    return float(member.estimation) if isinstance(member, _river.ADWIN) else None
