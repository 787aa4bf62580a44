"""Window profiles: events as counts of features, predictions and outcomes by slice, version and segment.

A profile is a set of cells ``(slice, version, segment, cell) -> n`` that add up exactly in any order, so batches,
chunks, workers and modes can be merged freely. Counting is vectorised, and only this code reads the values of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Task
from features.scoring import Values
from features.window import Windows, to_ms
from monitors.finding import Stage
from monitors.profiles import outcome_counts, side_channels
from monitors.profiles.cells import Cell, Layout
from monitors.profiles.derived import FrozenProfile
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins

Ints = npt.NDArray[np.int64]
SEGMENT_SEPARATOR = "\x1e"
"""Joins the segments of a row; no segment contains it, as :mod:`features.spelling` replaces control characters."""


def layout(schema: EventSchema, frozen: FrozenProfile, stage: Stage) -> Layout:
    """Return the layout of a stage's cells for one model version.

    The variables come first, then the cells of :mod:`monitors.profiles.side_channels`, which are counted in all traffic
    only.

    Parameters
    ----------
    schema
        The model's event schema.
    frozen
        The version's bins and derived variables.
    stage
        Inputs or outcomes.
    """
    bins = frozen.bins
    if stage is Stage.INPUTS:
        sent = {name: bins[name].cells for name in schema.variables}
        beside = {
            channel.name: len(channel.cells(schema)) for channel in side_channels.ALWAYS if channel.stage is stage
        }
        return Layout({**sent, **frozen.sizes, **beside})
    scores = {"scores": 2 * outcome_counts.SCORE_BINS} if schema.task is Task.BINARY else {}
    return Layout({LABEL: bins[LABEL].cells, "coverage": 2, "loss": 2, **scores})


def floats(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the values of a numeric column (nulls as NaN), and a mask of the nulls, both (rows,)."""
    missing = column.is_null().to_numpy()
    return column.to_numpy().astype(np.float64), missing


def cell_index(column: pa.ChunkedArray, bins: Bins) -> Ints:
    """Return the cell of each value of a decoded column, (rows,)."""
    if isinstance(bins, NumericBins):
        return bins.index(*floats(column))
    words = column.combine_chunks().dictionary_encode()
    words = words if isinstance(words, pa.DictionaryArray) else words.chunk(0)
    cells = bins.index(np.array([*words.dictionary.to_pylist(), None], dtype=object))
    where = np.nan_to_num(words.indices.to_numpy(zero_copy_only=False), nan=len(cells) - 1).astype(np.int64)
    return np.asarray(cells[where])


def columns(schema: EventSchema, frozen: FrozenProfile, table: pa.Table) -> dict[str, Ints]:
    """Return all input variables of a decoded table, derived ones included.

    Returns
    -------
    dict
        For each variable the cell of each row, (rows,), or what the row adds to each cell, (cells, rows).
    """
    cells, numbers = dict[str, Ints](), dict[str, npt.NDArray[np.float64]]()
    for name in schema.variables:
        of = frozen.bins[name]
        if isinstance(of, NumericBins):
            numbers[name], missing = floats(table[name])
            cells[name] = of.index(numbers[name], missing)
        else:
            cells[name] = cell_index(table[name], of)
    return {**cells, **frozen.columns(cells, predictions(schema, table), numbers)}


def predictions(schema: EventSchema, table: pa.Table) -> Values:
    """Return the predictions in a decoded table, (rows,): float64, or classes as text."""
    if schema.prediction_kind is FeatureKind.NUMERIC:
        return floats(table[PREDICTION])[0]
    return np.asarray(table[PREDICTION].to_pandas().to_numpy(dtype=object))


def count_inputs(schema: EventSchema, frozen: Mapping[str, FrozenProfile], table: pa.Table) -> Iterator[Cell]:
    """Yield the input cells of decoded predictions.

    Parameters
    ----------
    schema
        The model's event schema.
    frozen
        Bins and derived variables by model version; every version in the table must be there.
    table
        A decoded table of predictions.
    """
    versions = table["model_version"].to_pandas().to_numpy(dtype=object)
    for version in sorted(set(versions)):
        rows = table.filter(pa.array(versions == version))
        values = columns(schema, frozen[version], rows)
        sizes = layout(schema, frozen[version], Stage.INPUTS).sizes
        yield from count_columns(schema, frozen[version].bins, rows, [(sizes[name], values[name]) for name in values])


def count_columns(
    schema: EventSchema, bins: Mapping[str, Bins], rows: pa.Table, values: Sequence[tuple[int, Ints]]
) -> Iterator[Cell]:
    """Yield the cells of one version's rows, by slice and segment.

    Parameters
    ----------
    schema
        The model's event schema.
    bins
        The version's bins.
    rows
        A decoded table of one version.
    values
        (number of cells, column) of each variable, in the order of the layout; columns as :func:`columns` returns them.
    """
    version = rows["model_version"][0].as_py()
    starts = slice_starts(schema.windows, rows["time"].to_numpy())
    for segment, members in _groups(schema, bins, rows):
        own = starts if members is None else starts[members]
        slices, group = np.unique(own, return_inverse=True)
        picked = ((size, value if members is None else value[..., members]) for size, value in values)
        counts = np.hstack([_sum(group, len(slices), size, value) for size, value in picked])
        yield from cells_of(counts, slices, version, segment)


def slice_starts(windows: Windows, times: Ints) -> Ints:
    """Return the start of each time's slice, both in milliseconds since the epoch."""
    step = to_ms(windows.slide)
    return times - times % step


def _sum(group: Ints, groups: int, size: int, value: Ints) -> Counts:
    """Return the cells of each group, (groups, size): the number of rows in each cell, or the sum of what they add.

    Each group has rows.
    """
    if value.ndim == 1:
        return np.bincount(group * size + value, minlength=groups * size).reshape(groups, size)
    if (group[1:] < group[:-1]).any():  # rows come in the order of time, nearly always
        order = np.argsort(group, kind="stable")
        group, value = group[order], value[:, order]
    starts = np.searchsorted(group, np.arange(groups))
    return np.asarray(np.add.reduceat(value, starts, axis=1).T)


def cells_of(counts: Counts, slices: Ints, version: str, segment: str) -> Iterator[Cell]:
    """Yield the non-zero *counts*, (slices, cells), as cells of a version and segment."""
    for g, c in zip(*np.nonzero(counts), strict=True):
        yield Cell(int(slices[g]), version, segment, int(c), int(counts[g, c]))


def segment_names(schema: EventSchema, bins: Mapping[str, Bins], table: pa.Table) -> dict[str, npt.NDArray[np.object_]]:
    """Return each row's segment by segmenting feature: ``origin=JFK``, or ``origin=(other)`` for rare values."""
    out = {}
    for name in schema.segments:
        frozen = bins[name]
        assert isinstance(frozen, CategoricalBins)  # the schema allows no other kind
        names = [f"{name}={c}" for c in frozen.categories] + [f"{name}=(other)"] * 3
        out[name] = np.array(names, dtype=object)[cell_index(table[name], frozen)]
    return out


def _groups(
    schema: EventSchema, bins: Mapping[str, Bins], table: pa.Table
) -> Iterator[tuple[str, npt.NDArray[np.bool_] | None]]:
    yield "", None
    for names in segment_names(schema, bins, table).values():
        for name in sorted(set(names)):
            yield name, names == name
