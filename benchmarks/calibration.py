"""False-alarm calibration, measured against the budget: `python -m benchmarks.calibration [--quick] [--write]`.

Streams in which nothing changes (:mod:`benchmarks.streams`) are watched for 500 slices after a reference, by Leeway and
by other systems' default rules on the same rows; words without end (:mod:`benchmarks.vocabularies`) also as a baseline
would have them that is counted by its own vocabulary; data that only look broken (:mod:`benchmarks.false_faults`)
for faults; and streams with slow memory (:mod:`benchmarks.wandering`) with and without the test for it. Seeded;
`--write` puts the tables into docs/statistics/calibration.md, words-and-faults.md and slow-memory.md. An hour and more
on one core; `--quick` draws fewer and smaller ones in ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks import (
    calibration_page,
    chain,
    false_faults,
    memory,
    memory_page,
    peers,
    streams,
    vocabularies,
    wandering,
    watch,
)
from benchmarks.rates import LATER, MOST_PANELS, Cell, FaultRate, Rate, WordRates, rate
from benchmarks.streams import Kind, Stream

Found = TypeVar("Found")
SEED = 7
BUDGETS = 30, 90, 500
"""Slices in which one false alarm is promised."""
REFERENCES = 20, 30, 60, 200
SHORT, SHORT_ROWS = (20, 30), 500
"""The shorter baselines, and the rows a slice that they are tried with, if the kind has these."""
WORD_REFERENCES = REFERENCES[2:]
WIDE = 10
"""How many panels are put together as one large one."""
OTHERS = {"Evidently": peers.evidently, "NannyML": peers.nannyml, "ADWIN": peers.adwin}
PAGES = Path(__file__).parent.parent / "docs" / "statistics"
PARTS = "streams", "words", "faults", "memory", "chain"


def cells(kinds: Sequence[str], sizes: Sequence[int], references: Sequence[int], panels: int) -> Iterator[Cell]:
    """Yield all cells of *kinds*, each from as many independent *panels*; a kind of one size is always there.

    Of *references*, those of :data:`SHORT` are tried with one size of each kind.
    """
    longest = -(-max(REFERENCES) // 7) * 7  # so that the first slice is a Monday's
    for name in kinds:
        kind = streams.KINDS[name]
        for rows in kind.rows if len(kind.rows) == 1 else sorted({*kind.rows} & {*sizes}):
            rng = np.random.default_rng([SEED, list(streams.KINDS).index(name), rows])
            drawn = streams.draw(kind, rng, longest + LATER, rows, panels)
            for reference in references:
                if reference not in SHORT or rows == SHORT_ROWS or len(kind.rows) == 1:
                    yield _cell(name, rows, drawn, reference, longest - reference)


def _cell(name: str, rows: int, drawn: Stream, reference: int, first: int) -> Cell:
    kind = streams.KINDS[name]
    seen, n = watch.counted(drawn, reference, first), drawn.counts.shape[1]
    share, rates = 0.0, {}
    sizes = {"wide": kind.features * WIDE, **({"one": 1} if kind.alone else {}), "panel": kind.features}
    for label, size in sizes.items():
        step = -(-n // size // MOST_PANELS)
        found = watch.evidence(seen, size, step)
        for budget in BUDGETS if label == "panel" else BUDGETS[-1:]:
            hits, promised = (of[::step] for of in watch.alarms(found, n, size, budget))
            rates[budget, label] = rate(hits[promised > 0], LATER, budget)
            share = float(promised.sum() / (len(promised) * size))
    return Cell(name, kind.features, rows, reference, share, rates, _others(drawn.since(first), reference, kind))


def _others(stream: Stream, reference: int, kind: Kind) -> dict[str, float]:
    """Return how many slices in 500 the others alarm at, in the mean of five panels."""
    starts = range(0, stream.counts.shape[1], kind.features)
    panels = [stream.of(slice(k, k + kind.features)) for k in starts][:5]
    return {
        name: 500 * float(np.mean([rule(panel, reference).any(axis=1).mean() for panel in panels]))
        for name, rule in OTHERS.items()
    }


def words(kinds: Sequence[str], references: Sequence[int], panels: int) -> Iterator[WordRates]:
    """Yield the rates of each kind of words, from as many independent *panels*: as it ships, and by own words."""
    for name in kinds:
        kind = vocabularies.KINDS[name]
        rng = np.random.default_rng([SEED, list(vocabularies.KINDS).index(name)])
        drawn = kind.draw(rng, (max(references) + LATER, panels * kind.features, kind.rows))
        for reference in references:
            first = max(references) - reference
            ways = [vocabularies.counted(drawn, reference, first, own=own) for own in (False, True)]
            yield WordRates(name, kind.rows, reference, *(_word_rates(seen, drawn.shape[1], kind) for seen in ways))


def _word_rates(seen: watch.Counted, n: int, kind: vocabularies.Vocabulary) -> dict[tuple[int, str], Rate]:
    out = {}
    for budget, label, size in ((90, "panel", kind.features), (500, "panel", kind.features), (500, "one", 1)):
        found = watch.evidence(seen, size)
        hits, promised = watch.alarms(found, n, size, budget)
        out[budget, label] = rate(hits[promised > 0], LATER, budget)
    return out


def faults(kinds: Sequence[str], models: int) -> Iterator[FaultRate]:
    """Yield for each kind of data that only look broken how many faults began, and whether real ones are found."""
    for name in kinds:
        kind, at = false_faults.KINDS[name], list(false_faults.KINDS).index(name)
        rngs = [np.random.default_rng([SEED, at, k]) for k in range(models)]
        drawn = [false_faults.counted(kind, rng) for rng in rngs]
        seen = [false_faults.watched(model) for model in drawn]
        known = [dict(false_faults.found(kind, rng)) for rng in rngs[: max(models // 4, 2)]]
        yield FaultRate(
            name, false_faults.allowed(drawn[0]), rate(np.array([s.began for s in seen]), 1, 1),
            float(np.mean([s.stood for s in seen])),
            {broken: float(np.mean([k[broken] for k in known])) for broken in false_faults.BREAKS},
        )  # fmt: skip


def worlds(slices: int, repetitions: int) -> Iterator[tuple[str, Rate, Rate]]:
    """Yield each world of the whole chain with its rates inside and outside the promise."""
    for name, levels in chain.WORLDS.items():
        told = [chain.run(levels, np.random.default_rng([SEED, k]), 60, slices) for k in range(repetitions)]
        sides = (np.array([getattr(t, side) for t in told]) for side in ("promise", "outside"))
        inside, outside = (rate(side, slices, chain.BUDGET) for side in sides)
        yield name, inside, outside


def _shown(found: Iterable[Found], line: Callable[[Found], str]) -> list[Found]:
    """Return what was *found*, and print each as it comes."""
    out = []
    for one in found:
        out.append(one)
        print(line(one), flush=True)
    return out


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four panels, up to 500 rows, one reference, three models")
    parser.add_argument("--write", action="store_true", help="write the pages of the parts that are measured")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    every = {*streams.KINDS, *vocabularies.KINDS, *false_faults.KINDS, *wandering.KINDS}
    parser.add_argument("--kind", action="append", choices=sorted(every), help="only this one; may be repeated")
    for name, of in (("rows", "only so many rows a slice"), ("reference", "only baselines of so many slices")):
        parser.add_argument(f"--{name}", action="append", type=int, help=f"streams: {of}; may be repeated")
    return parser.parse_args()


def main() -> None:
    """Measure, tell as it goes, and write the pages if asked to."""
    args = _asked()
    parts, kinds = args.part or (PARTS[:-1] if args.kind else PARTS), args.kind or None
    sizes, references, panels = ((50, 500), (60,), 4) if args.quick else ((50, 500, 5_000, 100_000), REFERENCES, 10)
    sizes, references = args.rows or sizes, args.reference or references
    drawn, seen, known, slow = (
        [name for name in every if part in parts and (kinds is None or name in kinds)]
        for part, every in (("streams", streams.KINDS), ("words", vocabularies.KINDS), ("faults", false_faults.KINDS),
                            ("memory", wandering.KINDS))
    )  # fmt: skip
    found = _shown(cells(drawn, sizes, references, panels), calibration_page.line)
    of_words = _shown(words(seen, (60,) if args.quick else WORD_REFERENCES, min(panels, 8)), calibration_page.word_line)
    of_faults = _shown(faults(known, 3 if args.quick else 12), calibration_page.fault_line)
    few = min(panels, 10)
    of_memory = _shown(memory.measure(slow, (60,), few, SEED), memory_page.line)
    chains = list(worlds(90, 2) if args.quick else worlds(360, 3)) if "chain" in parts else []
    pages = {
        "calibration.md": calibration_page.page(found, chains) if found else "",
        "words-and-faults.md": calibration_page.words_and_faults(of_words, of_faults) if of_words or of_faults else "",
        "slow-memory.md": memory_page.page(of_memory, few, LATER) if of_memory else "",
    }
    for name, text in pages.items():
        print(text)
        if args.write and text:
            (PAGES / name).write_text(text)


if __name__ == "__main__":
    main()
