"""Sums by slice of time: rows of one slice have much in common, so comparisons of models count slices, not rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.scoring import Floats
from features.window import Windows, to_ms
from registry.records import ComparedSlice

Ints = npt.NDArray[np.int64]


def by_slice(values: Floats, times: Ints, windows: Windows) -> tuple[Ints, Floats, Ints]:
    """Return the starts (ms) of the slices with rows, the sum of the rows' values in each, and the number of rows.

    Parameters
    ----------
    values
        A value a row, (rows,).
    times
        The rows' event times, (rows,), in milliseconds since the epoch.
    windows
        What a slice is.
    """
    step = to_ms(windows.slide)
    starts, of_row = np.unique(times - times % step, return_inverse=True)
    sums = np.bincount(of_row, weights=values, minlength=len(starts)).astype(np.float64)
    return starts, sums, np.bincount(of_row, minlength=len(starts)).astype(np.int64)


def compared(candidate: Floats, reference: Floats, times: Ints, windows: Windows) -> tuple[ComparedSlice, ...]:
    """Return the slices on which two models were compared, by their losses on the same rows, (rows,) each."""
    starts, differences, rows = by_slice(candidate - reference, times, windows)
    _, losses, _ = by_slice(reference, times, windows)
    return tuple(
        ComparedSlice(start=int(s), rows=int(n), difference=float(d), loss=float(x))
        for s, n, d, x in zip(starts, rows, differences, losses, strict=True)
    )


def arrays(slices: Sequence[ComparedSlice], margin: float = 0.0) -> tuple[Floats, Floats]:
    """Return the sums of differences, less a margin a row, and the numbers of rows of slices, (slices,) each."""
    rows = np.array([s.rows for s in slices], dtype=np.float64)
    return np.array([s.difference for s in slices], dtype=np.float64) - margin * rows, rows
