"""Merging of sorted runs into one ordered stream of rows, of which a few thousand are in memory at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.events.decode import TIME
from monitors.training_set.join import ORDER


def in_order(runs: Iterable[Path]) -> Iterator[pa.Table]:
    """Yield all rows of sorted runs, in their order, as tables of some thousand rows.

    In each step all rows up to the least of the runs' newest times in memory are next: no run has one of them later.
    """
    streams = [_Run(path) for path in runs]
    while streams := [run for run in streams if run.fill()]:
        cut = min(run.last for run in streams)
        if parts := [part for run in streams if (part := run.take_until(cut)).num_rows]:
            yield pa.concat_tables(parts).combine_chunks().sort_by(ORDER)


class _Run:
    """A run that is read batch by batch."""

    def __init__(self, path: Path) -> None:
        self._batches = _batches(path)
        self._table: pa.Table | None = None
        self._ended = False
        self._least = 1
        self.last = 0

    def fill(self) -> bool:
        """Read on until a whole batch of more than one time is in memory, or the end; return whether rows are left.

        With less of each run a step would end with the first run that runs out, and many steps would be short. Rows of
        one time must all be there before they are sorted by id.
        """
        while not self._ended and (self._table is None or self._table.num_rows < self._least or self._of_one_time()):
            batch = next(self._batches, None)
            self._ended = batch is None
            if batch is not None:
                self._least = max(self._least, batch.num_rows)
                self._table = batch if self._table is None else pa.concat_tables([self._table, batch]).combine_chunks()
        if self._table is None or self._table.num_rows == 0:
            return False
        # Of the last time in memory there may be more to come.
        self.last = self._table[TIME][-1].as_py() - (0 if self._ended else 1)
        return True

    def _of_one_time(self) -> bool:
        if self._table is None or self._table.num_rows == 0:
            return False
        return bool(self._table[TIME][0].as_py() == self._table[TIME][-1].as_py())

    def take_until(self, cut: int) -> pa.Table:
        """Return the rows up to and including a time, and keep the others."""
        assert self._table is not None
        rows = int(np.searchsorted(self._table[TIME].to_numpy(), cut, side="right"))
        taken, self._table = self._table.slice(0, rows), self._table.slice(rows)
        return taken


def _batches(path: Path) -> Iterator[pa.Table]:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield pa.Table.from_batches([batch])
