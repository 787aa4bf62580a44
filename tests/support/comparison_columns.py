"""Columns for comparison with other systems: seeded, of all kinds, with missing values, small and large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.schema import FeatureKind
from monitors.compat.column import Values


@dataclass(frozen=True)
class Case:
    """A reference and current rows of one column."""

    kind: FeatureKind
    reference: Values
    current: Values


def numbers(*sides: Any) -> Case:
    """Return a case of numbers."""
    return Case(FeatureKind.NUMERIC, *(np.asarray(side, np.float64) for side in sides))


def categories(*sides: Any) -> Case:
    """Return a case of categories."""
    return Case(FeatureKind.CATEGORICAL, *(np.asarray(side, object) for side in sides))


def _holes(rng: np.random.Generator, values: Any, share: float, hole: float | None) -> Values:
    out = np.asarray(values, object if hole is None else np.float64).copy()
    out[rng.random(len(out)) < share] = hole
    return out


def cases() -> dict[str, Case]:
    """Return the cases by name. References beyond 1,000 and 10,000 rows are where systems change their ways."""
    rng = np.random.default_rng(20130301)
    normal, pick = rng.normal, rng.choice
    few, many = "abcd", [f"v{i}" for i in range(60)]
    return {
        "normal": numbers(normal(size=800), normal(0.2, 1, 300)),
        "steady": numbers(normal(size=805), normal(size=80)),
        "large reference": numbers(normal(size=3000), rng.lognormal(0, 1, 500)),
        "very large reference": numbers(normal(size=12_000), normal(-0.5, 2, 700)),
        "skewed": numbers(rng.lognormal(0, 2, 1500), rng.lognormal(0.1, 2, 2000)),
        "rounded": numbers(normal(size=900).round(1), normal(0.1, 1, 400).round(1)),
        "counts": numbers(rng.integers(0, 30, 500), rng.integers(5, 35, 200)),
        "few numbers": numbers(rng.integers(0, 4, 500), rng.integers(0, 5, 200)),
        "few numbers, large": numbers(rng.integers(0, 4, 2500), rng.integers(0, 5, 200)),
        "two numbers": numbers(rng.integers(0, 2, 500), rng.integers(0, 2, 100)),
        "constant": numbers(np.ones(50), np.ones(30)),
        "constant moved": numbers(np.ones(50), np.full(30, 2.0)),
        "missing": numbers(_holes(rng, normal(size=1500), 0.4, np.nan), _holes(rng, normal(size=100), 0.1, np.nan)),
        "missing, very large": numbers(
            _holes(rng, normal(size=11_000), 0.05, np.nan), _holes(rng, normal(0.3, 1, 900), 0.3, np.nan)
        ),
        "categories": categories(pick(list(few), 900), pick(list(few), 300)),
        "new category": categories(
            _holes(rng, pick(list(few), 900), 0.1, None), _holes(rng, pick(list("abcde"), 300), 0.2, None)
        ),
        "many categories": categories(pick(many, 1200), pick(many[10:], 300)),
        "two categories": categories(pick(["y", "n"], 100), pick(["y", "n"], 60, p=[0.7, 0.3])),
        "one category": categories(["a"] * 30, ["a"] * 20),
    }  # fmt: skip
