"""Label join by slice: each slice of predictions with the labels of its delay, as a stream that waits for them does.

An id that is predicted again in a later slice is a sample of that slice, too: a stream forgets a slice once it is
joined, and history has to give the same samples.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.events.decode import ID, TIME
from features.schema import LABEL
from monitors.profiles import label_join
from monitors.training_set.join import RowCounts, labelled
from monitors.training_set.period import TrainingPeriod, within


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """What became of the predictions of a slice; *corrected* samples had another label before the one that counts."""

    rows: RowCounts = field(default_factory=RowCounts)
    corrected: int = 0

    def plus(self, other: SliceCounts) -> SliceCounts:
        """Return the sum of both."""
        return SliceCounts(self.rows.plus(other.rows), self.corrected + other.corrected)

    def numbers(self) -> dict[str, int]:
        """Return the counts by name."""
        return {**asdict(self.rows), "corrected": self.corrected}


def of_slice(period: TrainingPeriod, predictions: pa.Table, labels: pa.Table) -> tuple[pa.Table, SliceCounts]:
    """Return the samples of a slice, in order of time and id, and what became of its predictions.

    Parameters
    ----------
    period
        The slice.
    predictions, labels
        Decoded events that contain all of the slice, in any order; others are ignored.
    """
    rows, counts = labelled(period, predictions, labels)
    return rows, SliceCounts(counts, _corrected(rows, labels, period.delay))


def _corrected(rows: pa.Table, labels: pa.Table, delay: int) -> int:
    """Return how many rows have had more than one label, not counting repetitions, within the label delay."""
    ids = pd.Index(rows[ID].to_pandas())
    events = labels.select([ID, TIME, LABEL]).to_pandas()
    at = ids.get_indexer(events[ID])
    mine = at >= 0
    made, known = rows[TIME].to_numpy()[at[mine]], events[TIME].to_numpy()[mine]
    counting = events[mine][label_join.in_time(made, known, delay)]
    return int((counting.groupby(ID)[LABEL].nunique() > 1).sum())


def joined(period: TrainingPeriod, predictions: pa.Table, labels: pa.Table) -> tuple[pa.Table, dict[int, SliceCounts]]:
    """Return the samples of all slices of a period from all events of some ids, and the counts of each slice.

    Parameters
    ----------
    period
        Whole slices.
    predictions, labels
        Decoded events, in any order.
    """
    made, known = (within(t, p).sort_by(TIME) for t, p in ((predictions, period.predictions), (labels, period.labels)))
    rows, counts = [labelled(period, made.slice(0, 0), known.slice(0, 0))[0]], dict[int, SliceCounts]()
    slide = period.slide
    for start in np.unique(made[TIME].to_numpy() // slide * slide).tolist():
        own = replace(period, start=start, until=start + slide)
        part, counts[start] = of_slice(own, _between(made, own.predictions), _between(known, own.labels))
        rows.append(part)
    return pa.concat_tables(rows), counts


def _between(ordered: pa.Table, interval: tuple[int, int]) -> pa.Table:
    """Return the rows of an interval of a table that is in order of time."""
    first, last = np.searchsorted(ordered[TIME].to_numpy(), interval)
    return ordered.slice(int(first), int(last - first))


def total(counts: Iterable[SliceCounts]) -> RowCounts:
    """Return the sum of counts of rows."""
    out = SliceCounts()
    for one in counts:
        out = out.plus(one)
    return out.rows


def text_of(counts: Mapping[int, SliceCounts]) -> str:
    """Return the counts by slice as JSON."""
    return json.dumps({start: asdict(one) for start, one in counts.items()})


def parsed(text: str) -> dict[int, SliceCounts]:
    """Return the counts that :func:`text_of` wrote."""
    made: dict[str, dict[str, Any]] = json.loads(text)
    return {int(start): SliceCounts(RowCounts(**one["rows"]), one["corrected"]) for start, one in made.items()}


def merged(of_buckets: Iterable[Mapping[int, SliceCounts]]) -> dict[int, SliceCounts]:
    """Return the sums over buckets, in order of the slices."""
    out = dict[int, SliceCounts]()
    for counts in of_buckets:
        for start, one in counts.items():
            out[start] = out.get(start, SliceCounts()).plus(one)
    return dict(sorted(out.items()))


def slices(tables: Iterable[pa.Table], slide: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield start (ms) and rows of each slice that has any, from tables in order of time."""
    waiting, current = list[pa.Table](), -1
    for table in tables:
        starts = table[TIME].to_numpy() // slide * slide
        edges = [0, *(np.flatnonzero(np.diff(starts)) + 1).tolist(), table.num_rows] if table.num_rows else [0]
        for first, last in itertools.pairwise(edges):
            if waiting and starts[first] != current:
                yield current, pa.concat_tables(waiting).combine_chunks()
                waiting = []
            current = int(starts[first])
            waiting.append(table.slice(first, last - first))
    if waiting:
        yield current, pa.concat_tables(waiting).combine_chunks()
