"""CPU time of a sequential verdict: `python -m benchmarks.cost`, 1,000 features in 100 segments by default.

One slice of every segment is judged: scores of all features, their ranks, bets and detectors. Beside it, in the same
run, the plainest thing that could be done with the same counts: PSI of every feature against the baseline. Seeded.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from monitors.sequential import panel, slice_scores
from monitors.stats import distance

CELLS, REFERENCE, DAY = 12, 60, 86_400_000


def main() -> None:
    """Print the table."""
    asked = _arguments()
    rng = np.random.default_rng(5)
    names = [f"x{i}" for i in range(asked.features)]
    shares = np.full(CELLS, 1 / CELLS)
    slices = rng.multinomial(asked.rows, shares, (REFERENCE, asked.features))
    reference = {name: slices[:, i] for i, name in enumerate(names)}
    later = rng.multinomial(asked.rows, shares, (asked.slices, asked.features))
    newest = [{name: counts[i].tolist() for i, name in enumerate(names)} for counts in later]
    began = time.perf_counter()
    watched = panel.fit(slice_scores.share_scores(reference, dict.fromkeys(names, range(CELLS))),
                        [DAY * i for i in range(REFERENCE)], DAY, "cost")  # fmt: skip
    fitting, state = time.perf_counter() - began, watched.initial_state()
    began = time.perf_counter()
    for k, counts in enumerate(newest):
        state = watched.observe(state, DAY * (REFERENCE + k), counts)
        watched.log_evidence(state)
        state = watched.update_calibration(state, drifting=np.zeros(len(names), bool), reset=np.zeros(len(names), bool))
    judging = (time.perf_counter() - began) / asked.slices
    memory = state.calibration_scores.nbytes + state.level.nbytes + state.detectors.nbytes
    total = slices.sum(axis=0)
    began = time.perf_counter()
    for counts in later:
        distance.psi(total, counts)
    plain = (time.perf_counter() - began) / asked.slices
    _show(asked, fitting, judging, plain, memory)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("features", 1000), ("segments", 100), ("slices", 20), ("rows", 5000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def _show(asked: argparse.Namespace, fitting: float, judging: float, plain: float, memory: int) -> None:
    table = Table("what", "one segment", f"{asked.segments} segments", "times PSI", box=None,
                  title=f"{asked.features:,} features, {REFERENCE} reference slices")  # fmt: skip
    for what, seconds in (("fit the reference, once", fitting), ("judge a slice", judging), ("PSI of a slice", plain)):
        ratio = f"{seconds / plain:.1f}"
        table.add_row(what, f"{1000 * seconds:.1f} ms", f"{asked.segments * seconds:.2f} s", ratio)
    table.add_row("memory of a state", f"{memory / 2**20:.1f} MiB", f"{asked.segments * memory / 2**20:,.0f} MiB", "")
    Console().print(table)


if __name__ == "__main__":
    main()
