"""Error-stream detectors on single losses: detection delay in records, and false alarms.

:mod:`monitors.error_stream.rank_detectors` at its defaults.
"""

from __future__ import annotations

import numpy as np

from benchmarks import tuned
from benchmarks.changes import Floats, Rng
from monitors.error_stream.rank_detectors import DetectorAlarm, Detectors, Ranks

SEED = 23
FACTORS = 1.1, 1.25, 1.5, 2.0, 4.0
BEFORE, AFTER, RUNS = 2_000, 4_000, 20
STILL = 300_000
FAST = Detectors(kswin_alpha=0.0)
ENOUGH = next(k for k in range(1, tuned.RECENT + 1) if tuned.kswin_p(k) <= Detectors().kswin_alpha)
"""KSWIN is worked out for many records at once: it alarms from this statistic on."""
NAMES = "ADWIN", "PageHinkley", "KSWIN"


def losses(rng: Rng, n: int) -> Floats:
    """Return independent losses, exponential as log losses about are."""
    return rng.exponential(size=n)


def alarms(ranks: Ranks, seen: Floats, rng: Rng) -> list[DetectorAlarm]:
    """Return all alarms on *seen*; KSWIN's do not reset it, and are told once in 100 records at most."""
    _, found = FAST.update(FAST.start(ranks), seen)
    over = np.flatnonzero(tuned.kswin(ranks.of(seen), rng) >= ENOUGH) + 1
    apart = over[np.diff(over, prepend=-tuned.WINDOW) >= tuned.WINDOW]
    return [*found, *(DetectorAlarm("KSWIN", int(k), risen=True) for k in apart)]


def delays(factor: float) -> dict[str, list[float]]:
    """Return by detector after how many records each of the runs was told of losses *factor* times as large."""
    rng = np.random.default_rng([SEED, int(100 * factor)])
    ranks = Ranks.freeze(losses(rng, 10_000))
    out: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(RUNS):
        seen = losses(rng, BEFORE + AFTER) * np.where(np.arange(BEFORE + AFTER) < BEFORE, 1.0, factor)
        found = alarms(ranks, seen, rng)
        for name in NAMES:
            late = (a.record - BEFORE for a in found if a.detector == name and a.record > BEFORE)
            out[name].append(min(late, default=np.inf))
    return out


def report() -> str:
    """Measure, and return the table."""
    rng = np.random.default_rng(SEED)
    still = alarms(Ranks.freeze(losses(rng, 100_000)), losses(rng, STILL), rng)
    by_chance = [sum(a.detector == name for a in still) * 1e5 / STILL for name in NAMES]
    lines = [["", *NAMES], ["---"] * (len(NAMES) + 1)]
    lines += [[f"losses times {f:g}", *(_cell(d) for d in delays(f).values())] for f in FACTORS]
    lines += [["no change: alarms in 100,000 records", *(f"{n:.2g}" for n in by_chance)]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(found: list[float]) -> str:
    hits, median = int(np.isfinite(found).sum()), float(np.median(found))
    share = "" if hits == len(found) else f"{hits}/{len(found)} "
    return f"{share}{median:.0f}" if np.isfinite(median) else share.strip()
