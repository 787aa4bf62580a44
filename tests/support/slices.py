"""Slices of paired loss differences with a known mean and memory."""

from __future__ import annotations

import numpy as np

from features.scoring import Floats


def autocorrelated(runs: int, slices: int, phi: float, *, seed: int = 1) -> Floats:
    """Return stationary AR(1) slice means, (runs, slices), of sd 1."""
    noise = np.random.default_rng(seed).normal(size=(runs, slices))
    out = noise.copy()
    for t in range(1, slices):
        out[:, t] = phi * out[:, t - 1] + np.sqrt(1 - phi**2) * noise[:, t]
    return out


def drawn(seed: int, *, slices: int = 14, mean: float = -1.0) -> tuple[Floats, Floats]:
    """Return sums and rows of slices with unequal rows, (slices,) each."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(20, 400, slices).astype(float)
    return rows * rng.normal(mean, 1, slices), rows
