"""Values of transforms: one call of the project's function for many rows, the same in training and in serving.

A function gets pandas Series by its parameters' names, numbers as float64 (NaN where missing) and categories as text
(None where missing), and returns as many values, or a mapping of them by name. It must work row by row: a server calls
it with one row and a batch job with many, and both must give the same. The first rows of each process try that out.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features import user_code
from features.errors import TransformError
from features.schema import FeatureKind
from features.transforms.declaration import Call, TransformFeature, Transforms
from features.values.filling import filled, lacking

PROBED_ROWS = 16
"""Rows that a function is tried out with one by one."""
_ARROW = {FeatureKind.NUMERIC: pa.float64(), FeatureKind.CATEGORICAL: pa.string()}
_DTYPES: dict[FeatureKind, Any] = {FeatureKind.NUMERIC: np.float64, FeatureKind.CATEGORICAL: object}
Function = Callable[..., Any]
Value = float | str | None
"""A value of a feature: a number, a category, or none."""


def fill_missing(rows: pa.Table, declared: Transforms) -> pa.Table:
    """Return rows whose transformed features are computed where they are null.

    Parameters
    ----------
    rows
        Decoded events with the columns of all features.
    declared
        The transforms.

    Raises
    ------
    TransformError
        A function cannot be imported, raises, or returns something unusable.
    """
    for call in declared.calls():
        names = [name for name in call.features if rows[name].null_count]
        if names:
            where = lacking(rows, names)
            some = rows.filter(where)
            given = {name: some[name].to_pylist() for _, name in call.inputs}
            made = values(call, declared, given, some.num_rows)
            for name in names:
                rows = filled(rows, name, where, pa.array(made[name], _ARROW[call.features[name].type]))
    return rows


def code(declared: Transforms) -> str:
    """Return the digest of the project's code that transforms are computed by; empty without any.

    Values that are kept are found again by it, beside the declaration, which names functions alone.
    """
    modules = sorted({one.transform.partition(":")[0] for one in declared.features.values()})
    return user_code.digest(Path(declared.folder), tuple(modules)) if modules else ""


def values(call: Call, declared: Transforms, columns: Mapping[str, Sequence[Any]], n: int) -> dict[str, list[Value]]:
    """Return the values of the features of one call.

    Parameters
    ----------
    call
        The function, its inputs and the features.
    declared
        The model's transforms.
    columns
        The values of its inputs by feature, (n,) each: numbers, or text; None where missing.
    n
        The number of rows.

    Raises
    ------
    TransformError
        The function cannot be imported, raises, or returns something unusable.
    """
    function = imported(call.function, declared.folder)
    given = {parameter: pd.Series(list(columns[name]), dtype=_DTYPES[declared.kinds[name]])
             for parameter, name in call.inputs}  # fmt: skip
    made = _called(call, function, given, n)
    _probe(call, function, given, made)
    return made


def _called(call: Call, function: Function, given: Mapping[str, pd.Series], n: int) -> dict[str, list[Value]]:
    """Call the function, and return its values by feature."""
    try:
        result = function(**given)
    except Exception as error:  # the project's code may raise anything
        msg = f"transform {call.function} raised {type(error).__name__}: {error}"
        raise TransformError(msg, hint="it is called with pandas Series by the names under `inputs`") from error
    return {name: _checked(call, one, _column(call, one, result), n) for name, one in call.features.items()}


def _column(call: Call, one: TransformFeature, result: Any) -> Any:
    if one.output is None:
        return result
    try:
        return result[one.output]
    except (KeyError, TypeError, IndexError):
        msg = f"transform {call.function} returned no column {one.output!r}"
        raise TransformError(
            msg, hint="return a mapping or a data frame with the columns that `output` names"
        ) from None


def _checked(call: Call, one: TransformFeature, column: Any, n: int) -> list[Value]:
    """Return a column as values of a feature's type, None where missing or not finite."""
    try:
        listed = list(column)
        if len(listed) != n:
            msg = f"{len(listed)} values for {n} rows"
            raise ValueError(msg)
        return [_number(value) if one.type is FeatureKind.NUMERIC else _text(value) for value in listed]
    except (TypeError, ValueError) as error:
        msg = f"transform {call.function} returned what is no {one.type.value} column: {error}"
        raise TransformError(msg, hint="return one value for each row, numbers or texts as `type` says") from error


def _number(value: Any) -> float | None:
    number = float("nan") if value is None or value is pd.NA else float(value)
    return number + 0.0 if np.isfinite(number) else None  # -0.0 is 0.0


def _text(value: Any) -> str | None:
    if value is None or value is pd.NA or value != value:
        return None
    if not isinstance(value, str):
        msg = f"{value!r} is no text"
        raise TypeError(msg)
    return value


_PROBED: set[Function] = set()
"""Functions that were tried out in this process."""


def _probe(call: Call, function: Function, given: Mapping[str, pd.Series], made: Mapping[str, list[Value]]) -> None:
    """Raise TransformError if the first rows one by one give other values than together."""
    n = min(PROBED_ROWS, len(next(iter(given.values()))))
    if n < 2 or function in _PROBED:
        return
    for row in range(n):
        one = {parameter: series.iloc[row : row + 1].reset_index(drop=True) for parameter, series in given.items()}
        for name, (alone,) in _called(call, function, one, 1).items():
            if alone != made[name][row]:
                msg = f"transform {call.function} gives {made[name][row]!r} for {name} of a row among others, and "
                msg += f"{alone!r} for the same row alone"
                hint = "a transform must not look at other rows: fit such things in the model, or make them facts"
                raise TransformError(msg, hint=hint)
    _PROBED.add(function)


@cache
def imported(path: str, folder: str) -> Function:
    """Return a function of the project, imported.

    Parameters
    ----------
    path
        module:function.
    folder
        The folder of the project file.

    Raises
    ------
    TransformError
        There is no such module or function, or another module of that name comes first.
    """
    name, _, attribute = path.partition(":")
    user_code.make_importable(Path(folder))
    try:
        module = importlib.import_module(name)
    except Exception as error:  # whatever the module does as it is imported
        msg = f"transform {path} cannot be imported: {type(error).__name__}: {error}"
        raise TransformError(msg, hint=f"it is looked for in {folder}") from error
    if other := user_code.shadowed(module, name, Path(folder)):
        msg = f"transform module {name} was taken {other}"
        raise TransformError(msg, hint=f"rename {name}.py: another module of that name comes first")
    function = getattr(module, attribute, None)
    if not callable(function):
        msg = f"transform {path}: the module has no function {attribute}"
        raise TransformError(msg, hint="write it as module:function, as in transforms:route")
    return function  # type: ignore[no-any-return]
