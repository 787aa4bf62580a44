"""Slices of paired loss differences with a known mean and memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from features.scoring import Floats
from features.window import Windows, to_ms
from registry.records import ComparedSlice

DAY = timedelta(days=1)
WINDOWS = Windows(size=DAY, slide=DAY)
LOSS = 10.0
"""A row's loss of the reference, in sd of a slice's mean difference."""


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


def looks(
    sums: Floats, rows: Floats, sizes: Sequence[int], *, losses: Floats | None = None
) -> list[list[ComparedSlice]]:
    """Return looks at slices of a day each, by each slice's sum of differences, rows and sum of the reference's losses.

    Without losses, a row's is LOSS.
    """
    lost = LOSS * np.asarray(rows, dtype=np.float64) if losses is None else losses
    slices = [
        ComparedSlice(start=k * to_ms(DAY), rows=int(n), difference=float(total), loss=float(loss))
        for k, (total, n, loss) in enumerate(zip(sums, rows, lost, strict=True))
    ]
    ends = np.cumsum(sizes)
    return [slices[end - size : end] for end, size in zip(ends, sizes, strict=True)]
