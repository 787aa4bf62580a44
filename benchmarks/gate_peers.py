"""Tests that `benchmarks.gate` compares: each gives one-sided p-values of slice means, for all runs at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import special

from features.scoring import Floats
from retrain_flows.gate import slice_memory

Test = Callable[[Floats], Floats]
"""From slice means, (runs, slices), to the p-value of "the first model is not better", (runs,)."""


def tail(values: Floats, weights: Floats) -> Floats:
    """Return the p-values of a window, (runs,), as `slice_window.window` has them, for weights of memories."""
    ratio = values.mean(axis=-1) / slice_memory.standard_error(values)
    return slice_memory.tail(ratio, values.shape[-1], weights)


def robust(values: Floats, history: Floats | None = None) -> Floats:
    """Return the p-values of a window with a history of each run; without one, with the least favourable memory."""
    return tail(values, slice_memory.memory_weights(history))


def block_bootstrap(values: Floats) -> Floats:
    """Return those of `paired_test`, with the exact variance of its circular block bootstrap in place of draws."""
    n = values.shape[1]
    length = max(1, round(n ** (1 / 3)))
    blocks = n / length
    whole, rest = divmod(n, length)
    variance = (whole * _block_variance(values, length) + _block_variance(values, rest)) / n**2
    error = np.sqrt(variance * blocks / (blocks - 1))
    return np.asarray(special.stdtr(blocks - 1, values.mean(axis=1) / error))


def _block_variance(values: Floats, length: int) -> Floats:
    """Return the variance of the sum of a circular block over its starts."""
    n = values.shape[1]
    at = (np.arange(n)[:, None] + np.arange(length)) % n
    return np.asarray(values[:, at].sum(axis=2).var(axis=1))


def plain_t(values: Floats) -> Floats:
    """Return those of Student's t, which takes slices as independent."""
    n = values.shape[1]
    return np.asarray(special.stdtr(n - 1, values.mean(axis=1) * np.sqrt(n) / values.std(axis=1, ddof=1)))


def equal_weighted_cosines(values: Floats) -> Floats:
    """Return those of the EWC test, B = .4 n^(2/3), at least 2 (Lazarus, Lewis, Stock and Watson 2018)."""
    n = values.shape[1]
    terms = max(2, round(0.4 * n ** (2 / 3)))
    angles = np.pi * np.outer(np.arange(1, terms + 1), (np.arange(n) + 0.5) / n)
    variance = ((values @ (np.sqrt(2 / n) * np.cos(angles)).T) ** 2).mean(axis=1)
    return np.asarray(special.stdtr(terms, values.mean(axis=1) * np.sqrt(n / variance)))


def effective_size(values: Floats) -> Floats:
    """Return those of a t-test with n (1 - phi) / (1 + phi) slices, phi corrected by (1 + 4 phi) / n + .5 / sqrt(n)."""
    n = values.shape[1]
    moves = values - values.mean(axis=1, keepdims=True)
    phi = (moves[:, 1:] * moves[:, :-1]).sum(axis=1) / (moves**2).sum(axis=1)
    phi = np.clip(phi + (1 + 4 * phi) / n + 0.5 / np.sqrt(n), 0, 0.9)
    size = np.maximum(n * (1 - phi) / (1 + phi), 2.0)
    error = values.std(axis=1) / np.sqrt(np.maximum(size - 1, 0.5))
    return np.asarray(special.stdtr(size - 1, values.mean(axis=1) / error))


def fixed_b(values: Floats, critical: Floats) -> Floats:
    """Return those of Bartlett's kernel over half of the slices, its null law simulated (Kiefer and Vogelsang 2005)."""
    statistic = _bartlett(values)
    return np.asarray((np.searchsorted(critical, statistic) + 1) / (len(critical) + 1))


def _bartlett(values: Floats) -> Floats:
    n = values.shape[1]
    moves, width = values - values.mean(axis=1, keepdims=True), max(1, n // 2)
    variance = (moves**2).sum(axis=1) / n
    for lag in range(1, width):
        variance += 2 * (1 - lag / width) * (moves[:, lag:] * moves[:, :-lag]).sum(axis=1) / n
    return np.asarray(values.mean(axis=1) * np.sqrt(n / np.maximum(variance, 1e-12)))


def peers(slices: int) -> dict[str, Test]:
    """Return the tests for a number of slices, by name."""
    null = np.sort(_bartlett(np.random.default_rng(slices).normal(size=(20_000, slices))))
    return {
        "block bootstrap (paired_test)": block_bootstrap,
        "plain t": plain_t,
        "fixed-b, Bartlett": partial(fixed_b, critical=null),
        "EWC": equal_weighted_cosines,
        "AR(1) effective size": effective_size,
        "this window": robust,
    }
