"""Error rates and power of the gate's evidence: `python -m benchmarks.gate [--quick] [--write]`.

How often an equal first model passes, in each world of `benchmarks.gate_worlds`, at its first window and over all that
follow; how often and how soon a better one does, beside the paired test and a test that spends alpha over looks.
`--write` puts the tables into docs/statistics/gate.md. Seeded; one core, half an hour; `--quick` a third of it.
"""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks import gate_paths, gate_peers, gate_series, gate_spending, gate_uneven
from benchmarks.gate_paths import ALPHA, FIRST_LOOKS
from benchmarks.gate_runs import MEMORIES, PAST, Row, draw, history, interval, shares, table, values
from benchmarks.gate_series import words
from benchmarks.gate_worlds import SEED, WORLDS
from features.scoring import Floats

PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "gate.md"
BY = (7, 14, 30, 60)
LOOKS = gate_spending.counted_looks(range(5, 60), 60)
"""Looks at a growing sample of the tests that are compared: 5, 7, 10, 14, 20, 28, 40, 56 slices."""
SHORT = tuple(gate_paths.then_looks(first, 60) for first in FIRST_LOOKS)
PLANS = (
    (14,),
    (28,),
    SHORT[1],
    (2,) * 30,
)
"""New slices of each look: one look, a trial, a look at every second slice."""
EFFECTS = (0.5, 1.0, 2.0)


def size_table(runs: int, *, slices: int | None = None) -> str:
    """Return how often an equal model passes, without or with a history of the same memory."""
    rows, largest = [], (0.0, "")
    for name, world in WORLDS.items():
        for phi in MEMORIES:
            drawn, past = draw(world, phi, runs, slices=60), None if slices is None else history(phi, runs, slices)
            rates = [float((gate_paths.by_evidence(drawn, plan, past) < np.inf).mean()) for plan in PLANS]
            rows.append((name, f"{phi:g}", *(f"{r:.3f}" for r in rates)))
            largest = max(largest, (max(rates), f"{name}, memory {phi:g}"))
    head = ("world", "memory", *(words(plan) for plan in PLANS))
    return f"{table(head, rows)}\n\nThe largest: {interval(largest[0], runs)} ({largest[1]})."


def power_table(runs: int) -> str:
    """Return how often, and when, a better model passes."""
    plain, rows = WORLDS["AR(1)"], []
    levels = {phi: _own_level(phi, 4 * runs) for phi in MEMORIES}
    for phi in MEMORIES:
        past = history(phi, runs)
        for effect in EFFECTS:
            drawn = draw(plain, phi, runs, effect=effect, stream=2, slices=60)
            today = [gate_peers.block_bootstrap(drawn[0, :, :n] / drawn[1, :, :n]) for n in LOOKS]
            firsts = {
                **{f"evidence, history, first {p[0]}": gate_paths.by_evidence(drawn, p, past) for p in SHORT},
                **{f"evidence, first {p[0]}": gate_paths.by_evidence(drawn, p) for p in SHORT[1:]},
                "alpha spent, history": gate_paths.by_spending(drawn, LOOKS, past),
                "alpha spent": gate_paths.by_spending(drawn, LOOKS),
                "paired, all memories": _paired(today, min(levels.values())),
                "paired, this memory": _paired(today, levels[phi]),
            }
            rows.append((f"{phi:g}", f"{effect:g}", *(_when(at) for at in firsts.values())))
    used = ", ".join(f"{level:.5f} ({phi:g})" for phi, level in levels.items())
    return f"{table(('memory', 'effect, sd', *firsts), rows)}\n\nLevels of the paired test, by memory: {used}."


def _paired(p: Sequence[Floats], level: float) -> Floats:
    """Return the first pass of looks of the paired test at a level."""
    return gate_paths.first_pass([x < level for x in p], LOOKS)


def _own_level(phi: float, runs: int) -> float:
    """Return the nominal level at which the paired test passes 5 % of equal models in repeated looks."""
    drawn = draw(WORLDS["AR(1)"], phi, runs, stream=3, slices=60)
    p = [gate_peers.block_bootstrap(drawn[0, :, :n] / drawn[1, :, :n]) for n in LOOKS]
    return float(np.quantile(np.min(p, axis=0), ALPHA))


def _when(at: Floats) -> str:
    """Return the shares that passed by 14, 30 and 60 slices, and the median."""
    median = float(np.median(at))
    return " / ".join(shares(at, BY[1:])) + (f"; {median:g}" if np.isfinite(median) else "; -")


def one_look_table(runs: int) -> str:
    """Return error rates of tests at a nominal 5 %, and passes of better models at 5 % in the worst case."""
    equal = [*(("AR(1)", phi) for phi in MEMORIES), ("unequal rows", MEMORIES[-1])]
    better = [(phi, effect) for phi in (0.0, 0.6) for effect in (1, 2)]
    rows = []
    for n in BY[:3]:
        null = [values(WORLDS[name], phi, 4 * runs, n) for name, phi in equal]
        gains = [values(WORLDS["AR(1)"], phi, runs, n, effect=effect, stream=2) for phi, effect in better]
        for name, test in gate_peers.peers(n).items():
            p = [test(x) for x in null]
            level = min(float(np.quantile(x, ALPHA)) for x in p)
            rows.append((str(n), name, *_one_look(p, [test(x) for x in gains], level)))
        p = [gate_peers.robust(x, history(phi, len(x))) for x, (_, phi) in zip(null, equal, strict=True)]
        passes = [gate_peers.robust(x, history(phi, runs)) for x, (phi, _) in zip(gains, better, strict=True)]
        rows.append((str(n), "this window, history", *_one_look(p, passes, ALPHA)))
    effects = (f"memory {phi:g}, effect {effect:g}" for phi, effect in better)
    sizes = "equal passes at .05: memory 0 / .3 / .6 / .8; .8 and unequal rows"
    return table(("slices", "test", sizes, "level used", *effects), rows)


def _one_look(equal: Sequence[Floats], better: Sequence[Floats], level: float) -> Row:
    """Return the cells of a test: how often equal models pass at .05, and better ones at *level*."""
    *plain, unequal = (f"{(p < ALPHA).mean():.3f}" for p in equal)
    return f"{' / '.join(plain)}; {unequal}", f"{level:.4f}", *(f"{(p < level).mean():.2f}" for p in better)


def paired_table(runs: int) -> str:
    """Return how often an equal model passes the paired test."""
    rows = []
    for phi in MEMORIES:
        drawn = draw(WORLDS["AR(1)"], phi, runs, stream=3, slices=60)
        p = {n: gate_peers.block_bootstrap(drawn[0, :, :n] / drawn[1, :, :n]) for n in (*BY, *LOOKS)}
        at = _paired([p[n] for n in LOOKS], ALPHA)
        rates = [*(float((p[n] < ALPHA).mean()) for n in BY), *(float((at <= n).mean()) for n in BY)]
        rows.append((f"{phi:g}", *(f"{r:.3f}" for r in rates)))
    return table(("memory", *(f"once, {n}" for n in BY), *(f"repeatedly, by {n}" for n in BY)), rows)


def report(runs: int) -> str:
    """Measure, and return the tables."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy"))
    return "\n\n".join([
        f"Seed {SEED}, {runs} runs a cell of the error rates; Python {platform.python_version()}, {packages}.",
        "### An equal model passes: nothing known of the memory", size_table(runs),
        f"### An equal model passes: a history of {PAST} slices with the same memory",
        size_table(runs // 2, slices=PAST),
        "### An equal model passes the paired test, nominal .05", paired_table(runs),
        "### A better model passes", power_table(runs // 2),
        "### A better model passes: slices of a look in a trial",
        gate_series.looks_table(runs // 4),
        "### Ten tries of one cause", gate_series.tries_table(runs // 4),
        f"### A model that is better after {gate_series.ALIKE} alike slices", gate_series.change_table(runs // 4),
        "### A model that is better by a part of each slice's loss", gate_uneven.gain_table(runs // 4),
        "### A model with the same mean loss, better in most slices: passes by 60",
        gate_uneven.contrary_table(runs // 2),
        "### Rows since a change point of the champion's loss: an equal model passes",
        gate_series.selection_table(runs // 4),
        "### P-values of one window, compared", one_look_table(runs // 4),
        "### Where an assumption does not hold: an equal model passes", gate_series.beyond_table(runs // 2, PLANS),
    ])  # fmt: skip


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text = report(200 if args.quick else 500)
    print(text)
    if args.write:
        parts = r"(?s)(<!-- measured -->\n).*(<!-- end -->)"
        PAGE.write_text(re.sub(parts, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", PAGE.read_text()))


if __name__ == "__main__":
    main()
