"""Distances of rows of shares, (..., cells): the formulas behind :mod:`monitors.stats.distance`, which takes counts.

Apart, so that shares that do not change are computed once, and several distances of one pair of rows share them. Where
a side has no rows its shares are NaN, and so is each distance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Shares = npt.NDArray[np.float64]


def shares(counts: npt.NDArray[np.int64], pseudo: Shares | None = None) -> Shares:
    """Return the share of each cell, (..., cells), of *counts* with *pseudo* counts added; NaN where there are none."""
    rows = counts.sum(axis=-1, keepdims=True)
    if pseudo is None:
        return np.asarray(counts / np.where(rows > 0, rows, np.nan))
    return np.asarray((counts + pseudo) / np.where(rows > 0, rows + pseudo.sum(axis=-1, keepdims=True), np.nan))


def jeffreys(a: Shares, b: Shares) -> Shares:
    """Return ``sum((b - a) ln(b / a))``, (...); a cell that has no share on either side adds nothing."""
    ratio = np.divide(b, a, out=np.ones_like(b), where=a != 0)
    return np.asarray(((b - a) * np.log(ratio)).sum(axis=-1))


def jensen_shannon(a: Shares, b: Shares) -> Shares:
    """Return the root of the Jensen-Shannon divergence in bits, (...)."""
    middle = (a + b) / 2
    bits = (special.rel_entr(a, middle) + special.rel_entr(b, middle)).sum(axis=-1) / (2 * np.log(2))
    return np.asarray(np.sqrt(np.minimum(np.maximum(bits, 0), 1)))


def kolmogorov_smirnov(moved: Shares) -> Shares:
    """Return the largest difference of two CDFs, (...), where *moved* is one less the other, (..., cells)."""
    return np.asarray(np.abs(moved).max(axis=-1))


def wasserstein(moved: Shares, positions: Shares | tuple[float, ...], sd: Shares | float) -> Shares:
    """Return the integral of the difference *moved* of two CDFs over *positions* of cells, (...), in units of *sd*."""
    area = (np.abs(moved[..., :-1]) * np.diff(positions)).sum(axis=-1)
    return np.asarray(area / np.where(np.asarray(sd) > 0, sd, np.nan))


def total_variation(a: Shares, b: Shares) -> Shares:
    """Return half the summed absolute difference, (...)."""
    return np.asarray(np.abs(b - a).sum(axis=-1) / 2)
