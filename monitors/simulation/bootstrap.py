"""Worlds in which nothing changes, made of a baseline's own slices: what alarms in them is false.

The baseline plays the world, and a reference and a future are drawn from it in the same way, as bootstraps have it: a
future that met its own source as the reference would look too well known. What is drawn are blocks of consecutive
slices, with replacement, that keep their place in the calendar and all segments and both stages together (block
bootstrap: Kuensch 1989; blocks of whole periods keep the season, as Dudek et al. 2014 show). What lasts longer than a
block is not in such a world, so a stream with a long memory raises more false alarms than are measured here; a single
odd block (a storm) is drawn again and again, or is absent from the reference, which may raise too many.
Measured on streams with 59 reference slices and a weekly pattern, false alarms for each promised one: 0.28, 0.30 and
0.43 where slices have an AR(1) memory of 0, .6 and .8, and 0.22, 0.43 and 0.95 in fresh slices of the same streams.
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
"""Blocks that a baseline must have to be drawn from."""


@dataclass(frozen=True, eq=False)
class BootstrapDraw:
    """One draw: *past* and *future* give the start (ms) of every slice, and that of the slice of *source* it is."""

    source: Baseline
    past: dict[int, int]
    future: dict[int, int]

    @cached_property
    def reference(self) -> Baseline:
        """The baseline that was drawn."""
        by: dict[int, list[int]] = {}
        for at, origin in self.past.items():
            by.setdefault(origin, []).append(at)

        def placed(slices: Iterable[Slice]) -> tuple[Slice, ...]:
            return tuple(s.model_copy(update={"start": at}) for s in slices for at in by.get(s.start, []))

        drawn = {"inputs": placed(self.source.inputs), "outcomes": placed(self.source.outcomes)}
        return self.source.model_copy(update=drawn)

    def slices(self, stage: Stage, segment: str) -> list[Slice]:
        """Return the slices of the future, oldest first."""
        there = {s.start: s for s in self.source.slices(stage, segment)}
        return [there[o].model_copy(update={"start": at}) for at, o in self.future.items() if o in there]

    def windows(self, stage: Stage, segment: str) -> Iterator[tuple[rewindow.CountedWindow, Hashable]]:
        """Yield the future's windows, with their keys."""
        cut = self.source.events.windows
        for window in rewindow.windows(self.slices(stage, segment), cut.slices, to_ms(cut.slide)):
            yield window, self.key(window)

    def key(self, window: rewindow.CountedWindow) -> Hashable:
        """Return what *window* is made of: equal keys are equal counts, in every world of the same source."""
        cut = self.source.events.windows
        return tuple(self.future.get(window.start + i * to_ms(cut.slide)) for i in range(cut.slices))


def draw(baseline: Baseline, length: int, rng: np.random.Generator) -> BootstrapDraw:
    """Return a world whose future has *length* slices, and begins where a block can begin after the baseline.

    Raises:
        NotEnoughData: the baseline is too short to draw from.
    """
    slide, first = to_ms(baseline.events.windows.slide), baseline.events.windows.slice_start(to_ms(baseline.start))
    slices = -(-(to_ms(baseline.end) - first) // slide)
    block = block_length(slide, slices)
    blocks = first + slide * np.arange(slices // block * block).reshape(-1, block)
    after = first + slide * block * -(-slices // block)
    return BootstrapDraw(baseline, _path(rng, blocks, first, slide, slices), _path(rng, blocks, after, slide, length))


def block_length(slide: int, slices: int) -> int:
    """Return how many slices a block has: a week's or a day's, if a baseline of *slices* has enough of them, or one.

    >>> block_length(DAY, 59), block_length(DAY, 20), block_length(3_600_000, 20 * 24)
    (7, 1, 24)

    Raises:
        NotEnoughData: there are fewer than :data:`MIN_BLOCKS` slices.
    """
    for span in (WEEK, DAY, slide):
        if span % slide == 0 and slices * slide // span >= MIN_BLOCKS:
            return span // slide
    msg = f"a baseline of {slices} slices is too short to rehearse with; {MIN_BLOCKS} are the least"
    raise NotEnoughData(msg, hint="make the baseline of a longer period")


def _path(rng: np.random.Generator, blocks: Counts, begin: int, slide: int, length: int) -> dict[int, int]:
    """Return where each of *length* slices from *begin* on comes from; *blocks* (blocks, slices) are what is drawn."""
    origins = rng.choice(blocks, -(-length // blocks.shape[1])).ravel()[:length]
    return {begin + i * slide: int(origin) for i, origin in enumerate(origins)}
