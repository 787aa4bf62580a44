"""Tables of the gate's benchmark for slices whose losses differ: what shares of both models' losses add to the means.

Losses of slices differ where their number of rare labels does, where errors have heavy tails, or where the champion
gets worse and worse.
"""

from __future__ import annotations

import numpy as np

from benchmarks import gate_paths, gate_worlds
from benchmarks.gate_runs import history, interval, shares, table
from features.scoring import Floats

UNTIL = 60
PLAN = gate_paths.then_looks(5, UNTIL)
SPREADS = (0.5, 1.0, 2.0)
"""Sd of the log of a slice's loss: quartiles of the loss are 2, 3.9 and 15 times apart."""


def gain_table(runs: int) -> str:
    """Return how often a model passes whose loss is lower by a part of each slice's, by both measures and by means."""
    rows = []
    for spread in SPREADS:
        for phi in (0.0, 0.6, 0.8):
            past = history(phi, runs)
            for gain in (0.0, 0.1, 0.2):
                rng = np.random.default_rng((gate_worlds.SEED, 9, round(10 * spread), round(10 * phi)))
                drawn = gate_worlds.uneven(rng, (runs, UNTIL), phi, spread, gain)
                cells = (" / ".join(shares(at, (14, 30, UNTIL))) for at in _first_passes(drawn, past))
                rows.append((f"{spread:g}", f"{phi:g}", f"{gain:g}", *cells))
    return table(("sd of log loss", "memory", "part gained", "evidence", "by means alone"), rows)


def contrary_table(runs: int) -> str:
    """Return how often a model passes that is better in most slices, and worse where most of the loss is."""
    rows, past = [], history(0.0, runs)
    for spread in SPREADS:
        rng = np.random.default_rng((gate_worlds.SEED, 10, round(10 * spread)))
        drawn = gate_worlds.contrary(rng, (runs, UNTIL), spread)
        passed = (float((at < np.inf).mean()) for at in _first_passes(drawn, past))
        rows.append((f"{spread:g}", *(interval(rate, runs) for rate in passed)))
    return table(("sd of log loss", "evidence", "by means alone"), rows)


def _first_passes(drawn: Floats, past: Floats) -> list[Floats]:
    """Return the slices at which each run first passes: by both measures, and by the means alone."""
    # With one large loss for all, shares say what the means say.
    alike = np.stack([*drawn[:2], 1e3 * np.abs(drawn[0]).max() * drawn[1]])
    return [gate_paths.by_evidence(own, PLAN, past) for own in (drawn, alike)]
