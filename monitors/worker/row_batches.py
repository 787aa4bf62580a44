"""Rows on their way to the label join: sheets of columns, not rows, cross to Java and wait in Flink's state.

A sheet holds rows of one role, slice and bucket. Buckets share out the ids, so that predictions and labels of one id
meet wherever they are, and the join can be done by several workers at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitors.job_spec import BUCKETS
from monitors.worker.keyed_state import KeyedState

COLUMNS = {"predictions": ["id", "time", "version", "segments", "prediction"], "labels": ["id", "time", "label"]}
"""What a row of each role has. *segments* are the row's, joined."""
MAX_TEXT = 1 << 18
"""Characters up to which sheets of one slice are kept together: many small ones cost a read each."""

RowBatch = tuple[int, str, int, str]
"""Bucket, role, start of the slice (ms), rows as text without line feeds."""


def pack(
    role: str, slide: int, columns: Mapping[str, npt.NDArray[np.generic]], buckets: int = BUCKETS
) -> Iterator[RowBatch]:
    """Yield the sheets of rows given as :data:`COLUMNS` of *role*, for slices of *slide* ms, in so many *buckets*."""
    times = np.asarray(columns["time"], np.int64)
    if not len(times):
        return
    starts = times - times % slide
    own = pd.util.hash_array(np.asarray(columns["id"], object), categorize=False) % buckets
    order = np.lexsort((starts, own))
    changes = np.flatnonzero((np.diff(starts[order]) != 0) | (np.diff(own[order]) != 0)) + 1
    for part in np.split(order, changes):
        rows = json.dumps({name: columns[name][part].tolist() for name in COLUMNS[role]})
        yield int(own[part[0]]), role, int(starts[part[0]]), rows


def unpack(role: str, texts: Iterable[str]) -> pd.DataFrame:
    """Return the rows of sheets of *role*, in the order in which they were packed."""
    found = [json.loads(line) for text in texts for line in text.split("\n")]
    return pd.DataFrame({name: [v for one in found for v in one[name]] for name in COLUMNS[role]})


class WaitingBatches:
    """The sheets of one bucket that wait, in *state*: by role and slice, in texts that are full before the next."""

    def __init__(self, state: KeyedState) -> None:
        self._state = state

    def add(self, role: str, start: int, rows: str) -> None:
        """Keep *rows*."""
        number = self._texts(role, start)
        key = f"{role} {start} {number}"
        last = (self._state.get(key) or "") if number else ""
        if number and len(last) + len(rows) < MAX_TEXT:
            self._state.put(key, f"{last}\n{rows}")
            return
        self._state.put(f"{role} {start} {number + 1}", rows)
        self._state.put(f"{role} {start}", str(number + 1))
        if not number:
            self._wait_for(role, [*self.waiting(role), start])

    def read(self, role: str, starts: Iterable[int]) -> Sequence[str]:
        """Return what is kept of slices, in the order in which it came."""
        keys = (f"{role} {start} {i + 1}" for start in starts for i in range(self._texts(role, start)))
        return [text for key in keys if (text := self._state.get(key)) is not None]

    def forget(self, role: str, starts: Iterable[int]) -> None:
        """Remove what is kept of slices."""
        for start in starts:
            if number := self._texts(role, start):
                for i in range(number):
                    self._state.remove(f"{role} {start} {i + 1}")
                self._state.remove(f"{role} {start}")
                self._wait_for(role, [s for s in self.waiting(role) if s != start])

    def waiting(self, role: str) -> list[int]:
        """Return the slices of which anything of *role* is kept, from the first on."""
        return [int(start) for start in (self._state.get(role) or "").split()]

    def _wait_for(self, role: str, slices: list[int]) -> None:
        if slices:
            self._state.put(role, " ".join(map(str, sorted(slices))))
        else:
            self._state.remove(role)

    def _texts(self, role: str, start: int) -> int:
        return int(self._state.get(f"{role} {start}") or 0)
