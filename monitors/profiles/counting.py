"""From events to counts: the vectorised step inside the Flink job, and the only code that looks at values.

A profile is a set of cells ``(slice, version, segment, cell) -> n`` that add up exactly in any order, so batches,
chunks, workers and modes can be merged freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.schema import LABEL, PREDICTION, EventSchema, FeatureKind, Task
from features.scoring import Values
from features.values.untyped import Reject
from features.window import Windows, to_ms
from monitors.finding import Stage
from monitors.profiles import outcome_counts, side_channels
from monitors.profiles.derived import Frozen
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins

Ints = npt.NDArray[np.int64]
#: Joins the segments of one row; no segment holds it.
JOIN = "\x1e"


@dataclass(frozen=True, slots=True)
class Cell:
    """*n* events of a version and segment, in the slice that starts at *start* (ms), fell into *cell* of the layout."""

    start: int
    version: str
    segment: str
    cell: int
    n: int


@dataclass(frozen=True)
class Layout:
    """The variables of one stage laid out in a row of cells: a variable's cells follow those of the one before."""

    sizes: Mapping[str, int]
    offsets: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        starts = accumulate(self.sizes.values(), initial=0)
        object.__setattr__(self, "offsets", dict(zip(self.sizes, starts, strict=False)))

    @property
    def cells(self) -> int:
        """Length of the row."""
        return sum(self.sizes.values())

    def row(self, cells: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
        """Return the counts by variable of sparse (cell, n) pairs; what is not named is 0.

        >>> Layout({"x": 2, "y": 3}).row([(1, 5), (4, 7)])
        {'x': [0, 5], 'y': [0, 0, 7]}
        """
        flat = [0] * self.cells
        for cell, n in cells:
            flat[cell] += n
        return {name: flat[at : at + self.sizes[name]] for name, at in self.offsets.items()}


def layout(schema: EventSchema, frozen: Frozen, stage: Stage) -> Layout:
    """Return where each variable of *stage* has its cells, for one *frozen* version: first those that are sent.

    After the variables come the cells of :mod:`monitors.profiles.side_channels`, which are counted in all traffic only.
    """
    bins = frozen.bins
    if stage is Stage.INPUTS:
        sent = {name: bins[name].cells for name in schema.variables}
        beside = {
            channel.name: len(channel.cells(schema)) for channel in side_channels.ALWAYS if channel.stage is stage
        }
        return Layout({**sent, **frozen.sizes, **beside})
    scores = {"scores": 2 * outcome_counts.GRID} if schema.task is Task.BINARY else {}
    return Layout({LABEL: bins[LABEL].cells, "coverage": 2, "loss": 2, **scores})


def floats(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the values of a column of numbers (nulls as NaN), and where the nulls are."""
    missing = column.is_null().to_numpy()
    return column.to_numpy().astype(np.float64), missing


def index(column: pa.ChunkedArray, bins: Bins) -> Ints:
    """Return the cell of each value of a decoded column."""
    if isinstance(bins, NumericBins):
        return bins.index(*floats(column))
    words = column.combine_chunks().dictionary_encode()
    words = words if isinstance(words, pa.DictionaryArray) else words.chunk(0)
    cells = bins.index(np.array([*words.dictionary.to_pylist(), None], dtype=object))
    where = np.nan_to_num(words.indices.to_numpy(zero_copy_only=False), nan=len(cells) - 1).astype(np.int64)
    return np.asarray(cells[where])


def columns(schema: EventSchema, frozen: Frozen, table: pa.Table) -> dict[str, Ints]:
    """Return all input variables of a decoded table, also derived ones: a cell a row, or what the row adds to each."""
    cells = {name: index(table[name], frozen.bins[name]) for name in schema.variables}
    return {**cells, **frozen.columns(cells, predictions(schema, table))}


def predictions(schema: EventSchema, table: pa.Table) -> Values:
    """Return the model's answers in a decoded table: float64, or classes as text."""
    if schema.prediction_kind is FeatureKind.NUMERIC:
        return floats(table[PREDICTION])[0]
    return np.asarray(table[PREDICTION].to_pandas().to_numpy(dtype=object))


def count_inputs(schema: EventSchema, frozen: Mapping[str, Frozen], table: pa.Table) -> Iterator[Cell]:
    """Yield the cells of a decoded table of predictions, as each event's own model version froze them.

    *frozen* is by version; an event of another version must not come here.
    """
    versions = table["model_version"].to_pandas().to_numpy(dtype=object)
    for version in sorted(set(versions)):
        rows = table.filter(pa.array(versions == version))
        values = columns(schema, frozen[version], rows)
        sizes = layout(schema, frozen[version], Stage.INPUTS).sizes
        yield from count_columns(schema, frozen[version].bins, rows, [(sizes[name], values[name]) for name in values])


def count_refused(
    schema: EventSchema, frozen: Mapping[str, Frozen], refused: Iterable[Reject], newest: int
) -> Iterator[Cell]:
    """Yield the cells of predictions that were *refused*, by variable or by what they lack, in all traffic.

    One whose time cannot be read counts as of *newest* (ms), the newest of those that came with it; where that is 0,
    as of the epoch: see :mod:`monitors.worker.unplaced`. One whose version is not *frozen* counts for every version
    that is.
    """
    step = to_ms(schema.windows.slide)
    cells = {v: _refusals(layout(schema, known, Stage.INPUTS), schema) for v, known in frozen.items()}
    for reject in refused:
        time = reject.time if reject.time is not None else newest
        for version in (reject.version,) if reject.version in cells else cells:
            at = cells[version]
            yield Cell(time - time % step, version, "", at.get(reject.column, at["record"]), reject.records)


def _refusals(plan: Layout, schema: EventSchema) -> dict[str, int]:
    """Return the cell of each cause for which a record is set aside."""
    channels = [channel for channel in side_channels.SIDE_CHANNELS if channel.of_refused]
    by_cause = [{cause: plan.offsets[c.name] + i for i, cause in enumerate(c.cells(schema))} for c in channels]
    return {cause: cell for cells in reversed(by_cause) for cause, cell in cells.items()}


def is_refusal(plan: Layout, cell: int) -> bool:
    """Say whether *cell* counts records that were set aside."""
    return any(0 <= cell - plan.offsets[name] < plan.sizes[name] for name in side_channels.OF_REFUSED)


def count_columns(
    schema: EventSchema, bins: Mapping[str, Bins], rows: pa.Table, values: Sequence[tuple[int, Ints]]
) -> Iterator[Cell]:
    """Yield the cells of *rows* of one version by slice and segment, of variables given as (cells, column)."""
    version = rows["model_version"][0].as_py()
    starts = slice_starts(schema.windows, rows["time"].to_numpy())
    for segment, members in _groups(schema, bins, rows):
        own = starts if members is None else starts[members]
        slices, group = np.unique(own, return_inverse=True)
        picked = ((size, value if members is None else value[members]) for size, value in values)
        counts = np.hstack([_sum(group, len(slices), size, value) for size, value in picked])
        yield from _cells(counts, slices, version, segment)


def slice_starts(windows: Windows, times: Ints) -> Ints:
    """Return the start of each time's slice, in milliseconds."""
    step = to_ms(windows.slide)
    return times - times % step


def _sum(group: Ints, groups: int, size: int, value: Ints) -> Counts:
    """Return the cells of each group: how many rows are in each, or the sum of what rows of several numbers add."""
    if value.ndim == 1:
        return np.bincount(group * size + value, minlength=groups * size).reshape(groups, size)
    out = np.zeros((groups, size), np.int64)
    np.add.at(out, group, value)
    return out


def _cells(counts: Counts, slices: Ints, version: str, segment: str) -> Iterator[Cell]:
    for g, c in zip(*np.nonzero(counts), strict=True):
        yield Cell(int(slices[g]), version, segment, int(c), int(counts[g, c]))


def segment_names(schema: EventSchema, bins: Mapping[str, Bins], table: pa.Table) -> dict[str, npt.NDArray[np.object_]]:
    """Return every row's segment for each segmenting feature: ``origin=JFK``, or ``origin=(other)`` without a cell."""
    out = {}
    for name in schema.segments:
        frozen = bins[name]
        assert isinstance(frozen, CategoricalBins)  # the schema allows no other kind
        names = [f"{name}={c}" for c in frozen.categories] + [f"{name}=(other)"] * 3
        out[name] = np.array(names, dtype=object)[index(table[name], frozen)]
    return out


def _groups(
    schema: EventSchema, bins: Mapping[str, Bins], table: pa.Table
) -> Iterator[tuple[str, npt.NDArray[np.bool_] | None]]:
    yield "", None
    for names in segment_names(schema, bins, table).values():
        for name in sorted(set(names)):
            yield name, names == name


def count_outcomes(schema: EventSchema, frozen: Mapping[str, Frozen], start: int, rows: pd.DataFrame) -> Iterator[Cell]:
    """Yield the cells of joined predictions of the slice that starts at *start* (ms).

    *rows* have the columns ``version``, ``segments`` (the row's, joined by :data:`JOIN`), ``prediction``, ``label``,
    and ``known``, which is NaN where there is no label.
    """
    for key, some in rows.groupby(["version", "segments"]):
        version, segments = map(str, key)
        plan = layout(schema, frozen[version], Stage.OUTCOMES)
        prediction, label = (values(schema, some[c]) for c in ("prediction", "label"))
        found = outcome_counts.count(
            schema.task, frozen[version].bins, prediction=prediction, label=label,
            labelled=some["known"].notna().to_numpy(), groups=np.zeros(len(some), np.int64), n_groups=1,
        )  # fmt: skip
        counts = np.hstack([found[name] for name in plan.sizes])
        for segment in ("", *filter(None, segments.split(JOIN))):
            yield from _cells(counts, np.array([start]), version, segment)


def values(schema: EventSchema, column: pd.Series) -> Values:
    """Return predictions or labels as what they are scored as: float64, or classes as text (None: no label)."""
    if schema.label_kind is FeatureKind.CATEGORICAL and schema.prediction_kind is FeatureKind.CATEGORICAL:
        return np.asarray(column.astype(object).where(column.notna(), None).to_numpy(object))
    return column.to_numpy(np.float64)


def merge(cells: Iterable[Cell]) -> list[Cell]:
    """Return the sum of *cells*, one of each key, in order."""
    total: dict[tuple[int, str, str, int], int] = {}
    for c in cells:
        key = (c.start, c.version, c.segment, c.cell)
        total[key] = total.get(key, 0) + c.n
    return [Cell(*key, n) for key, n in sorted(total.items())]
