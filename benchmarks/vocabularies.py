"""Stationary streams of words, most of whose vocabulary is never seen: rows, as their cells follow from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.streams import Rng
from benchmarks.watch import TOP, Counted, on_baseline
from monitors.stats import held_out
from monitors.stats.bins import CategoricalBins, Counts

Words = npt.NDArray[np.int64]
"""Rows as numbers of words, (slices, features, rows)."""
Draw = Callable[[Rng, tuple[int, int, int]], Words]
"""Draws words: generator, and shape (slices, features, rows)."""
RARE = 2_000
"""Words beyond those with a cell of their own that a baseline knows, as :func:`.freeze_categorical` has it."""


def _zipf(power: float) -> Draw:
    return lambda rng, shape: np.minimum(rng.zipf(power, shape), 2**40)


def _equal(words: int) -> Draw:
    return lambda rng, shape: rng.integers(words, size=shape)


def in_sessions(words: Draw, mean: float = 4.0) -> Draw:
    """Return words of which a session repeats one: of geometric length, within a slice."""

    def draw(rng: Rng, shape: tuple[int, int, int]) -> Words:
        new = rng.random(shape) < 1 / mean
        new[..., 0] = True
        first = np.maximum.accumulate(np.where(new, np.arange(shape[2]), 0), axis=-1)
        return np.take_along_axis(words(rng, shape), first, axis=-1)

    return draw


@dataclass(frozen=True)
class Vocabulary:
    """One kind of words: *draw* makes them, *rows* a slice, in panels of *features*."""

    draw: Draw
    rows: int = 100
    features: int = 20


KINDS: Mapping[str, Vocabulary] = {
    "Zipf 1.2": Vocabulary(_zipf(1.2)),
    "Zipf 1.5": Vocabulary(_zipf(1.5)),
    "Zipf 2.0": Vocabulary(_zipf(2.0)),
    "3,000 equal words": Vocabulary(_equal(3_000)),
    "300 equal words": Vocabulary(_equal(300)),
    "Zipf 1.5 in sessions": Vocabulary(in_sessions(_zipf(1.5))),
    "3,000 equal words in sessions": Vocabulary(in_sessions(_equal(3_000))),
    "Zipf 1.5, 1,000 rows": Vocabulary(_zipf(1.5), rows=1_000),
    "Zipf 1.5, 10 rows": Vocabulary(_zipf(1.5), rows=10),
}


def counted(words: Words, reference: int, first: int = 0, *, own: bool = False) -> Counted:
    """Return *words* on the vocabularies that a baseline of slices from *first* on froze, as many as *reference*.

    *own* counts the baseline's slices by the vocabulary that they are part of, as a method that breaks would.
    """
    kept = words[first : first + reference], words[first:]
    frozen = [_counts(kept[0][:, i], kept[1][:, i], own=own) for i in range(words.shape[1])]
    bins = {f"x{i}": b for i, (b, _) in enumerate(frozen)}
    return on_baseline(bins, {f"x{i}": counts for i, (_, counts) in enumerate(frozen)}, reference, first)


def _counts(known: Words, every: Words, *, own: bool) -> tuple[CategoricalBins, Counts]:
    """Return the vocabulary of one feature's *known* slices, and the counts of *every* slice, known ones first."""
    names, total = np.unique(known, return_counts=True)
    ranked = names[np.lexsort((names, -total))]
    bins = CategoricalBins(categories=tuple(map(str, ranked[:TOP])), others=tuple(map(str, ranked[TOP : TOP + RARE])))
    cell_of = np.full(len(names), bins.body)
    cell_of[np.searchsorted(names, ranked[: TOP + RARE])] = np.minimum(np.arange(len(ranked[: TOP + RARE])), TOP)
    at = np.minimum(np.searchsorted(names, every), len(names) - 1)
    cells = np.where(names[at] == every, cell_of[at], bins.body)
    counts = _by_slice(cells, bins)
    if not own:
        slices = np.repeat(np.arange(len(known)), known.shape[1])
        pairs, n = np.unique(slices * len(names) + at[: len(known)].ravel(), return_counts=True)
        held = held_out.cells_of_words(pairs // len(names), pairs % len(names), n, bins)
        counts[: len(known)] = 0
        np.add.at(counts, (pairs // len(names), held), n)
    return bins, counts


def _by_slice(cells: Words, bins: CategoricalBins) -> Counts:
    flat = np.arange(len(cells))[:, None] * bins.cells + cells
    return np.bincount(flat.ravel(), minlength=len(cells) * bins.cells).reshape(len(cells), bins.cells)
