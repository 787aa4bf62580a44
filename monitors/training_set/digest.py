"""Digest of a training set, computed as its rows come."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd


class RowDigest:
    """sha256 of ids, times, features and labels in order: equal digests mean the same training data."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._named = False

    def add(
        self,
        frame: pd.DataFrame,
        ids: npt.NDArray[np.object_],
        times: npt.NDArray[np.int64],
        target: npt.NDArray[np.generic],
    ) -> None:
        """Add rows, (rows,) each; one row may be in any part, the digest is that of all."""
        table = frame.assign(**{"\0id": ids, "\0time": times, "\0target": target})
        if not self._named:
            names = "\n".join(f"{name} {kind}" for name, kind in table.dtypes.items())
            self._sha.update(names.encode())
            self._named = True
        self._sha.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())

    def hex(self) -> str:
        """Return the digest of the rows so far, in hexadecimal."""
        return self._sha.hexdigest()
