"""Fitted transformers of scikit-learn as functions on columns, without a DataFrame and without checks.

Only what is listed is translated; anything else raises `Untranslatable`, and the model is used as it is. A translation
need not be trusted: :mod:`serving.predictors.parity` compares its answers with the model's before it answers anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from features.schema import EventSchema, FeatureKind
from serving.predictors.columns import Columns

Matrix = npt.NDArray[np.float64]
Encoder = Callable[[Columns], Matrix]
"""From columns to the matrix that a final estimator sees, (rows, inputs)."""
Step = Callable[[Matrix], Matrix]
WIDEST = 4096
"""Most columns of a translated one-hot encoding: it is dense."""


class Untranslatable(Exception):
    """A part of a model that has no translation; the message names it."""


def encoder(transformers: Sequence[Any], schema: EventSchema) -> Encoder:
    """Return what the fitted *transformers* of a pipeline do one after the other.

    Parameters
    ----------
    transformers
        The steps before the final estimator. The first may be a ColumnTransformer.
    schema
        The features, in the order in which the model was fitted on them.

    Raises
    ------
    Untranslatable
        A step is of another kind, or has a setting that is not translated.
    """
    rest = [step for step in transformers if step not in (None, "passthrough")]
    names = list(schema.features)
    if rest and isinstance(rest[0], ColumnTransformer):
        first, rest = _column_transformer(rest[0], schema), rest[1:]
    else:
        first = _numbers(names, schema)
    return _chained(first, [_step(each) for each in rest])


def _chained(first: Encoder, steps: Sequence[Step]) -> Encoder:
    """Return an encoder whose matrix goes through steps."""
    if not steps:
        return first

    def encode(columns: Columns) -> Matrix:
        matrix = first(columns)
        for step in steps:
            matrix = step(matrix)
        return matrix

    return encode


def _numbers(names: Sequence[str], schema: EventSchema) -> Encoder:
    if texts := [name for name in names if schema.features[name] is not FeatureKind.NUMERIC]:
        msg = f"category {texts[0]} without an encoder"
        raise Untranslatable(msg)
    return lambda columns: np.array([columns[name] for name in names], np.float64).T


def _column_transformer(fitted: ColumnTransformer, schema: EventSchema) -> Encoder:
    """Return the parts of a ColumnTransformer side by side, in its order."""
    if fitted.transformer_weights:
        msg = "transformer_weights"
        raise Untranslatable(msg)
    parts = []
    for _, transformer, selected in fitted.transformers_:
        names = _names(selected, list(fitted.feature_names_in_))
        if names and not (isinstance(transformer, str) and transformer == "drop"):
            parts.append(_part(transformer, names, schema))
    return parts[0] if len(parts) == 1 else lambda columns: np.concatenate([part(columns) for part in parts], axis=1)


def _names(selected: Any, names: Sequence[str]) -> list[str]:
    """Return the columns of a ColumnTransformer's part by name."""
    if isinstance(selected, str):
        return [selected]
    if isinstance(selected, slice):
        return list(names[selected])
    if callable(selected):
        msg = "columns that a function selects"
        raise Untranslatable(msg)
    chosen = np.asarray(selected)
    if chosen.dtype == bool:
        return [name for name, taken in zip(names, chosen, strict=True) if taken]
    return [name if isinstance(name, str) else names[name] for name in chosen.tolist()]


def _part(transformer: Any, names: Sequence[str], schema: EventSchema) -> Encoder:
    steps = [each for _, each in transformer.steps] if isinstance(transformer, Pipeline) else [transformer]
    if isinstance(steps[0], OrdinalEncoder | OneHotEncoder):
        tables = _ordinal(steps[0]) if isinstance(steps[0], OrdinalEncoder) else _one_hot(steps[0])
        return _chained(_looked_up(names, tables), [_step(each) for each in steps[1:]])
    return _chained(_numbers(names, schema), [_step(each) for each in steps])


Lookup = tuple[dict[Any, Any], Any]
"""From a category to its numbers, and the numbers of any other one."""


def _looked_up(names: Sequence[str], tables: Sequence[Lookup]) -> Encoder:
    """Return the numbers of each category side by side."""

    def encode(columns: Columns) -> Matrix:
        parts = [
            np.array([codes.get(value, other) for value in columns[name]], np.float64)
            for name, (codes, other) in zip(names, tables, strict=True)
        ]
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    return encode


def _ordinal(fitted: OrdinalEncoder) -> list[Lookup]:
    """Return a lookup for each column of an OrdinalEncoder."""
    if fitted.handle_unknown != "use_encoded_value" or _infrequent(fitted):
        msg = f"OrdinalEncoder(handle_unknown={fitted.handle_unknown!r}) or infrequent categories"
        raise Untranslatable(msg)
    # `encoded_missing_value` is of NaN; None, which is how a category is missing here, is a category like others.
    return [
        ({_word(c): float(i) for i, c in enumerate(categories)}, float(fitted.unknown_value))
        for categories in fitted.categories_
    ]


def _one_hot(fitted: OneHotEncoder) -> list[Lookup]:
    """Return a lookup for each column of a OneHotEncoder."""
    if fitted.handle_unknown != "ignore" or fitted.drop is not None or _infrequent(fitted):
        msg = f"OneHotEncoder(handle_unknown={fitted.handle_unknown!r}), drop or infrequent categories"
        raise Untranslatable(msg)
    if sum(map(len, fitted.categories_)) > WIDEST:
        msg = f"a one-hot encoding of more than {WIDEST} columns"
        raise Untranslatable(msg)
    rows = [np.eye(len(categories)) for categories in fitted.categories_]
    return [
        ({_word(c): row for c, row in zip(categories, eye, strict=True)}, np.zeros(len(categories)))
        for categories, eye in zip(fitted.categories_, rows, strict=True)
    ]


def _infrequent(fitted: Any) -> bool:
    return bool(getattr(fitted, "_infrequent_enabled", False))


def _word(category: Any) -> Any:
    if isinstance(category, float) and category != category:
        msg = "NaN among the categories of an encoder"
        raise Untranslatable(msg)
    return category


def _step(fitted: Any) -> Step:
    """Return what a fitted transformer does to a matrix of numbers."""
    if isinstance(fitted, str) and fitted == "passthrough":
        return lambda matrix: matrix
    if isinstance(fitted, FunctionTransformer) and fitted.func is None:
        return lambda matrix: matrix
    if type(fitted) is StandardScaler:
        mean, scale = fitted.mean_, fitted.scale_
        return lambda matrix: (matrix - (0.0 if mean is None else mean)) / (1.0 if scale is None else scale)
    if type(fitted) is SimpleImputer and _imputes_nan(fitted):
        filling = np.asarray(fitted.statistics_, np.float64)
        return lambda matrix: np.where(np.isnan(matrix), filling, matrix)
    msg = type(fitted).__name__
    raise Untranslatable(msg)


def _imputes_nan(fitted: SimpleImputer) -> bool:
    """Return whether an imputer only fills in NaN: it adds no column, drops none, and looks for no other value."""
    statistics = np.asarray(fitted.statistics_)
    return bool(
        not fitted.add_indicator
        and isinstance(fitted.missing_values, float)
        and statistics.dtype.kind == "f"
        and not np.isnan(statistics).any()
    )
