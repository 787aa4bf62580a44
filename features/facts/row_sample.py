"""A seeded sample of rows that come table by table: those of the smallest hashes of time and id, wherever they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.events.row_decoder import ID, TIME

_KEY_BYTES = 16
"""Bytes of the key of pandas' hash of texts (SipHash)."""


class RowSample:
    """The sample so far; it is the same for the same rows and seed, in any order and however they are divided.

    Parameters
    ----------
    size
        Most rows of it.
    seed
        Chooses them.

    Attributes
    ----------
    rows
        How many rows there were to choose from.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._key = size, f"{seed:0{_KEY_BYTES}}"[-_KEY_BYTES:]
        self._table: pa.Table | None = None
        self._hashes = np.empty(0, np.uint64)
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Add decoded events, which have a time (ms) and an id."""
        self.rows += table.num_rows
        texts = pc.binary_join_element_wise(table[TIME].cast(pa.string()), table[ID], " ").to_pandas()
        own = pd.util.hash_array(texts.to_numpy(object), hash_key=self._key, categorize=False)
        best = np.argsort(own, kind="stable")[: self._size]
        hashes = np.concatenate([self._hashes, own[best]])
        both = [table.take(best)] if self._table is None else [self._table, table.take(best)]
        order = np.argsort(hashes, kind="stable")[: self._size]
        self._hashes, self._table = hashes[order], pa.concat_tables(both).combine_chunks().take(order)

    @property
    def table(self) -> pa.Table | None:
        """The rows of the sample by time and id; None before the first table."""
        if self._table is None:
            return None
        return self._table.sort_by([(TIME, "ascending"), (ID, "ascending")])
