"""Null draws shared on a grid of sizes and shares, against draws of its own: `python -m benchmarks.null_grid`.

A line that is drawn at sizes and shares nearby and rescaled (:mod:`monitors.stats.null_distribution`) should
be exceeded no more often than one that is drawn for each window anew. Both are held against the same new draws at the
sizes and shares themselves: windows of 30 to 20,000 rows, baselines 3 to 100 times as long, 2 to 30 cells from equal
shares to a power law of 3. Seeded.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from monitors.stats import null_distribution
from monitors.stats.distance import Distances, js_distance_log2

SEED, DRAWS = 24, 40_000
LEVELS = (0.01, 0.001)


@dataclass(frozen=True)
class World:
    """A window of *n* rows and a baseline of *m*, of equal *shares*, which add up to 1."""

    n: int
    m: int
    shares: tuple[float, ...]

    def distances(self, rng: np.random.Generator, draws: int) -> Distances:
        """Return the distances of so many windows from as many baselines, (draws,)."""
        p = np.asarray(self.shares) / sum(self.shares)
        return js_distance_log2(rng.multinomial(self.m, p, draws), rng.multinomial(self.n, p, draws))


def worlds(rng: np.random.Generator, number: int) -> list[World]:
    """Return so many windows of all sizes and shares."""
    out = []
    for _ in range(number):
        n = int(np.exp(rng.uniform(np.log(30), np.log(20_000))))
        weights = np.arange(1, rng.integers(2, 31) + 1) ** -rng.uniform(0, 3)
        m = int(n * np.exp(rng.uniform(np.log(3), np.log(100))))
        out.append(
            World(n, m, null_distribution.smoothed_shares(np.rint(weights / weights.sum() * m).astype(np.int64)))
        )
    return out


def exceeded(world: World, level: float, seed: int) -> tuple[float, float]:
    """Return how often new draws exceed the line of the grid, and that of as many draws at the sizes themselves."""
    rng = np.random.default_rng([SEED, seed])
    shared = null_distribution.at_sizes(
        js_distance_log2, tuple(sorted(world.shares)), n=world.n, m=world.m, level=level
    ).quantile
    squares = np.sort(world.distances(rng, null_distribution.DRAWS) ** 2)
    own = float(np.sqrt(null_distribution.upper_quantile(squares, level)))
    new = world.distances(rng, DRAWS)
    return float((new > shared).mean()), float((new > own).mean())


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    number = parser.parse_args().worlds
    table = Table("level", "line", "exceeded, in units of the level (95 %)", "most, .95 quantile of worlds", box=None)
    for level in LEVELS:
        looked_at = worlds(np.random.default_rng(SEED), number)
        rates = np.array([exceeded(world, level, k) for k, world in enumerate(looked_at)]) / level
        for name, of in zip(("grid", "own sizes"), rates.T, strict=True):
            half = 1.96 * of.std(ddof=1) / np.sqrt(number)
            mean = f"{of.mean():.3f} ({of.mean() - half:.3f}-{of.mean() + half:.3f})"
            table.add_row(f"{level:g}", name, mean, f"{np.quantile(of, 0.95):.2f}")
        ratio = rates[:, 0] - rates[:, 1]
        half = 1.96 * ratio.std(ddof=1) / np.sqrt(number)
        table.add_row(
            f"{level:g}",
            "difference",
            f"{ratio.mean():+.3f} ({ratio.mean() - half:+.3f}-{ratio.mean() + half:+.3f})",
            "",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
