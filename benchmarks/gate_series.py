"""Tables of the gate's benchmark that follow one cause for long: many tries, a late change, chosen rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks import gate_paths, gate_peers, gate_spending, gate_worlds
from benchmarks.gate_paths import ALPHA, CANDIDATE_SHARES, Bools
from benchmarks.gate_runs import MEMORIES, PAST, draw, history, interval, shares, table
from benchmarks.gate_worlds import BEYOND, WORLDS
from features.scoring import Floats
from retrain_flows.training.change_point import change_point

Table = Callable[[int], str]
"""A table of measured rates, by the number of runs."""
TRY = 28
"""Slices of a retrain's evaluation, all of them new, as `leeway init` writes it with a schedule of the same length."""
TRIES = 10
ALIKE = 7 * TRY
"""Slices without a difference before a change: 196."""
WITHIN = (28, 56, 112, 224)
LOOKS = (14, 20, 28)
"""Looks at each try of the test that spends alpha."""
UNTIL = 118
"""Slices of a trial of the longest patience, by default: a first look at 28, and 90 more."""
CHAMPION_SLICES = 56
"""Slices since the champion was trained, among which a change point of its loss is looked for."""


def tries_table(runs: int) -> str:
    """Return how often an equal candidate passes in ten tries of a new model and three earlier versions."""
    rows = []
    for phi in MEMORIES:
        kinds, past = [_kind(phi, runs, c) for c in range(len(CANDIDATE_SHARES))], history(phi, runs)
        passed = {}
        for name, own in (("", None), (", history", past)):
            series = [
                gate_paths.by_evidence(drawn, [TRY] * TRIES, own, ALPHA * share) < np.inf
                for drawn, share in zip(kinds, CANDIDATE_SHARES, strict=True)
            ]
            passed[f"evidence{name}"] = np.any(series, axis=0)
        passed["alpha spent over tries, history"] = np.any([
            _spent(drawn, k, past, len(kinds)) for drawn in kinds for k in range(TRIES)
        ], axis=0)  # fmt: skip
        passed["paired test, new model only"] = np.any([_paired(kinds[0], k) for k in range(TRIES)], axis=0)
        rows.append((f"{phi:g}", *(interval(float(p.mean()), runs) for p in passed.values())))
    return table(("memory", *passed), rows)


def _kind(phi: float, runs: int, number: int) -> Floats:
    """Return slices of a kind of candidate, which has .7 of the variance in common with the others."""
    common = draw(WORLDS["AR(1)"], phi, runs, stream=100, slices=TRIES * TRY)
    own = draw(WORLDS["AR(1)"], phi, runs, stream=200 + number, slices=TRIES * TRY)
    return np.stack([np.sqrt(0.7) * common[0] + np.sqrt(0.3) * own[0], *own[1:]])


def _spent(drawn: Floats, k: int, past: Floats, candidates: int) -> Bools:
    """Return which runs pass in the try *k* (from 0), whose part of alpha is spent over its looks."""
    alpha = gate_spending.alpha_of_try(ALPHA, k + 1, candidates=candidates)
    return gate_paths.by_spending(drawn[:, :, k * TRY : (k + 1) * TRY], LOOKS, past, alpha) < np.inf


def _paired(drawn: Floats, k: int) -> Bools:
    """Return which runs pass the paired test at a nominal alpha in the try *k* (from 0)."""
    part = drawn[:, :, k * TRY : (k + 1) * TRY]
    return gate_peers.block_bootstrap(part[0] / part[1]) < ALPHA


def change_table(runs: int) -> str:
    """Return how often a model passes before it is better, and how soon after that: it is alike for 196 slices."""
    rows, tries = [], (ALIKE + WITHIN[-1]) // TRY
    for phi in MEMORIES[:3]:
        past = history(phi, runs)
        for effect in (0.5, 1.0, 2.0):
            drawn = draw(WORLDS["AR(1)"], phi, runs, stream=6, slices=tries * TRY)
            drawn[0, :, ALIKE:] -= effect * drawn[1, :, ALIKE:]
            ends = [TRY * (k + 1) for k in range(tries)]
            at = {
                "evidence, history": gate_paths.by_evidence(drawn, [TRY] * tries, past),
                "evidence": gate_paths.by_evidence(drawn, [TRY] * tries),
                "alpha spent over tries, history":
                    gate_paths.first_pass([_spent(drawn, k, past, 1) for k in range(tries)], ends),
                "paired test, nominal .05": gate_paths.first_pass([_paired(drawn, k) for k in range(tries)], ends),
            }  # fmt: skip
            rows.append((f"{phi:g}", f"{effect:g}", *(_after(x) for x in at.values())))
    return table(("memory", "effect, sd", *at), rows)


def _after(at: Floats) -> str:
    """Return the share that passed before the change; then, of the others, by when, and the median."""
    before, after = at <= ALIKE, at[at > ALIKE] - ALIKE
    median = float(np.median(after)) if len(after) else np.inf
    text = f"{median:g}" if np.isfinite(median) else "-"
    return f"{before.mean():.2f}: {' / '.join(shares(after, WITHIN))}; {text}"


def selection_table(runs: int) -> str:
    """Return how often an equal model passes where rows are taken since a change point of the champion's loss."""
    rows = []
    for phi in MEMORIES:
        for common in (0.0, 0.5, 0.8):
            champion, difference = _losses(phi, common, runs)
            starts, moved = _starts(champion)
            cells = []
            for past in (None, history(phi, runs)):
                cells.append(float(_passes_since(difference, champion, starts, past).mean()))
            rows.append((f"{phi:g}", f"{common:g}", f"{moved:.2f}", *(interval(c, runs) for c in cells)))
    return table(("memory", "variance in common", "a change point stands out", "passes", "passes, history"), rows)


def _losses(phi: float, common: float, runs: int) -> tuple[Floats, Floats]:
    """Return the champion's loss, and the difference of an equal model's, (runs, slices)."""
    rng = np.random.default_rng((gate_worlds.SEED, 7, round(10 * phi), round(10 * common)))
    shape = (runs, CHAMPION_SLICES)
    both, own, other = (gate_worlds.autocorrelated(rng, shape, phi) for _ in range(3))
    champion = np.sqrt(common) * both + np.sqrt(1 - common) * own
    return champion, np.sqrt(1 - common) * (other - own)


def _starts(champion: Floats) -> tuple[list[int], float]:
    """Return where each run's evaluation starts: at a change point within it; and how often one stands out."""
    starts, ones, moved = [], np.ones(CHAMPION_SLICES), 0
    for losses in champion:
        change = change_point(losses, ones)
        stands_out = change is not None and change.significant
        moved += stands_out
        starts.append(max(TRY, change.index) if change is not None and stands_out else TRY)
    return starts, moved / len(champion)


def _passes_since(difference: Floats, champion: Floats, starts: Sequence[int], past: Floats | None) -> Bools:
    """Return which runs pass at a look at all slices from their start on; none does with too few."""
    passed = np.zeros(len(difference), bool)
    for start in set(starts):
        of = np.array(starts) == start
        own = difference[of, start:]
        drawn = np.stack([own, np.ones_like(own), gate_worlds.LOSS + champion[of, start:]])
        known = None if past is None else past[of]
        passed[of] = gate_paths.by_evidence(drawn, [CHAMPION_SLICES - start], known) < np.inf
    return passed


def beyond_table(runs: int, plans: Sequence[Sequence[int]]) -> str:
    """Return how often an equal model passes where an assumption does not hold."""
    rows = []
    for name, drawn, past in _beyond(runs):
        passes = (gate_paths.by_evidence(drawn, plan, past) < np.inf for plan in plans)
        rows.append((name, *(f"{x.mean():.3f}" for x in passes)))
    return table(("case", *(words(plan) for plan in plans)), rows)


def _beyond(runs: int) -> Iterator[tuple[str, Floats, Floats | None]]:
    """Yield cases with their slices and, where there is one, their history."""
    plain = WORLDS["AR(1)"]
    for phi, past in ((0.3, 0.0), (0.6, 0.0), (0.6, 0.3), (0.8, 0.6)):
        yield f"memory {phi:g}, history of {past:g}", draw(plain, phi, runs, slices=60), history(past, runs)
    for phi in (0.9, 0.95):
        yield f"memory {phi:g}", draw(plain, phi, runs, slices=60), None
    for name, world in BEYOND.items():
        for phi in (0.0, 0.6):
            drawn, past = draw(world, phi, runs, slices=60), draw(world, phi, runs, stream=5, slices=PAST)
            yield f"{name}, {phi:g}", drawn, None
            yield f"{name}, {phi:g}, history", drawn, past[0] / past[1]


def looks_table(runs: int) -> str:
    """Return how often a better model has passed by 60 and 118 slices, by the slices of a look after a first of 28."""
    rows, sizes = [], (5, 10, 14, 28)
    for phi in MEMORIES[:3]:
        past = history(phi, runs)
        for effect in (0.5, 1.0):
            drawn = draw(WORLDS["AR(1)"], phi, runs, effect=effect, stream=8, slices=UNTIL)
            plans = [(TRY, *([size] * ((UNTIL - TRY) // size))) for size in sizes]
            at = [gate_paths.by_evidence(drawn, plan, own) for own in (past, None) for plan in plans]
            rows.append((f"{phi:g}", f"{effect:g}", *(" / ".join(shares(x, (60, UNTIL))) for x in at)))
    heads = (f"looks of {size}{name}" for name in (", history", "") for size in sizes)
    return table(("memory", "effect, sd", *heads), rows)


def words(plan: Sequence[int]) -> str:
    """Return a plan of windows in words.

    >>> words((14, 7, 10)), words((28, 28)), words((7,))
    ('14, then looks of 7 to 10, by 31', 'looks of 28, by 56', 'once, 7')
    """
    if len(plan) == 1:
        return f"once, {plan[0]}"
    if len(set(plan)) == 1:
        return f"looks of {plan[0]}, by {sum(plan)}"
    sizes = " to ".join(str(size) for size in sorted({plan[1], max(plan[1:])}))
    return f"{plan[0]}, then looks of {sizes}, by {sum(plan)}"
