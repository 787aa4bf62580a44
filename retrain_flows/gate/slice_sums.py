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


def measures(slices: Sequence[ComparedSlice], margin: float = 0.0) -> Floats:
    """Return how much better the candidate was in each slice, by both measures of the gate, (2, slices).

    The first is the mean difference of a row's losses. The second is the difference as a share of both models' losses,
    -1 to 1: a slice in which both err much, or in which a few rows have most of the loss, weighs no more in it than
    another.

    Parameters
    ----------
    slices
        The slices.
    margin
        By how much a row's loss may be higher; it is taken off the candidate's.
    """
    sums, rows = arrays(slices, margin)
    return np.stack([sums / rows, shares(sums, np.array([own.loss for own in slices], dtype=np.float64))])


def shares(differences: Floats, losses: Floats) -> Floats:
    """Return a candidate's loss less the reference's, as a share of both together, -1 to 1; 0 where neither erred.

    Parameters
    ----------
    differences
        Sums of the candidate's loss minus the reference's, (...); with a margin taken off they may say that the
        candidate's loss is below 0, and the share is -1.
    losses
        Sums of the reference's losses, (...).

    >>> shares(np.array([-1.0, 1.0, -3.0, 0.0]), np.array([2.0, 0.0, 2.0, 0.0])).round(3).tolist()
    [-0.333, 1.0, -1.0, 0.0]
    """
    both = np.maximum(2 * losses + differences, np.abs(differences))
    return np.divide(differences, both, out=np.zeros_like(both), where=both > 0)
