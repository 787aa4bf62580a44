"""Slow memory: how often it is doubted, and what false alarms it brings with and without that; the page of both.

`python -m benchmarks.calibration --part memory --write`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import numpy as np

from benchmarks import streams, watch
from benchmarks.rates import LATER, MOST_PANELS, Rate, rate
from benchmarks.wandering import KINDS
from benchmarks.watch import Counted
from monitors.sequential import slow_memory
from monitors.sequential.slow_memory import SlowMemory

BUDGETS = 90, 500
SIZES = 20, 5, 1
"""Features of a panel, of each kind."""


@dataclass(frozen=True)
class Side:
    """What panels of one size did: the share of features *covered*, and alarms per allowed one by budget.

    Rates are of the panels that cover anything; *every* is of all, one that covers nothing having no alarm.
    """

    covered: float
    rates: Mapping[int, Rate]
    every: Mapping[int, Rate]


@dataclass(frozen=True)
class MemoryRates:
    """A kind on baselines of one length: by panel size as it ships, and without the test and what follows from it."""

    kind: str
    reference: int
    shipped: Mapping[int, Side]
    untested: Mapping[int, Side]


@contextmanager
def untested() -> Iterator[None]:
    """Within this nothing is tested for slow memory, and no evidence is lost for it."""

    def nothing(*of: object, **_: object) -> SlowMemory:
        nobody = np.zeros(np.shape(of[1])[1], bool)
        return SlowMemory(nobody, nobody, 0.0)

    with mock.patch.object(slow_memory, "examine", nothing):
        yield


def measure(kinds: Sequence[str], references: Sequence[int], panels: int, seed: int) -> Iterator[MemoryRates]:
    """Yield the rates of every kind on baselines of each length, from as many independent *panels* of 20 features."""
    for name in kinds:
        kind = KINDS[name]
        for reference in references:
            rng = np.random.default_rng([seed, list(KINDS).index(name), reference])
            seen = watch.counted(streams.draw(kind, rng, reference + LATER, kind.rows[0], panels), reference)
            shipped = {size: side(seen, size) for size in SIZES}
            with untested():
                before = {size: side(seen, size) for size in SIZES}
            yield MemoryRates(name, reference, shipped, before)


def side(seen: Counted, size: int) -> Side:
    """Return what panels of *size* features did, up to :data:`MOST_PANELS` of them."""
    features = len(seen.baseline.events.features)
    step = -(-features // size // MOST_PANELS)
    found = watch.evidence(seen, size, step)
    rates, every = {}, {}
    for budget in BUDGETS:
        hits, promised = (of[::step] for of in watch.alarms(found, features, size, budget))
        rates[budget] = rate(hits[promised > 0], LATER, budget)
        every[budget] = rate(hits, LATER, budget)
    return Side(float(promised.sum() / (len(promised) * size)), rates, every)
