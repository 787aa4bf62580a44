"""Skew of features by slice: a seeded sample of each slice's logged predictions, compared with what the facts give.

Each slice is read once while a process lives; files of events and facts that lie elsewhere in time are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.events.decode import TIME, VERSION
from features.facts import skew
from features.facts.fact import Value
from features.facts.file_times import FileTimes
from features.facts.row_sample import RowSample
from features.window import to_ms
from monitors.quality.feature_skew import SkewCounts
from monitors.training_set.period import TrainingPeriod
from retrain_flows.data.event_log import StoredEvents

SLICE_ROWS = 200
"""Most rows of a slice and version that are compared: of values that differ in 2 rows of 100, there is one among them
with a probability of 98 % (1 - 0.98 ** 200)."""
SEED = 0
"""Seed of the sample."""
BASELINE_SLICES = 14
"""Slices at the end of a baseline's period that say how often values differed then: two weeks of days."""
SLICES_AT_ONCE = 28
"""Slices whose facts are in memory together when neighbours are compared at once: four weeks of days."""
_Slice = tuple[str, int]
"""A version, and the start of a slice (ms)."""


@dataclass
class FeatureSkew:
    """The skew of one model's features of facts.

    Parameters
    ----------
    log
        Where its events are, with its fact features.
    """

    log: StoredEvents
    _measured: dict[int, dict[str, SkewCounts]] = field(default_factory=dict)
    _times: FileTimes = field(default_factory=FileTimes)

    @property
    def slide(self) -> timedelta:
        """The length of a slice."""
        return self.log.schema.windows.slide

    def counts(self, start: datetime, end: datetime, *, now: datetime, version: str | None = None) -> SkewCounts:
        """Return the skew of the slices in [start, end), of one version or of all together.

        Parameters
        ----------
        start, end
            The period, of whole slices.
        now
            The present, which times of facts are compared with.
        version
            The model version; None for all.

        Raises
        ------
        DataError
            The log, or a directory of facts, does not exist.
        BrokerError
            The log is a topic that cannot be read.
        """
        wanted = range(to_ms(start), to_ms(end), to_ms(self.slide))
        self._compare(wanted, now)
        total = SkewCounts()
        for at in wanted:
            for of, counts in self._measured[at].items():
                total = total.plus(counts) if version in (None, of) else total
        return total

    def read_ahead(self, starts: Iterable[datetime], *, now: datetime) -> None:
        """Compare slices that :meth:`counts` will be asked for: files of events and facts are read once for neighbours.

        Parameters
        ----------
        starts
            Their starts.
        now
            The present, which times of facts are compared with.

        Raises
        ------
        DataError, BrokerError
            As of :meth:`counts`.
        """
        self._compare(map(to_ms, starts), now)

    def _compare(self, starts: Iterable[int], now: datetime) -> None:
        """Compare the slices (ms) that were not compared yet, in blocks that bound what is in memory."""
        step = to_ms(self.slide)
        missing = sorted(set(starts) - self._measured.keys())
        for _, neighbours in groupby(missing, key=lambda at: at // (SLICES_AT_ONCE * step)):
            block = list(neighbours)
            self._measure(block[0], block[-1] + step, now)

    def before(self, end: datetime, start: datetime, *, now: datetime) -> SkewCounts:
        """Return the skew in the newest slices of a baseline's period, of whatever version served then."""
        last = self.log.schema.windows.slice_of(end)
        first = max(self.log.schema.windows.slice_of(start), last - BASELINE_SLICES * self.slide)
        return self.counts(first, last, now=now) if first < last else SkewCounts()

    def _measure(self, start: int, end: int, now: datetime) -> None:
        """Compare the slices of a period (ms) that were not compared yet."""
        samples = self._sampled(start, end)
        tables = {key: table for key, sample in samples.items() if (table := sample.table) is not None}
        measured: dict[int, dict[str, SkewCounts]] = {at: {} for at in range(start, end, to_ms(self.slide))}
        if tables:
            facts = skew.facts_of(self.log.facts, pa.concat_tables(tables.values()), now=now, times=self._times)
            for (version, at), table in tables.items():
                measured[at][version] = compared(table, facts.values.columns(table))
        self._measured = measured | self._measured

    def _sampled(self, start: int, end: int) -> Mapping[_Slice, RowSample]:
        """Return a sample of each slice and version in a period (ms), of the slices that were not compared yet."""
        samples: dict[_Slice, RowSample] = defaultdict(lambda: RowSample(SLICE_ROWS, SEED))
        for table in self.log.logged(TrainingPeriod(self.log.schema, start, end)):
            for key, rows in self._by_slice(table):
                if key[1] not in self._measured:
                    samples[key].add(rows)
        return samples

    def _by_slice(self, table: pa.Table) -> Iterator[tuple[_Slice, pa.Table]]:
        times = table[TIME].to_numpy()
        at = times - times % to_ms(self.slide)
        for version in table[VERSION].unique().to_pylist():
            own = pc.equal(table[VERSION], version).to_numpy()
            for slice_start in np.unique(at[own]).tolist():
                yield (version, slice_start), table.take(np.flatnonzero(own & (at == slice_start)))


def compared(rows: pa.Table, recomputed: Mapping[str, list[Value]]) -> SkewCounts:
    """Return how many rows differ by feature; one without any logged value is not logged, and not compared."""
    logged = [name for name in recomputed if rows[name].null_count < rows.num_rows]
    return SkewCounts(
        dict.fromkeys(logged, rows.num_rows),
        {name: sum(skew.differs(rows[name], recomputed[name])) for name in logged},
    )
