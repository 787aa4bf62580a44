"""Families of changes on which detection power is measured, each on streams with a null of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from benchmarks import changes, concepts
from benchmarks.changes import AFTER, ROWS, Concepts, Rng, World
from benchmarks.trial import NULLS, PLAIN, STEADY_LOSSES, WOBBLING, WOBBLING_LOSSES, Schedule, none


def abrupt(rng: Rng, share: float = 1.0) -> Concepts:
    """Change *share* of the rows at once."""
    return (rng.random((AFTER, ROWS)) < share).astype(np.int64)


def gradual(rng: Rng, slices: int = 20) -> Concepts:
    """Let the new concept take over row by row."""
    share = np.minimum((np.arange(AFTER) + 1) / slices, 1)
    return (rng.random((AFTER, ROWS)) < share[:, None]).astype(np.int64)


def by_steps(rng: Rng, steps: int, slices: int = 30) -> Concepts:
    """Go through *steps* concepts."""
    at = np.minimum(np.arange(AFTER) * steps // slices, steps - 1) + 1
    return np.repeat(at[:, None], ROWS, axis=1)


def recurring(rng: Rng, slices: int = 5) -> Concepts:
    """Come and go, *slices* at a time."""
    return np.repeat((np.arange(AFTER) // slices % 2 == 0).astype(np.int64)[:, None], ROWS, axis=1)


@dataclass(frozen=True)
class Family:
    """A change of *world* by *schedule*, tried beside the *null* world's; an oracle knows *goal*: concept and share.

    Of what comes little by little it knows an early stage.
    """

    name: str
    null: str
    world: Callable[[], World]
    schedule: Schedule
    goal: tuple[int, float] = (1, 1.0)


def _shifts() -> Iterator[Family]:
    for size in (0.1, 0.25, 0.5):
        yield Family(f"one of 50 shifted by {size:g} sd", PLAIN, partial(changes.Normal, size), abrupt)
    yield Family("one of 50 spread by 1.1", PLAIN, partial(changes.Normal, spread=1.1), abrupt)
    yield Family("one of 50 spread by 1.25", PLAIN, partial(changes.Normal, spread=1.25), abrupt)
    yield Family("fault: one of 50 in another unit", PLAIN, partial(changes.Normal, 3.0, 1.8), abrupt)
    for size in (0.25, 0.5, 1.0):
        world = partial(changes.Normal, size, wobble=0.1)
        yield Family(f"means wobble, one of 50 shifted by {size:g} sd", WOBBLING, world, abrupt)


def _losses() -> Iterator[Family]:
    for null, wobble in ((STEADY_LOSSES, 0.0), (WOBBLING_LOSSES, 0.1)):
        for rise in (1.05, 1.1, 1.2, 1.5):
            yield Family(f"{null}: times {rise:g}", null, partial(changes.Losses, rise, wobble), abrupt)


LOCAL = {"SEA": 0.1, "Agrawal": 0.02, "Hyperplane": 0.3, "LED": 0.1, "STAGGER": 0.02, "Friedman": 0.005}
"""The share of rows that changes where most do not: the error rises by about a hundredth."""


def _concepts() -> Iterator[Family]:
    whole = ("SEA", "Agrawal", "Hyperplane", "LED", "STAGGER", "Friedman")
    for name in whole:
        last = 9 if name == "Hyperplane" else 1
        at_once = partial(_all_of, last)
        yield Family(f"abrupt: {name}", name, NULLS[name], at_once, (last, 1.0))
    for name, share in LOCAL.items():
        some = partial(abrupt, share=share)
        yield Family(f"abrupt, {share:.3g} of the rows: {name}", name, NULLS[name], some, (1, share))
    for name in ("SEA", "LED", "Friedman"):
        yield Family(f"gradual: {name}", name, NULLS[name], gradual, (1, 0.2))
    yield Family("incremental: Hyperplane", "Hyperplane", NULLS["Hyperplane"], partial(by_steps, steps=9), (2, 1.0))
    growing = "Friedman, growing regions"
    yield Family(f"incremental: {growing}", growing, NULLS[growing], partial(by_steps, steps=3))
    for name in ("SEA", "STAGGER"):
        yield Family(f"recurring: {name}", name, NULLS[name], recurring)
    for name in ("SEA", "Agrawal"):
        yield Family(f"prior shift by .1: {name}", name, partial(_reweighted, name), abrupt)


def _all_of(concept: int, rng: Rng) -> Concepts:
    return np.full((AFTER, ROWS), concept)


@cache
def _reweighted(name: str) -> World:
    return concepts.pools(name).reweighted(0.1)


FAMILIES = (*_shifts(), *_losses(), *_concepts())
STILL = tuple(Family(f"no change: {null}", null, world, none) for null, world in NULLS.items())
