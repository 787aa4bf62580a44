"""Comparison of one column by any of the supported systems: Evidently, NannyML or TFDV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import LeewayError
from features.schema import FeatureKind
from monitors.compat import evidently, nannyml, tfdv
from monitors.compat.column import Comparison, Values


class System(str, Enum):
    """A system whose metrics are reproduced."""

    EVIDENTLY = "evidently"
    NANNYML = "nannyml"
    TFDV = "tfdv"


@dataclass(frozen=True, slots=True)
class _Library:
    name: str
    version: str
    methods: Mapping[str, evidently.Method | nannyml.Method | tfdv.Method]
    compare: Callable[..., Comparison]


_LIBRARIES: Mapping[System, _Library] = {
    System.EVIDENTLY: _Library("Evidently", evidently.VERSION, evidently.METHODS, evidently.compare),
    System.NANNYML: _Library("NannyML", nannyml.VERSION, nannyml.METHODS, nannyml.compare),
    System.TFDV: _Library("TFDV", tfdv.VERSION, tfdv.METHODS, tfdv.compare),
}


def title(system: System) -> str:
    """Return the system's name and the version that is reproduced.

    >>> title(System.TFDV)
    'TFDV 1.16.1'
    """
    library = _LIBRARIES[system]
    return f"{library.name} {library.version}"


def methods(system: System, kind: FeatureKind | None = None) -> tuple[str, ...]:
    """Return the system's names of its methods: all of them, or those for columns of *kind*.

    >>> methods(System.NANNYML, FeatureKind.CATEGORICAL)
    ('jensen_shannon', 'hellinger', 'l_infinity', 'chi2')
    """
    every = _LIBRARIES[system].methods
    return tuple(name for name, method in every.items() if kind is None or kind in method.kinds)


def compare(
    system: System,
    kind: FeatureKind,
    reference: pa.Array,
    current: pa.Array,
    *,
    method: str | None = None,
    threshold: float | None = None,
) -> Comparison:
    """Return a system's metric and verdict on a column.

    Every system drops missing values before it computes a number. Evidently drops nan and infinite numbers too; NannyML
    drops nan, and cuts the reference into chunks before it drops anything, so its rows must be in the order of time;
    TFDV counts nan and infinite numbers. For integers, as opposed to floats, numpy gives Evidently no bin narrower than
    1.

    Parameters
    ----------
    system
        The system.
    kind
        Kind of the column.
    reference
        The reference's column of a decoded table: float64 or string, null being missing.
    current
        The same column of the current rows.
    method
        One of :func:`methods` for the kind; by default the system's own choice.
    threshold
        By default the system's own.

    Raises
    ------
    LeewayError
        The system has no such method for this kind of column.
    NotEnoughData
        Too little is left; the system would refuse as well.
    DataError
        NannyML cannot bin a reference with infinite numbers.

    Examples
    --------
    >>> compare(System.EVIDENTLY, FeatureKind.CATEGORICAL, pa.array(["a", "b"] * 9), pa.array(["b", None, "b"]))
    Comparison(system='evidently', method='z', value=0.1775..., threshold=0.05, drifted=False, p_value=None)
    """
    if method is not None and method not in methods(system, kind):
        msg = f"{title(system)} has no method {method!r} for {kind.value} columns"
        raise LeewayError(msg, hint=f"it has {', '.join(methods(system, kind))}")
    nulls = system is not System.TFDV  # its statistics never see a missing value, and tell nan from it
    sides = (_values(column, kind, nulls=nulls) for column in (reference, current))
    return _LIBRARIES[system].compare(*sides, kind, method=method, threshold=threshold)


def _values(column: pa.Array, kind: FeatureKind, *, nulls: bool) -> Values:
    rows = column if nulls else pc.drop_null(column)
    values = rows.to_numpy() if isinstance(rows, pa.ChunkedArray) else rows.to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64 if kind is FeatureKind.NUMERIC else object)
