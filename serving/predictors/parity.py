"""Proof at load: a fast predictor answers as the model does, on rows drawn from the version's baseline.

Rows are drawn from the frozen bins of each feature: borders of bins and values between them, beyond the range, missing,
categories of the vocabulary and one that was never seen. No rows of the training set are needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from features import scoring
from features.errors import ArtifactError
from features.schema import EventSchema, FeatureKind
from features.scoring import Values
from monitors.stats.bins import Bins, NumericBins
from serving.predictors.columns import Columns, Predictor

ROWS = 256
"""Rows that both predictors answer at once."""
SINGLE = 32
"""How many of them are answered one by one too, as requests are."""
TOLERANCE = 1e-12
"""Largest difference that counts as equal, relative to the larger of 1 and the answer: sums in another order differ by
some 1e-16."""
UNSEEN = "\u2400never seen"
"""A category that no event can have: control characters are spelled otherwise."""


def plain_rows(schema: EventSchema, bins: Mapping[str, Bins]) -> Columns:
    """Return :data:`ROWS` rows with a value in each feature, all from the baseline's range and vocabulary.

    Parameters
    ----------
    schema
        The features.
    bins
        The baseline's frozen bins; a feature without bins is drawn from the standard normal, or is one category.
    """
    rng = np.random.default_rng(0)
    return {name: _draw(rng, _inside(kind, bins.get(name))) for name, kind in schema.features.items()}


def _draw(rng: np.random.Generator, choices: Sequence[Any]) -> list[Any]:
    return [choices[i] for i in rng.integers(len(choices), size=ROWS)]


def _inside(kind: FeatureKind, bins: Bins | None) -> list[Any]:
    if kind is FeatureKind.NUMERIC:
        edges = bins.edges if isinstance(bins, NumericBins) else tuple(np.linspace(-3, 3, 61).tolist())
        return [*edges, *((a + b) / 2 for a, b in itertools.pairwise(edges))]
    words = () if bins is None or isinstance(bins, NumericBins) else (*bins.categories, *bins.others)
    return list(words) or [UNSEEN]


def takes_missing(reference: Predictor, rows: Columns) -> frozenset[str]:
    """Return the features that the model answers without: those where a null is an input and no error.

    Raises
    ------
    ArtifactError
        The model does not even answer rows of its own baseline.
    """
    for i in range(SINGLE):  # one may have a category that was not in the training rows
        row = {name: values[i : i + 1] for name, values in rows.items()}
        if (why := _failure(reference, row)) is None:
            break
    else:
        msg = f"the model does not answer rows of its own baseline: {why}"
        raise ArtifactError(msg, hint="train again, and compare the features with those it was trained on")
    none: dict[str, Any] = {name: float("nan") if isinstance(v[0], float) else None for name, v in rows.items()}
    return frozenset(name for name in rows if _failure(reference, {**row, name: [none[name]]}) is None)


def _failure(predictor: Predictor, rows: Columns) -> str | None:
    """Return why rows have no answer, None where all have one."""
    try:
        answers = predictor.predict(rows)
    except Exception as error:  # whatever a user's model raises
        return f"{type(error).__name__}: {error}"
    return None if scoring.is_answered(answers).all() else "an answer is missing or not finite"


def difference(fast: Predictor, reference: Predictor, rows: Columns, nullable: frozenset[str]) -> str | None:
    """Return in which way a fast predictor's answers differ from the model's; None where they are equal.

    Parameters
    ----------
    fast, reference
        The predictors.
    rows
        Rows of the baseline (:func:`plain_rows`).
    nullable
        Features that may be missing; these are compared without a value too.
    """
    for columns in _cases(rows, nullable):
        if (why := _failure(reference, columns)) is not None:
            continue  # no answer to be equal to; a request gets the same error from either
        try:
            whole, expected = fast.predict(columns), reference.predict(columns)
            alone = np.concatenate([fast.predict({n: v[i : i + 1] for n, v in columns.items()}) for i in range(SINGLE)])
        except Exception as error:  # a translation that breaks is none
            return f"{type(error).__name__}: {error}"
        for answers in (whole, alone):
            if (why := _unequal(answers, expected[: len(answers)])) is not None:
                return why
    return None


def _cases(rows: Columns, nullable: frozenset[str]) -> Iterator[Columns]:
    """Yield rows as they are, with values beyond the range, with unseen categories, and with missing values."""
    rng = np.random.default_rng(1)
    yield rows
    numbers = {name for name, values in rows.items() if isinstance(values[0], float)}
    yield {n: [v * 3 - 1 for v in values] if n in numbers else values for n, values in rows.items()}
    yield {n: values if n in numbers else _with(rng, values, UNSEEN) for n, values in rows.items()}
    yield {
        n: _with(rng, values, float("nan") if n in numbers else None) if n in nullable else values
        for n, values in rows.items()
    }


def _with(rng: np.random.Generator, values: Sequence[Any], other: Any) -> list[Any]:
    return [other if taken else value for value, taken in zip(values, rng.random(len(values)) < 0.25, strict=True)]


def _unequal(answers: Values, expected: Values) -> str | None:
    if answers.dtype == object or expected.dtype == object:
        return None if answers.tolist() == expected.tolist() else "another class"
    bound = TOLERANCE * np.maximum(1.0, np.abs(expected))
    gap = np.abs(answers - expected)
    return None if bool((gap <= bound).all()) else f"an answer differs by {gap.max():.3g}"
