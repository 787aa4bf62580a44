"""False-alarm calibration, measured against the budget: `python -m benchmarks.calibration [--quick] [--write]`.

Streams in which nothing changes (:mod:`benchmarks.streams`) are watched for 500 slices after a reference, by Leeway and
by other systems' default rules on the same rows. Seeded; `--write` puts the tables into docs/statistics/calibration.md.
About ten minutes on one core; `--quick` draws fewer and smaller ones in one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import calibration_page, chain, peers, streams, watch
from benchmarks.rates import LATER, Cell, Rate, rate
from benchmarks.streams import Kind, Stream

SEED = 7
BUDGETS = 90, 500
"""Slices in which one false alarm is promised."""
REFERENCES = 60, 200
WIDE = 10
"""How many panels are put together as one large one."""
OTHERS = {"Evidently": peers.evidently, "NannyML": peers.nannyml, "ADWIN": peers.adwin}
PAGE = Path(__file__).parent.parent / "docs" / "statistics" / "calibration.md"


def cells(kinds: Sequence[str], sizes: Sequence[int], references: Sequence[int], panels: int) -> Iterator[Cell]:
    """Yield all cells of *kinds*, each from as many independent *panels*; a kind of one size is always there."""
    longest = -(-max(references) // 7) * 7  # so that the first slice is a Monday's
    for name in kinds:
        kind = streams.KINDS[name]
        for rows in kind.rows if len(kind.rows) == 1 else sorted({*kind.rows} & {*sizes}):
            rng = np.random.default_rng([SEED, list(streams.KINDS).index(name), rows])
            drawn = streams.draw(kind, rng, longest + LATER, rows, panels)
            for reference in references:
                yield _cell(name, rows, drawn, reference, longest - reference)


def _cell(name: str, rows: int, drawn: Stream, reference: int, first: int) -> Cell:
    kind = streams.KINDS[name]
    found = watch.evidence(watch.counted(drawn, reference, first))
    n, rates = drawn.counts.shape[1], {}
    sizes = {"panel": kind.features, "wide": kind.features * WIDE, **({"one": 1} if kind.alone else {})}
    for label, size in sizes.items():
        for budget in BUDGETS:
            hits, promised = watch.alarms(found, n, size, budget)
            rates[budget, label] = rate(hits[promised > 0], LATER, budget)
    share = sum(len(part.variables) for part in found) / n
    return Cell(name, kind.features, rows, reference, share, rates, _others(drawn.since(first), reference, kind))


def _others(stream: Stream, reference: int, kind: Kind) -> dict[str, float]:
    """Return how many slices in 500 the others alarm at, in the mean of five panels."""
    starts = range(0, stream.counts.shape[1], kind.features)
    panels = [stream.of(slice(k, k + kind.features)) for k in starts][:5]
    return {
        name: 500 * float(np.mean([rule(panel, reference).any(axis=1).mean() for panel in panels]))
        for name, rule in OTHERS.items()
    }


def worlds(slices: int, repetitions: int) -> Iterator[tuple[str, Rate, Rate]]:
    """Yield each world of the whole chain with its rates inside and outside the promise."""
    for name, levels in chain.WORLDS.items():
        told = [chain.run(levels, np.random.default_rng([SEED, k]), 60, slices) for k in range(repetitions)]
        sides = (np.array([getattr(t, side) for t in told]) for side in ("promise", "outside"))
        inside, outside = (rate(side, slices, chain.BUDGET) for side in sides)
        yield name, inside, outside


def main() -> None:
    """Measure, tell as it goes, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four panels, up to 500 rows, one reference")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    parser.add_argument("--kind", action="append", choices=streams.KINDS, help="only this one; may be repeated")
    args = parser.parse_args()
    sizes, references, panels = ((50, 500), (60,), 4) if args.quick else ((50, 500, 5_000, 100_000), REFERENCES, 20)
    found = []
    for cell in cells(args.kind or list(streams.KINDS), sizes, references, panels):
        found.append(cell)
        print(calibration_page.line(cell), flush=True)
    chains = list(worlds(90, 2) if args.quick else worlds(360, 3))
    text = calibration_page.page(found, chains)
    print(text)
    if args.write:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
