"""Streams for measuring intervals: losses and values of slices whose levels wobble, remember or come in sessions.

Each stream has a long-run distribution that is known, so that the true change of a window is too: its later slices are
drawn from a distribution that was changed by a stated amount, around which slices go on to vary as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from benchmarks.streams import Rng, ar

Floats = npt.NDArray[np.float64]
Draw = Callable[[Rng, int, int], Floats]
"""Draws losses of mean 1, or values, (slices, rows): generator, slices, rows."""
CATEGORY = 0.02
"""Share of the rare label, and of the rare category."""
LOW_LEVEL = 0.05
"""A level of losses is no lower than this part of its mean."""


@dataclass(frozen=True)
class Losses:
    """Losses by *draw*, times one plus the rise; or, where *rare*, labels of 1 whose share rises so much that they do.

    A rare label's loss is the log loss of a constant score that is right on average.
    """

    draw: Draw | None = None
    rare: Callable[[float], float] | None = None

    def rows(self, rng: Rng, slices: int, rows: int) -> Callable[[float], Floats]:
        """Return what gives the losses of *slices*, (slices, rows), whose mean has risen by a given part."""
        if self.draw:
            made = self.draw(rng, slices, rows)
            return lambda rise: made * (1 + rise)
        assert self.rare  # one of both
        uniform, zero, one = rng.random((slices, rows)), self.rare(0.0), self.rare(1.0)
        mean = zero + CATEGORY * (one - zero)
        return lambda rise: np.where(uniform < (mean * (1 + rise) - zero) / (one - zero), one, zero)


def levels(rng: Rng, slices: int, sd: float, phi: float = 0.0) -> Floats:
    """Return the levels of *slices*, (slices, 1), of mean 0 and this *sd*, that remember *phi* of the one before."""
    return sd * ar(rng.standard_normal((1, slices)), phi).T


def sessions(rng: Rng, slices: int, rows: int) -> Floats:
    """Return normal values of unit variance in sessions of Pareto's size, of intraclass correlation .5 to .8.

    A session lies in one slice, and its size has no variance: of some slices one session is half.
    """
    size = np.ceil(rng.pareto(1.5, (slices, rows)) + 1).astype(np.int64)
    session = np.array([np.repeat(np.arange(rows), np.minimum(s, rows))[:rows] for s in size])
    shared = np.take_along_axis(rng.standard_normal((slices, rows)), session, axis=1)
    icc = rng.uniform(0.5, 0.8)
    return np.asarray(np.sqrt(icc) * shared + np.sqrt(1 - icc) * rng.standard_normal((slices, rows)))


def _squared(sd: float, phi: float = 0.0) -> Draw:
    """Return what draws squared normal errors whose slices' levels vary by *sd* of a row's."""

    def draw(rng: Rng, slices: int, rows: int) -> Floats:
        level = 1 + np.sqrt(2) * levels(rng, slices, sd, phi)
        return np.maximum(level, LOW_LEVEL) * rng.standard_normal((slices, rows)) ** 2

    return draw


def _thinned(draw: Draw) -> Draw:
    """Return what draws the same in slices that have a quarter of the rows up to all of them; the others are NaN."""

    def drawn(rng: Rng, slices: int, rows: int) -> Floats:
        there = rows * 4 ** rng.uniform(-1, 0, (slices, 1))
        return np.where(np.arange(rows) < there, draw(rng, slices, rows), np.nan)

    return drawn


def _sessions(rng: Rng, slices: int, rows: int) -> Floats:
    return sessions(rng, slices, rows) ** 2


def _heavy(rng: Rng, slices: int, rows: int) -> Floats:
    return np.asarray(rng.standard_t(5, (slices, rows)) ** 2 * 3 / 5)


LOSSES: Mapping[str, Losses] = {
    "rows independent": Losses(_squared(0.0)),
    "levels wobble by .1 sd": Losses(_squared(0.1)),
    "levels wobble by .2 sd": Losses(_squared(0.2)),
    "levels wobble by .3 sd": Losses(_squared(0.3)),
    "sessions": Losses(_sessions),
    "busy and quiet, wobble .1 sd": Losses(_thinned(_squared(0.1))),
    "busy and quiet, sessions": Losses(_thinned(_sessions)),
    "levels AR(.6) of .2 sd": Losses(_squared(0.2, 0.6)),
    "heavy tails, squared t(5)": Losses(_heavy),
    "2 % errors": Losses(rare=lambda label: label),
    "log loss, 2 % of label 1": Losses(rare=lambda label: float(-np.log(CATEGORY if label else 1 - CATEGORY))),
}


@dataclass(frozen=True)
class Values:
    """Normal values: slices' means vary by *sd* and remember *phi* of the one before, or rows come in *sessions*.

    A change moves their mean. Where *rare*, values are 1 with a probability of .02, which a change of 1 makes .22.
    """

    sd: float = 0.0
    phi: float = 0.0
    in_sessions: bool = False
    rare: bool = False

    def rows(self, rng: Rng, slices: int, rows: int) -> Callable[[float], Floats]:
        """Return what gives the values of *slices*, (slices, rows), after a change of a given size."""
        if self.rare:
            uniform = rng.random((slices, rows))
            return lambda change: (uniform < CATEGORY + 0.2 * change).astype(np.float64)
        if self.in_sessions:
            made = sessions(rng, slices, rows)
        else:
            made = levels(rng, slices, self.sd, self.phi) + rng.standard_normal((slices, rows))
        return lambda change: made + change

    def below(self, borders: Floats, change: float) -> Floats:
        """Return the long-run share of values below each border after a change, (borders,)."""
        if self.rare:
            return np.where(borders > 1, 1.0, np.where(borders > 0, 0.98 - 0.2 * change, 0.0))
        return np.asarray(special.ndtr((borders - change) / np.sqrt(1 + self.sd**2)))


VALUES: Mapping[str, Values] = {
    "rows independent": Values(),
    "means wobble by .1 sd": Values(0.1),
    "means wobble by .2 sd": Values(0.2),
    "means wobble by .3 sd": Values(0.3),
    "sessions": Values(in_sessions=True),
    "means AR(.6) of .3 sd": Values(0.3, 0.6),
    "zeros, and 2 % ones": Values(rare=True),
}
