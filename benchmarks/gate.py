"""Error rates and power of the gate's sequential test: `python -m benchmarks.gate [--quick] [--write]`.

How often an equal first model passes, in each world of `benchmarks.gate_worlds`, looked at once and again and again;
how often and how soon a better one does, beside the paired test at its true error rate. `--write` puts the tables into
docs/statistics/gate.md. Seeded; one core, about three minutes; `--quick` half a minute.
"""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks import gate_peers, gate_worlds
from benchmarks.gate_worlds import BEYOND, WORLDS, World
from features.scoring import Floats
from retrain_flows.gate import slice_memory, spending

PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "gate.md"
SEED = 20_261_128
ALPHA = 0.05
SLICES = (7, 14, 30, 60)
LOOKS = spending.counted_looks(range(5, 60), 60)
"""Of looks at each new slice from 5 on, those that count: 5, 7, 10, 14, 20, 28, 40, 56."""
MEMORIES = (0.0, 0.3, 0.6, 0.8)
EFFECTS = (0.5, 1.0, 2.0)
PAST = 60
Row = tuple[str, ...]


def draw(world: World, phi: float, runs: int, *, effect: float = 0.0, stream: int = 0) -> Floats:
    """Return sums and rows of slices, (2, runs, 60), of a first model that is better by *effect* sd of a slice."""
    sums, rows = gate_worlds.slices(world, (SEED, stream, round(10 * phi)), (runs, SLICES[-1]), phi)
    return np.stack([sums - effect * rows, rows])


def history(phi: float, runs: int, slices: int = PAST) -> Floats:
    """Return the past of each run, (runs, slices): an AR(1) with nothing else in common with what follows."""
    return gate_worlds.autocorrelated(np.random.default_rng((SEED, 1, round(10 * phi))), (runs, slices), phi)


def tails(drawn: Floats, n: int, past: Floats | None = None) -> Floats:
    """Return the tail at the first *n* slices, (runs,)."""
    return gate_peers.robust(slice_memory.linearised(drawn[0, :, :n], drawn[1, :, :n]), past)


def first_pass(p: Sequence[Floats], levels: Sequence[float], looks: Sequence[int] = LOOKS) -> Floats:
    """Return the number of slices at which each run first passes, infinite if never."""
    passed = np.array([tail < level for tail, level in zip(p, levels, strict=True)])
    return np.where(passed.any(axis=0), np.array(looks)[passed.argmax(axis=0)], np.inf)


def repeated(drawn: Floats, past: Floats | None = None, alpha: float = ALPHA) -> Floats:
    """Return the first pass of looks at each new slice."""
    return first_pass([tails(drawn, n, past) for n in LOOKS], spending.levels(LOOKS, alpha))


def once(drawn: Floats, n: int, past: Floats | None = None, alpha: float = ALPHA) -> float:
    """Return how often the only look, at *n* slices, passes."""
    return float((tails(drawn, n, past) < spending.levels((n,), alpha)[0]).mean())


def by(at: Floats, slices: Iterable[int] = SLICES) -> list[float]:
    """Return the share of runs that passed by each number of slices."""
    return [float((at <= n).mean()) for n in slices]


def size_table(runs: int, *, slices: int | None = None) -> str:
    """Return how often an equal model passes, without or with a history of the same memory."""
    rows, largest = [], (0.0, "")
    for name, world in WORLDS.items():
        for phi in MEMORIES:
            drawn, past = draw(world, phi, runs), None if slices is None else history(phi, runs, slices)
            rates = [*(once(drawn, n, past) for n in SLICES), *by(repeated(drawn, past))]
            rows.append((name, f"{phi:g}", *(f"{r:.3f}" for r in rates)))
            largest = max(largest, (max(rates), f"{name}, memory {phi:g}"))
    head = ("world", "memory", *(f"once, {n}" for n in SLICES), *(f"repeatedly, by {n}" for n in SLICES))
    return f"{table(head, rows)}\n\nThe largest: {interval(largest[0], runs)} ({largest[1]})."


def beyond_table(runs: int) -> str:
    """Return how often an equal model passes where an assumption does not hold."""
    plain = WORLDS["AR(1)"]
    cases: list[tuple[str, Floats, Floats | None]] = [
        (f"memory {phi:g}, history of {past:g}", draw(plain, phi, runs), history(past, runs))
        for phi, past in ((0.3, 0.0), (0.6, 0.0), (0.6, 0.3), (0.8, 0.6))
    ]
    cases += [(f"memory {phi:g}", draw(plain, phi, runs), None) for phi in (0.9, 0.95)]
    for name, world in BEYOND.items():
        for phi in (0.0, 0.6):
            drawn, past = (draw(world, phi, runs, stream=stream) for stream in (0, 5))
            mine = past[0] / past[1]
            cases += [(f"{name}, {phi:g}", drawn, None), (f"{name}, {phi:g}, history", drawn, mine)]
    rows = []
    for name, drawn, past in cases:
        rates = [*(once(drawn, n, past) for n in SLICES), *by(repeated(drawn, past))]
        rows.append((name, *(f"{r:.3f}" for r in rates)))
    return table(("case", *(f"once, {n}" for n in SLICES), *(f"repeatedly, by {n}" for n in SLICES)), rows)


def power_table(runs: int) -> str:
    """Return how often, and when, a better model passes at looks at each new slice."""
    plain, rows = WORLDS["AR(1)"], []
    levels = {own: _own_level(own, 4 * runs) for own in MEMORIES}
    for phi in MEMORIES:
        for effect in EFFECTS:
            drawn = draw(plain, phi, runs, effect=effect, stream=2)
            today = [gate_peers.block_bootstrap(drawn[0, :, :n] / drawn[1, :, :n]) for n in LOOKS]
            plain_tails = [tails(drawn, n) for n in LOOKS]
            firsts = {
                f"this test, history of {PAST}": repeated(drawn, history(phi, runs)),
                "history of 25": repeated(drawn, history(phi, runs, 25)),
                "no history": first_pass(plain_tails, spending.levels(LOOKS, ALPHA)),
                "no history, normal mixture": first_pass(plain_tails, gate_peers.mixture_levels(LOOKS, ALPHA)),
                "paired, all memories": first_pass(today, [min(levels.values())] * len(LOOKS)),
                "paired, this memory": first_pass(today, [levels[phi]] * len(LOOKS)),
            }
            rows.append((f"{phi:g}", f"{effect:g}", *(_when(at) for at in firsts.values())))
    used = ", ".join(f"{level:.5f} ({phi:g})" for phi, level in levels.items())
    return f"{table(('memory', 'effect, sd', *firsts), rows)}\n\nLevels of the paired test, by memory: {used}."


def _own_level(phi: float, runs: int) -> float:
    """Return the nominal level at which the paired test passes 5 % of equal models in repeated looks."""
    drawn = draw(WORLDS["AR(1)"], phi, runs, stream=3)
    p = [gate_peers.block_bootstrap(drawn[0, :, :n] / drawn[1, :, :n]) for n in LOOKS]
    return float(np.quantile(np.min(p, axis=0), ALPHA))


def _when(at: Floats) -> str:
    median = float(np.median(at))
    return " / ".join(f"{r:.2f}" for r in by(at, SLICES[1:])) + (f"; {median:g}" if np.isfinite(median) else "; -")


def one_look_table(runs: int) -> str:
    """Return error rates of tests at a nominal 5 %, and passes of better models at 5 % in the worst case."""
    equal = [*(("AR(1)", phi) for phi in MEMORIES), ("unequal rows", MEMORIES[-1])]
    better = [(phi, effect) for phi in (0.0, 0.6) for effect in (1, 2)]
    rows = []
    for n in SLICES[:3]:
        null = [values(WORLDS[name], phi, 4 * runs, n) for name, phi in equal]
        gains = [values(WORLDS["AR(1)"], phi, runs, n, effect=effect, stream=2) for phi, effect in better]
        for name, test in gate_peers.peers(n).items():
            p = [test(x) for x in null]
            level = min(float(np.quantile(x, ALPHA)) for x in p)
            rows.append((str(n), name, *_one_look(p, [test(x) for x in gains], level)))
        p = [gate_peers.robust(x, history(phi, len(x))) for x, (_, phi) in zip(null, equal, strict=True)]
        passes = [gate_peers.robust(x, history(phi, runs)) for x, (phi, _) in zip(gains, better, strict=True)]
        rows.append((str(n), "this test, history", *_one_look(p, passes, ALPHA)))
    effects = (f"memory {phi:g}, effect {effect:g}" for phi, effect in better)
    sizes = "equal passes at .05: memory 0 / .3 / .6 / .8; .8 and unequal rows"
    return table(("slices", "test", sizes, "level used", *effects), rows)


def _one_look(equal: Sequence[Floats], better: Sequence[Floats], level: float) -> Row:
    """Return the cells of a test: how often equal models pass at .05, and better ones at *level*."""
    *plain, unequal = (f"{(p < ALPHA).mean():.3f}" for p in equal)
    return f"{' / '.join(plain)}; {unequal}", f"{level:.4f}", *(f"{(p < level).mean():.2f}" for p in better)


def values(world: World, phi: float, runs: int, n: int, *, effect: float = 0.0, stream: int = 4) -> Floats:
    """Return linearised values of the first *n* slices, (runs, n)."""
    drawn = draw(world, phi, runs, effect=effect, stream=stream)
    return slice_memory.linearised(drawn[0, :, :n], drawn[1, :, :n])


def paired_table(runs: int) -> str:
    """Return how often an equal model passes the paired test."""
    rows = []
    for phi in MEMORIES:
        drawn = draw(WORLDS["AR(1)"], phi, runs, stream=3)
        p = {n: gate_peers.block_bootstrap(drawn[0, :, :n] / drawn[1, :, :n]) for n in (*SLICES, *LOOKS)}
        at = first_pass([p[n] for n in LOOKS], [ALPHA] * len(LOOKS))
        rates = [*(float((p[n] < ALPHA).mean()) for n in SLICES), *by(at)]
        rows.append((f"{phi:g}", *(f"{r:.3f}" for r in rates)))
    return table(("memory", *(f"once, {n}" for n in SLICES), *(f"repeatedly, by {n}" for n in SLICES)), rows)


def tries_table(runs: int) -> str:
    """Return how often an equal model passes in ten tries of four candidates, and a better one in the tenth."""
    rows = []
    for phi in (0.0, 0.6, 0.8):
        passed = np.zeros(runs, dtype=bool)
        for k in range(1, 11):
            common = draw(WORLDS["AR(1)"], phi, runs, stream=100 + k)
            for c in range(4):
                own = draw(WORLDS["AR(1)"], phi, runs, stream=200 + 10 * k + c)
                drawn = np.stack([np.sqrt(0.7) * common[0] + np.sqrt(0.3) * own[0], own[1]])[:, :, :30]
                looks = spending.counted_looks((14, 20), 28)
                levels = spending.levels(looks, spending.alpha_of_try(ALPHA, k, candidates=4))
                passed |= first_pass([tails(drawn, n) for n in looks], levels, looks) < np.inf
        tenth = [
            by(repeated(draw(WORLDS["AR(1)"], phi, runs, effect=e, stream=2), past, spending.alpha_of_try(ALPHA, 10)))
            for e in (1.0, 2.0) for past in (None, history(phi, runs))
        ]  # fmt: skip
        rows.append((f"{phi:g}", interval(float(passed.mean()), runs), *(f"{r[2]:.2f} / {r[3]:.2f}" for r in tenth)))
    better = [f"tenth try, effect {e}{h}" for e in (1, 2) for h in ("", ", history")]
    return table(("memory", "any of 40 equal candidates passes", *better), rows)


def interval(rate: float, runs: int) -> str:
    """Return a rate with its 95 % interval (Clopper-Pearson)."""
    low, high = stats.binomtest(round(rate * runs), runs).proportion_ci()
    return f"{rate:.3f} ({low:.3f}-{high:.3f})"


def table(head: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(runs: int) -> str:
    """Measure, and return the tables."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy"))
    return "\n\n".join([
        f"Seed {SEED}, {runs} runs a cell of the error rates; Python {platform.python_version()}, {packages}.",
        "### An equal model passes: nothing known of the memory", size_table(runs),
        f"### An equal model passes: a history of {PAST} slices with the same memory",
        size_table(runs // 2, slices=PAST),
        "### An equal model passes the paired test, nominal .05", paired_table(runs),
        "### A better model passes: looked at after each new slice", power_table(runs // 5),
        "### Tests compared at one look", one_look_table(runs // 5),
        "### Ten tries of four candidates each", tries_table(runs // 5),
        "### Where an assumption does not hold: an equal model passes", beyond_table(runs // 2),
    ])  # fmt: skip


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text = report(1_000 if args.quick else 10_000)
    print(text)
    if args.write:
        parts = r"(?s)(<!-- measured -->\n).*(<!-- end -->)"
        PAGE.write_text(re.sub(parts, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", PAGE.read_text()))


if __name__ == "__main__":
    main()
