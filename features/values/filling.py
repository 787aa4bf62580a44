"""Filling in missing values of a column of a table, where a mask says so."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc


def lacking(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """Return which rows lack a value in at least one of some columns, (rows,)."""
    return reduce(pc.or_, (pc.is_null(rows[name]) for name in names)).combine_chunks()


def filled(rows: pa.Table, name: str, where: pa.Array, column: pa.Array) -> pa.Table:
    """Return rows with the missing values of a column, all of which are *where*, taken from values for these rows.

    Parameters
    ----------
    rows
        The table.
    name
        The column.
    where
        Which rows there are values for, (rows,).
    column
        The values, one for each of these rows.
    """
    both = pc.coalesce(rows[name].filter(where).combine_chunks(), column)
    values = pc.replace_with_mask(rows[name].combine_chunks(), where, both)
    return rows.set_column(rows.column_names.index(name), name, values)
