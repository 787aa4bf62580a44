"""Partial aggregates: what a tile of time keeps of its facts, and how tiles are merged; exact, in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from features.facts.exact_sums import Moments
from features.facts.fact import Fact, Value

Partial = Any
"""A partial aggregate, of the type that its rules have; None of no values."""


class Aggregate(str, Enum):
    """What a feature computes of the facts in its window.

    ``last`` and ``age`` are of the fact that happened last, by its own time: its value, and the seconds since then.
    ``std`` is the sample standard deviation (n - 1).
    """

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    STD = "std"
    LAST = "last"
    AGE = "age"
    DISTINCT = "distinct"


@dataclass(frozen=True, slots=True)
class Rules:
    """How an aggregate is made.

    Parameters
    ----------
    of
        From a fact and the value of its column, which is not None, to a partial aggregate.
    merge
        From one or more partial aggregates to that of all of them, whatever their order and grouping.
    result
        From a partial aggregate and the time of the row (ms) to the feature's value.
    """

    of: Callable[[Fact, Any], Partial]
    merge: Callable[[Sequence[Any]], Partial]
    result: Callable[[Any, int], Value]


def _moments(result: Callable[[Moments], float | None]) -> Rules:
    return Rules(lambda _, value: Moments.of(value), Moments.together, lambda partial, _: result(partial))


def _latest(result: Callable[[Any, int], Value]) -> Rules:
    """Return the rules of the fact that happened last; of one moment, that with the last id."""
    return Rules(lambda fact, value: (fact.time, fact.id, value), max, result)


RULES = {
    Aggregate.COUNT: Rules(lambda *_: 1, sum, lambda n, _: float(n)),
    Aggregate.SUM: _moments(lambda moments: moments.sum),
    Aggregate.MEAN: _moments(lambda moments: moments.mean),
    Aggregate.STD: _moments(lambda moments: moments.standard_deviation),
    Aggregate.MIN: Rules(lambda _, value: value, min, lambda value, _: value),
    Aggregate.MAX: Rules(lambda _, value: value, max, lambda value, _: value),
    Aggregate.LAST: _latest(lambda newest, _: newest[2]),
    Aggregate.AGE: _latest(lambda newest, time: (time - newest[0]) / 1000),
    Aggregate.DISTINCT: Rules(
        lambda _, value: frozenset((value,)),
        lambda sets: frozenset().union(*sets),
        lambda values, _: float(len(values)),
    ),
}
"""The rules of each aggregate."""
OF_NOTHING: dict[Aggregate, Value] = {Aggregate.COUNT: 0.0, Aggregate.DISTINCT: 0.0}
"""The value of no facts, of the aggregates that have one by themselves."""
NUMBERS = frozenset({Aggregate.SUM, Aggregate.MEAN, Aggregate.MIN, Aggregate.MAX, Aggregate.STD})
"""Aggregates of a column of numbers; the others take any column (``last`` by the feature's type)."""


def merged(rules: Rules, partials: list[Partial]) -> Partial:
    """Return the partial aggregate of all *partials*, None among them left out; None of none."""
    there = [partial for partial in partials if partial is not None]
    return rules.merge(there) if len(there) > 1 else next(iter(there), None)
