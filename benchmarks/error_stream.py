"""Detection delay and false alarms of the error stream when losses rise, block by block as a monitor runs it."""

from __future__ import annotations

import numpy as np

from benchmarks.by_record import FACTORS, losses
from benchmarks.changes import Floats, Rng
from monitors.error_stream import detector_state
from monitors.profiles.outcome_counts import LOSS_UNIT

SEED = 29
DETECTORS = "page_hinkley", "adwin"
"""KSWIN takes .4 ms a record, and sees little: :mod:`benchmarks.by_record`."""
BLOCK, BLOCKS, RUNS, SLICES = 5_000, 4, 40, 10
STILL = 600_000
BLOCK_SIZES = 1_200, 5_000, 40_000
LEAST = 0.02
"""The rise worth telling, as by default."""


def told(name: str, seen: Floats, block: int) -> list[int]:
    """Return the records, counted from 0, that *seen* losses were told to have risen by; *block* of them make one."""
    memory, found = detector_state.StreamState(), []
    whole = np.rint(seen / LOSS_UNIT).astype(np.int64).tolist()
    for start in range(0, len(whole), block // SLICES):
        rows = [(start + i, "", loss) for i, loss in enumerate(whole[start : start + block // SLICES])]
        memory, said = detector_state.observe(name, memory, start // block, start, rows)
        if said is not None and said.after >= (1 + LEAST) * said.before:
            found.append(start + said.after_ms)
    return found


def delays(name: str, factor: float) -> list[float]:
    """Return after how many records each run was told of losses *factor* times as large, from some record on."""
    rng, out = np.random.default_rng([SEED, int(100 * factor)]), []
    for _ in range(RUNS):
        at, n = (BLOCKS - 2) * BLOCK + int(rng.integers(BLOCK)), BLOCKS * BLOCK
        seen = losses(rng, n) * np.where(np.arange(n) < at, 1.0, factor)
        out.append(min((k - at for k in told(name, seen, BLOCK) if k >= at), default=np.inf))
    return out


def draw(kind: str, rng: Rng, n: int) -> Floats:
    """Return *n* independent losses of a *kind*."""
    if kind == "log losses":
        return losses(rng, n)
    return rng.normal(size=n) ** 2 if kind == "squared errors" else (rng.random(n) < 0.2).astype(float)


def chance(name: str, kind: str) -> int:
    """Return the alarms among :data:`STILL` unchanged losses of a *kind* in blocks of each of the sizes."""
    rng = np.random.default_rng(SEED)
    return sum(len(told(name, draw(kind, rng, STILL), block)) for block in BLOCK_SIZES)


def report() -> str:
    """Measure, and return the table."""
    lines = [["", *DETECTORS], ["---", *["---:"] * len(DETECTORS)]]
    for factor in FACTORS[1:]:
        found = [delays(name, factor) for name in DETECTORS]
        lines.append([f"losses times {factor:g}", *(f"{np.median(d):.0f} ({np.quantile(d, 0.9):.0f})" for d in found)])
    for kind in ("log losses", "squared errors", "0-1 losses"):
        n = STILL * len(BLOCK_SIZES)
        lines.append([f"no change: alarms in {n:,} {kind}", *(str(chance(name, kind)) for name in DETECTORS)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(report())
