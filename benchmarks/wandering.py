"""Stationary streams with slow memory: levels that wander or jump under the noise of few rows, and changing volatility.

A baseline of 60 slices shows little of it, a few hundred later ones show it all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import signal, special

from benchmarks import streams
from benchmarks.streams import BORDERS, BURN_IN, MIDDLES, SLICE_SD, Draw, Floats, Kind, Rng, Stream, ar, around

Levels = Callable[[Rng, int, int], Floats]
"""Draws levels, (slices, features), in sd of a row: generator, slices, features."""


def _rows_around(levels: Levels) -> Draw:
    return lambda rng, slices, rows, features: around(rng, levels(rng, slices + BURN_IN, features)[BURN_IN:], rows)


def _ar_levels(phi: float, sd: float) -> Levels:
    return lambda rng, slices, features: sd * ar(rng.standard_normal((features, slices)), phi).T


def _two_levels(rng: Rng, slices: int, features: int) -> Floats:
    """Levels .15 sd apart, each of 33 slices on average."""
    turns = np.cumsum(rng.random((slices, features)) < 1 / 33, axis=0) + rng.integers(0, 2, features)
    return np.asarray(0.15 * (turns % 2 - 0.5))


def _many_levels(rng: Rng, slices: int, features: int) -> Floats:
    """Levels of their own, sd .15, each of 33 slices on average."""
    new = rng.random((slices, features)) < 1 / 33
    new[0] = True
    since = np.maximum.accumulate(np.where(new, np.arange(slices)[:, None], 0), axis=0)
    return np.take_along_axis(0.15 * rng.standard_normal((slices, features)), since, axis=0)


def _fractional(d: float) -> Levels:
    """ARFIMA(0, d, 0) of unit shocks, scaled to :data:`.streams.SLICE_SD`, by its moving average."""

    def levels(rng: Rng, slices: int, features: int) -> Floats:
        k = np.arange(1, 4 * slices)
        weights = np.concatenate([[1.0], np.cumprod((k - 1 + d) / k)])
        shocks = rng.standard_normal((5 * slices, features))
        made = signal.fftconvolve(shocks, weights[:, None], axes=0)[4 * slices : 5 * slices]
        return np.asarray(SLICE_SD * made / np.sqrt((weights**2).sum()))

    return levels


def _garch(rng: Rng, slices: int, features: int) -> Floats:
    """GARCH(1, 1) with alpha .15 and beta .8, of sd :data:`.streams.SLICE_SD`."""
    shocks, variance = rng.standard_normal((slices, features)), np.ones(features)
    for x in shocks:
        x *= np.sqrt(variance)
        variance = 0.05 + 0.15 * x**2 + 0.8 * variance
    return SLICE_SD * shocks


def _common_level(rng: Rng, slices: int, features: int) -> Floats:
    """One level AR(.95) in all features, up in some and down in others."""
    return np.asarray(_ar_levels(0.95, 0.1)(rng, slices, 1) * rng.choice([-1, 1], features))


def _every_other(rng: Rng, slices: int, features: int) -> Floats:
    levels = _ar_levels(0.95, 0.1)(rng, slices, features)
    levels[:, ::2] = 0
    return levels


def _common_bursts(rng: Rng, slices: int, features: int) -> Floats:
    """Levels without memory whose log sd, the same in all features, is AR(.9)."""
    log_sd = 0.7 * ar(rng.standard_normal((1, slices)), 0.9).T
    return np.asarray(0.2 * np.exp(log_sd - 0.7**2) * rng.standard_normal((slices, features)))


def _one_factor(rng: Rng, slices: int, features: int) -> Floats:
    return np.asarray(0.2 * rng.standard_normal((slices, 1)) * np.ones(features))


def _cycle(rng: Rng, slices: int, features: int) -> Floats:
    """A cycle of 28 slices, which no calendar of the week takes away."""
    return np.asarray(0.14 * np.sin(2 * np.pi * (np.arange(slices)[:, None] / 28 + rng.random(features))))


def _spread(phi: float) -> Draw:
    """Rows whose log sd, .2 sd of it from slice to slice, is AR(*phi*)."""

    def draw(rng: Rng, slices: int, rows: int, features: int) -> Stream:
        log_sd = 0.2 * ar(rng.standard_normal((features, slices + BURN_IN)), phi).T[BURN_IN:]
        below = special.ndtr(BORDERS / np.exp(log_sd)[..., None])
        return Stream(rng.multinomial(rows, np.diff(below, axis=-1, prepend=0.0, append=1.0)), MIDDLES)

    return draw


def _few(draw: Draw) -> Kind:
    return Kind(draw, rows=(100,))


GOOD: Mapping[str, Kind] = {
    "normal": _few(streams.KINDS["normal"].draw),
    "means wobble by .1 sd": _few(streams.KINDS["means wobble by .1 sd"].draw),
    "50 categories, Zipf": _few(streams.KINDS["50 categories, Zipf"].draw),
    "one factor in all features": _few(_rows_around(_one_factor)),
    "slices AR(.6)": _few(streams.KINDS["slices AR(.6)"].draw),
    "slices AR(.6), shocks t(3)": _few(streams.KINDS["slices AR(.6), shocks t(3)"].draw),
}
"""Kinds that whitening makes exchangeable: what is doubted of them is doubted falsely."""
SLOW: Mapping[str, Kind] = {
    "levels AR(.95) of .1 sd": _few(_rows_around(_ar_levels(0.95, 0.1))),
    "levels AR(.8) of .1 sd": _few(_rows_around(_ar_levels(0.8, 0.1))),
    "a common level AR(.95)": _few(_rows_around(_common_level)),
    "every other feature AR(.95)": _few(_rows_around(_every_other)),
    "two levels .15 sd apart": _few(_rows_around(_two_levels)),
    "levels of .15 sd, 33 slices each": _few(_rows_around(_many_levels)),
    "a cycle of 28 slices": _few(_rows_around(_cycle)),
    "ARFIMA(.2)": _few(_rows_around(_fractional(0.2))),
    "ARFIMA(.3)": _few(_rows_around(_fractional(0.3))),
    "ARFIMA(.4)": _few(_rows_around(_fractional(0.4))),
    "GARCH(1, 1) levels": _few(_rows_around(_garch)),
    "bursts in all features at once": _few(_rows_around(_common_bursts)),
    "spread of rows AR(.9)": _few(_spread(0.9)),
    "spread of rows AR(.7)": _few(_spread(0.7)),
}
"""Kinds with slow memory or changing volatility."""
KINDS: Mapping[str, Kind] = {**GOOD, **SLOW}
