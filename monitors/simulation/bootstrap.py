"""Block bootstrap of a baseline's slices: streams without any change, in which every alarm is false.

The baseline plays the population, and a reference and a future are drawn from it in the same way: a future that is
compared with its own source would look too well known. What is drawn are blocks of consecutive slices, with
replacement, that keep their place in the calendar, and all segments and both stages together. Blocks of whole periods
keep the season.

Dependence that lasts longer than a block is lost, so a stream with a long memory has more false alarms than are
measured here; a single odd block (a storm) is drawn again and again, or is absent from the reference, which may give
too many. Measured on streams with 59 reference slices and a weekly pattern, false alarms for each budgeted one: 0.28,
0.30 and 0.43 where slices have an AR(1) memory of 0, .6 and .8; in fresh slices of the same streams 0.22, 0.43, 0.95.

References
----------
Kuensch (1989), "The jackknife and the bootstrap for general stationary observations", Ann. Stat. 17(3).
Politis and Romano (1992), "A circular block-resampling procedure for stationary data", in: Exploring the Limits of
Bootstrap, Wiley.
Dudek, Leskow, Paparoditis and Politis (2014), "A generalized block bootstrap for seasonal time series", J. Time Series
Anal. 35(2).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.errors import NotEnoughData
from features.window import to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Stage
from monitors.sequential.seasonality import DAY, WEEK
from monitors.simulation import rewindow
from monitors.stats.bins import Counts

MIN_BLOCKS = 4
"""Blocks that a baseline must have: with fewer, reference and future are mostly the same blocks. A choice."""


@dataclass(frozen=True, eq=False)
class BootstrapDraw:
    """One bootstrap sample of a baseline: a reference and a future without change.

    Parameters
    ----------
    source
        The baseline whose slices were drawn.
    past, future
        The slices of the reference and of the future: the start of each, and the start of the source's slice that it
        is, in milliseconds since the epoch.
    """

    source: Baseline
    past: dict[int, int]
    future: dict[int, int]

    @cached_property
    def reference(self) -> Baseline:
        """The baseline made of the reference's slices."""
        by: dict[int, list[int]] = {}
        for at, origin in self.past.items():
            by.setdefault(origin, []).append(at)

        def placed(slices: Iterable[Slice]) -> tuple[Slice, ...]:
            return tuple(s.model_copy(update={"start": at}) for s in slices for at in by.get(s.start, []))

        drawn = {"inputs": placed(self.source.inputs), "outcomes": placed(self.source.outcomes)}
        return self.source.model_copy(update=drawn)

    def slices(self, stage: Stage, segment: str) -> list[Slice]:
        """Return the future's slices of a stage and segment, oldest first."""
        there = {s.start: s for s in self.source.slices(stage, segment)}
        return [there[o].model_copy(update={"start": at}) for at, o in self.future.items() if o in there]

    def windows(self, stage: Stage, segment: str) -> Iterator[tuple[rewindow.CountedWindow, Hashable]]:
        """Yield the future's windows of a stage and segment, with their keys (see :meth:`key`)."""
        cut = self.source.events.windows
        for window in rewindow.windows(self.slices(stage, segment), cut.slices, to_ms(cut.slide)):
            yield window, self.key(window)

    def key(self, window: rewindow.CountedWindow) -> Hashable:
        """Return which of the source's slices a window is made of: equal keys are equal counts, in every draw."""
        cut = self.source.events.windows
        return tuple(self.future.get(window.start + i * to_ms(cut.slide)) for i in range(cut.slices))


def draw(baseline: Baseline, length: int, rng: np.random.Generator) -> BootstrapDraw:
    """Draw a bootstrap sample: a reference as long as the baseline, and a future after it.

    Parameters
    ----------
    baseline
        Whose slices are drawn.
    length
        Slices of the future, which begins at the first start of a block after the baseline.
    rng
        The random generator.

    Raises
    ------
    NotEnoughData
        The baseline is too short to draw from.
    """
    slide, first = to_ms(baseline.events.windows.slide), baseline.events.windows.slice_start(to_ms(baseline.start))
    slices = -(-(to_ms(baseline.end) - first) // slide)
    block = block_length(slide, slices)
    blocks = first + slide * np.arange(slices // block * block).reshape(-1, block)
    after = first + slide * block * -(-slices // block)
    return BootstrapDraw(baseline, _path(rng, blocks, first, slide, slices), _path(rng, blocks, after, slide, length))


def block_length(slide: int, slices: int) -> int:
    """Return how many slices a block has: a week's or a day's if a baseline has enough of those, or one.

    Parameters
    ----------
    slide
        Milliseconds that a slice lasts.
    slices
        Slices of the baseline.

    Raises
    ------
    NotEnoughData
        There are fewer than :data:`MIN_BLOCKS` slices.

    Examples
    --------
    >>> block_length(DAY, 59), block_length(DAY, 20), block_length(3_600_000, 20 * 24)
    (7, 1, 24)
    """
    for span in (WEEK, DAY, slide):
        if span % slide == 0 and slices * slide // span >= MIN_BLOCKS:
            return span // slide
    msg = f"a baseline of {slices} slices is too short for a replay; {MIN_BLOCKS} are needed"
    raise NotEnoughData(msg, hint="make the baseline of a longer period")


def _path(rng: np.random.Generator, blocks: Counts, begin: int, slide: int, length: int) -> dict[int, int]:
    """Return the source of each of *length* slices from *begin* (ms) on, drawn from *blocks*, (blocks, slices)."""
    origins = rng.choice(blocks, -(-length // blocks.shape[1])).ravel()[:length]
    return {begin + i * slide: int(origin) for i, origin in enumerate(origins)}
