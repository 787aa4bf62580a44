"""The gate's evidence for many runs at once, and when each run first passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from benchmarks import gate_peers, gate_spending
from features.scoring import Floats
from retrain_flows.gate import evidence, likelihood_ratio, slice_memory, slice_sums
from retrain_flows.training.challengers import EARLIER_SHARE
from retrain_flows.training.retrain_data import MAX_EARLIER
from retrain_flows.trial import look_slices

Bools = npt.NDArray[np.bool_]
ALPHA = 0.05
FIRST_LOOKS = (5, 14, 28)
"""Slices at a first look: 28 new ones where `leeway init` wrote the settings, fewer since a change point."""
CANDIDATE_SHARES = (1 - EARLIER_SHARE, *([EARLIER_SHARE / MAX_EARLIER] * MAX_EARLIER))
"""Parts of a cause's alpha: a new model of one trainer, and as many earlier versions as are tried."""


def then_looks(first: int, until: int) -> tuple[int, ...]:
    """Return the sizes of windows: a first one, then the looks of a trial until a number of slices.

    >>> then_looks(28, 38), then_looks(7, 15)
    ((28, 3, 3, 4), (7, 1, 1, 1, 1, 1, 1, 1, 1))
    """
    windows = [first]
    while sum(windows) + (size := look_slices(sum(windows))) <= until:
        windows.append(size)
    return tuple(windows)


def first_pass(passed: Sequence[Bools], ends: Sequence[int]) -> Floats:
    """Return the number of slices at which each run first passes, infinite if never."""
    each = np.array(passed)
    return np.where(each.any(axis=0), np.array(ends)[each.argmax(axis=0)], np.inf)


def by_evidence(drawn: Floats, windows: Sequence[int], past: Floats | None = None, alpha: float = ALPHA) -> Floats:
    """Return the number of slices at which each run first passes by the gate's evidence, infinite if never.

    Parameters
    ----------
    drawn
        Sums, rows and the second model's losses of slices, (3, runs, slices).
    windows
        New slices of each look, one after the other.
    past
        The history of each run, (runs, slices of the past), or None.
    alpha
        The error rate.
    """
    weights = evidence.memory_weights(past)
    relative = drawn[1] / drawn[1][:, : windows[0]].mean(axis=1, keepdims=True)
    measures = np.stack([drawn[0] / drawn[1], slice_sums.shares(drawn[0], drawn[2])])
    state, passed, end = likelihood_ratio.empty(measures.shape[:2]), [], 0
    for size in windows:
        for k in range(end, end + size):
            state = likelihood_ratio.begin(state) if evidence.is_start(k) else state
            state = likelihood_ratio.add(state, measures[:, :, k], relative[:, k])
        end += size
        total = evidence.by_start(state, weights).sum(axis=-1)
        recent = drawn[0, :, max(end - evidence.RECENT_SLICES, 0) : end].sum(axis=1)
        passed.append((total >= 1 / alpha) & (recent <= 0) & (end >= evidence.MIN_SLICES))
    return first_pass(passed, np.cumsum(windows).tolist())


def by_spending(drawn: Floats, looks: Sequence[int], past: Floats | None = None, alpha: float = ALPHA) -> Floats:
    """Return the first pass of looks at a growing sample, with alpha spent over them."""
    weights, passed = slice_memory.memory_weights(past), []
    for n, level in zip(looks, gate_spending.levels(tuple(looks), alpha), strict=True):
        values = slice_memory.linearised(drawn[0, :, :n], drawn[1, :, :n])
        passed.append(gate_peers.tail(values, weights) < level)
    return first_pass(passed, looks)
