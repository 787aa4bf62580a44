"""Predictions and labels by task: probabilities in [0, 1], classes as 1 and 0, finite numbers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.values import typed_columns
from features.values.typed_columns import Typed
from features.values.untyped import Mask


def probability(typed: Typed) -> Typed:
    """Return a binary model's predictions, with those outside [0, 1] marked as bad."""
    scores = typed.values.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        outside = (scores < 0) | (scores > 1)
    return typed.also(outside & ~typed.bad, "not a probability from 0 to 1")


def scored(column: pa.Array, positive: str | None, negative: str | None, decimal: str = ".") -> Typed:
    """Return a binary model's predictions: probabilities, or classes by name as 1 and 0.

    Parameters
    ----------
    column
        The predictions as they were read.
    positive
        Name of the class that counts as 1; None if classes are not named.
    negative
        Name of the class that counts as 0.
    decimal
        Decimal mark of numbers in text.
    """
    typed = typed_columns.number(column, decimal)
    if positive is not None and typed.bad.any() and pa.types.is_string(column.type):
        words = typed_columns.text(column).values
        is_one, is_zero = (_equal(words, name) & typed.bad for name in (positive, negative))
        scores = np.where(is_one, 1.0, np.where(is_zero, 0.0, typed.values.to_numpy(zero_copy_only=False)))
        typed = Typed(pa.array(scores, pa.float64(), from_pandas=True), typed.bad & ~is_one & ~is_zero, typed.reason)
    return probability(typed)


def label(column: pa.Array, positive: str | None, negative: str | None, missing: Collection[str]) -> Typed:
    """Return binary labels as 1.0 and 0.0.

    Without a `positive` class, 1 and true are 1, 0 and false are 0, and anything else is bad.

    Parameters
    ----------
    column
        The labels as they were read.
    positive
        The label that counts as 1.
    negative
        The label that counts as 0; None means every other one.
    missing
        Texts that mean a missing label.
    """
    if positive is None:
        typed = typed_columns.number(column)
        labels = typed.values.to_numpy(zero_copy_only=False)
        odd = (~np.isin(labels, (0.0, 1.0)) & ~np.isnan(labels)) | typed.bad
        return Typed(typed.values, odd, "neither 0 nor 1 (events.positive names the label that counts as 1)")
    typed = typed_columns.text(column, missing)
    is_one = _equal(typed.values, positive)
    valid = typed.values.is_valid().to_numpy(zero_copy_only=False)
    is_zero = _equal(typed.values, negative) if negative is not None else valid & ~is_one
    labels = pa.array(is_one.astype(np.float64), pa.float64(), mask=~valid)
    return Typed(labels, typed.bad, typed.reason).also(
        valid & ~is_one & ~is_zero, f"neither {positive!r} nor {negative!r}"
    )


def finite(typed: Typed) -> Typed:
    """Return *typed* with infinite numbers marked as bad."""
    return typed.also(np.isinf(typed.values.to_numpy(zero_copy_only=False)), "not a finite number")


def _equal(words: pa.Array, name: str | None) -> Mask:
    if name is None:
        return np.zeros(len(words), bool)
    return np.asarray(pc.equal(words, name).fill_null(False).to_numpy(zero_copy_only=False), bool)
