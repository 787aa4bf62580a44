"""A window of slices: mean difference of two models' losses, with bounds and p-values that reckon with memory.

It describes what was measured. Whether one model is better is decided by evidence
(:mod:`retrain_flows.gate.evidence`), which may be looked at again and again; a window's p-value may not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from features.scoring import Floats
from retrain_flows.gate import slice_memory

MIN_SLICES = 5
"""Slices below which a window says nothing: the standard error would have two degrees of freedom."""
BOUNDS = 0.95
"""Confidence of the two-sided bounds."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window of slices: mean difference of losses (candidate minus reference) with 95 % bounds, and its p-values.

    Parameters
    ----------
    mean, low, high
        The mean over rows and its two-sided 95 % bounds.
    better, worse
        One-sided p-values that the candidate is no better, and no worse.
    rows, slices
        Number of rows and of slices with rows.
    """

    mean: float
    low: float
    high: float
    better: float
    worse: float
    rows: int
    slices: int

    def shifted(self, by: float) -> Window:
        """Return the window with mean and bounds raised by a margin that was taken off before; p-values stay."""
        return replace(self, mean=self.mean + by, low=self.low + by, high=self.high + by)


def window(sums: Floats, rows: Floats, history: Floats | None = None) -> Window | None:
    """Return a window of slices with its p-values; None with fewer than :data:`MIN_SLICES` slices.

    Parameters
    ----------
    sums
        Sum over the rows of a slice of the candidate's loss minus the reference's, (slices,), in order of time.
    rows
        Number of rows, (slices,), all above 0.
    history
        One value a slice of the past, (slices of the past,), from which the memory of slices is learned; without one
        the least favourable memory is assumed.
    """
    n = len(sums)
    if n < MIN_SLICES:
        return None
    mean = float(sums.sum() / rows.sum())
    values = slice_memory.merged(slice_memory.linearised(sums, rows))
    error = float(slice_memory.standard_error(values))
    if error <= 0:  # every slice has the same difference
        p = 0.5 if mean == 0 else (0.0 if mean < 0 else 1.0)
        return Window(mean, mean, mean, p, 1 - p, round(float(rows.sum())), n)
    weights = slice_memory.memory_weights(history)
    better = float(slice_memory.tail(np.array(mean / error), len(values), weights))
    reach = error * slice_memory.critical_ratio((1 - BOUNDS) / 2, len(values), weights)
    return Window(mean, mean - reach, mean + reach, better, 1 - better, round(float(rows.sum())), n)


def in_words(looked: Window) -> str:
    """Return the mean difference with its bounds, in words.

    >>> in_words(Window(-0.02, -0.03, -0.01, 0.001, 0.999, 900, 14))
    '-0.0200 (95 % -0.0300 to -0.0100) over 14 slices'
    """
    return f"{looked.mean:+.4f} (95 % {looked.low:+.4f} to {looked.high:+.4f}) over {looked.slices} slices"
