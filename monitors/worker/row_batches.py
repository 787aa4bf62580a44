"""Row batches for the label join: rows packed into columns, by role, slice and bucket, that wait in Flink's state.

Batches of columns, not single rows, cross to Java. Buckets divide the ids, so that predictions and labels of one id
meet, and several workers can join at once.
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
"""Columns of each role; *segments* are the row's, joined by :data:`monitors.profiles.counting.SEGMENT_SEPARATOR`."""
MAX_TEXT = 1 << 18
"""Characters up to which batches of one slice are stored together: many small ones cost a read each."""

RowBatch = tuple[int, str, int, str]
"""Bucket, role, start of the slice (ms), and rows as text without line feeds."""


def pack(
    role: str, slide: int, columns: Mapping[str, npt.NDArray[np.generic]], buckets: int = BUCKETS
) -> Iterator[RowBatch]:
    """Yield the row batches of rows.

    Parameters
    ----------
    role
        Whether they are predictions or labels.
    slide
        Length of a slice, in milliseconds.
    columns
        The rows, (rows,) each: :data:`COLUMNS` of the role.
    buckets
        Number of buckets.
    """
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
    """Return the rows of batches of *role*, in the order in which they were packed."""
    found = [json.loads(line) for text in texts for line in text.split("\n")]
    return pd.DataFrame({name: [v for one in found for v in one[name]] for name in COLUMNS[role]})


class WaitingBatches:
    """The waiting batches of one bucket: by role and slice, in texts of limited length.

    Parameters
    ----------
    state
        The bucket's keyed state.
    """

    def __init__(self, state: KeyedState) -> None:
        self._state = state

    def add(self, role: str, start: int, rows: str) -> None:
        """Store a batch.

        Parameters
        ----------
        role
            Its role.
        start
            Start of its slice, in milliseconds.
        rows
            Its rows as text.
        """
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
        """Return the stored texts of slices, in the order in which they were added."""
        keys = (f"{role} {start} {i + 1}" for start in starts for i in range(self._texts(role, start)))
        return [text for key in keys if (text := self._state.get(key)) is not None]

    def forget(self, role: str, starts: Iterable[int]) -> None:
        """Remove what is stored for slices."""
        for start in starts:
            if number := self._texts(role, start):
                for i in range(number):
                    self._state.remove(f"{role} {start} {i + 1}")
                self._state.remove(f"{role} {start}")
                self._wait_for(role, [s for s in self.waiting(role) if s != start])

    def waiting(self, role: str) -> list[int]:
        """Return the starts (ms) of slices with stored batches of *role*, in order."""
        return [int(start) for start in (self._state.get(role) or "").split()]

    def _wait_for(self, role: str, slices: list[int]) -> None:
        if slices:
            self._state.put(role, " ".join(map(str, sorted(slices))))
        else:
            self._state.remove(role)

    def _texts(self, role: str, start: int) -> int:
        return int(self._state.get(f"{role} {start}") or 0)
