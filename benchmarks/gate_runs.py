"""Runs and table cells of the gate's benchmark: drawn slices, histories, rates with intervals, Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from benchmarks import gate_worlds
from benchmarks.gate_worlds import SEED, World
from features.scoring import Floats
from retrain_flows.gate import slice_memory

MEMORIES = (0.0, 0.3, 0.6, 0.8)
PAST = 60
"""Slices of a history."""
LONG = 280
"""Slices of a run: ten evaluations of 28."""
Row = tuple[str, ...]


def draw(world: World, phi: float, runs: int, *, effect: float = 0.0, stream: int = 0, slices: int = LONG) -> Floats:
    """Return slices of a first model that is better by *effect* sd of a slice.

    They are sums of differences, rows, and sums of the second model's losses, (3, runs, slices).
    """
    drawn = gate_worlds.slices(world, (SEED, stream, round(10 * phi)), (runs, slices), phi)
    drawn[0] -= effect * drawn[1]
    return drawn


def history(phi: float, runs: int, slices: int = PAST) -> Floats:
    """Return the past of each run, (runs, slices): an AR(1) with nothing else in common with what follows."""
    return gate_worlds.autocorrelated(np.random.default_rng((SEED, 1, round(10 * phi))), (runs, slices), phi)


def values(world: World, phi: float, runs: int, n: int, *, effect: float = 0.0, stream: int = 4) -> Floats:
    """Return linearised values of *n* slices, (runs, n)."""
    return slice_memory.linearised(*draw(world, phi, runs, effect=effect, stream=stream, slices=n)[:2])


def shares(at: Floats, by: Iterable[int]) -> list[str]:
    """Return the share of runs that passed by each number of slices."""
    return [f"{(at <= n).mean():.2f}" for n in by]


def interval(rate: float, runs: int) -> str:
    """Return a rate with its 95 % interval (Clopper-Pearson)."""
    low, high = stats.binomtest(round(rate * runs), runs).proportion_ci()
    return f"{rate:.3f} ({low:.3f}-{high:.3f})"


def table(head: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
