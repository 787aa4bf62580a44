"""The gate's evidence for many runs at once: p-values of windows, their e-values, and when each run first passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks import gate_peers, gate_spending
from features.scoring import Floats
from retrain_flows.gate import evidence, slice_memory
from retrain_flows.training.challengers import EARLIER_SHARE
from retrain_flows.training.retrain_data import MAX_EARLIER
from retrain_flows.trial import look_slices

Bools = npt.NDArray[np.bool_]
ALPHA = 0.05
FIRST_WINDOWS = (7, 14, 28)
"""Slices of a gate's evaluation rows: 28 as `leeway init` writes it, fewer since a change point."""
CANDIDATE_SHARES = (1 - EARLIER_SHARE, *([EARLIER_SHARE / MAX_EARLIER] * MAX_EARLIER))
"""Parts of a cause's alpha: a new model of one trainer, and as many earlier versions as are tried."""


def then_looks(first: int, until: int) -> tuple[int, ...]:
    """Return the sizes of windows: a first one, then the looks of a trial until a number of slices.

    >>> then_looks(28, 48), then_looks(7, 30)
    ((28, 10, 10), (7, 5, 6, 9))
    """
    windows = [first]
    while sum(windows) + (size := look_slices(sum(windows))) <= until:
        windows.append(size)
    return tuple(windows)


def window_tails(drawn: Floats, windows: Sequence[int], past: Floats | None = None) -> list[Floats]:
    """Return the p-value of each window that the first model is no better, (windows, runs).

    Parameters
    ----------
    drawn
        Sums and rows of slices, (2, runs, slices).
    windows
        Slices of each window, one after the other.
    past
        The history of each run, (runs, slices of the past); None: the least favourable memory.
    """
    ends, weights = np.cumsum(windows), slice_memory.memory_weights(past)
    tails = []
    for end, n in zip(ends, windows, strict=True):
        values = slice_memory.linearised(drawn[0, :, end - n : end], drawn[1, :, end - n : end])
        tails.append(gate_peers.tail(values, weights))
    return tails


def paid(p: Sequence[Floats], alpha: float = ALPHA) -> list[Floats]:
    """Return the evidence after each window, (windows, runs), by the p-values of windows."""
    stakes = [evidence.FIRST_STAKE, *((1 - evidence.FIRST_STAKE) / (n * (n - 1)) for n in range(2, len(p) + 1))]
    after, total = [], np.zeros(len(p[0]))
    for tails, stake in zip(p, stakes, strict=True):
        total = _e_values(tails, alpha) * (total + stake)
        after.append(total)
    return after


def _e_values(p: Floats, alpha: float) -> Floats:
    """Return `evidence.e_value` of many p-values."""
    level, p = evidence.FIRST_STAKE * evidence.AT_ONCE * alpha, np.maximum(p, 1e-12)
    return np.asarray(evidence.AT_ONCE * (p <= level) / level + (1 - evidence.AT_ONCE) / (2 * np.sqrt(p)))


def first_pass(passed: Sequence[Bools], ends: Sequence[int]) -> Floats:
    """Return the number of slices at which each run first passes, infinite if never."""
    each = np.array(passed)
    return np.where(each.any(axis=0), np.array(ends)[each.argmax(axis=0)], np.inf)


def by_evidence(drawn: Floats, windows: Sequence[int], past: Floats | None = None, alpha: float = ALPHA) -> Floats:
    """Return the first pass of windows by their evidence."""
    after = paid(window_tails(drawn, windows, past), alpha)
    return first_pass([total >= 1 / alpha for total in after], np.cumsum(windows).tolist())


def by_spending(drawn: Floats, looks: Sequence[int], past: Floats | None = None, alpha: float = ALPHA) -> Floats:
    """Return the first pass of looks at a growing sample, with alpha spent over them."""
    weights, passed = slice_memory.memory_weights(past), []
    for n, level in zip(looks, gate_spending.levels(tuple(looks), alpha), strict=True):
        values = slice_memory.linearised(drawn[0, :, :n], drawn[1, :, :n])
        passed.append(gate_peers.tail(values, weights) < level)
    return first_pass(passed, looks)
