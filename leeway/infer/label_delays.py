"""Observed delays of labels: how long after their predictions those of the log's beginning became known.

Labels are read until they stop matching: the first ones to come belong to those predictions that were settled soonest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import DataError
from leeway.infer import feature_columns, log_files, log_sample
from leeway.infer.columns import InferredColumns
from leeway.infer.time_columns import time_format

ROWS_OF_A_FILE = 200_000
"""Rows of one file of labels that are read, at most."""
FILES = 400
"""Files of labels that are read, at most."""
WITHOUT_A_MATCH, BEFORE_A_MATCH = 3, 60
"""Files in a row without a label of these predictions that end the reading: after others have matched, and before."""
_OUTLIERS = 0.99
"""The part of labels up to whose time predictions count as followed; the others may be misspelled."""


def observed(events: Path, labels: Path | None, inferred: InferredColumns) -> npt.NDArray[np.int64]:
    """Return delays (ms) of labels after their predictions, (labels,); none where no time of theirs is known.

    A prediction counts only if labels were read for at least as long after it as before it: later ones have only
    their quick labels there.

    Parameters
    ----------
    events
        The log's file or folder.
    labels
        Those of the labels, where they are elsewhere.
    inferred
        Their columns.
    """
    names = inferred.columns
    if "label_time" not in names:
        return np.zeros(0, np.int64)
    first = next((rows for file in log_files.files(events) if (rows := _rows(file, log_sample.ROWS)).num_rows), None)
    if first is None or names["id"] not in first.column_names:
        return np.zeros(0, np.int64)
    made_at = _dated(first, names["id"], names["time"])
    if labels is None:
        return _delays(made_at, _dated(first, names["id"], names["label_time"]))
    known_at, ends = dict[str, int](), [max(made_at.values(), default=0)]
    for part in _matching(log_files.files(labels), made_at, names):
        known_at |= {key: at for key, at in part.items() if key in made_at}
        ends.append(int(np.quantile(list(part.values()), _OUTLIERS, method="nearest")))
    if not known_at:
        return np.zeros(0, np.int64)
    begin, end = min(made_at.values()), max(ends)
    followed = {key: at for key, at in made_at.items() if at <= (begin + end) // 2}
    delays = _delays(followed, known_at)
    return delays if len(delays) else _delays(made_at, known_at)


def _matching(files: Sequence[Path], made_at: Mapping[str, int], names: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Yield the times of the labels of each file by id, until files stop having labels of these predictions."""
    matched, without = False, 0
    for file in files[:FILES]:
        known_at = _times_in(file, names)
        if known_at:
            yield known_at
        without = 0 if made_at.keys() & known_at.keys() else without + 1
        matched = matched or not without
        if without >= (WITHOUT_A_MATCH if matched else BEFORE_A_MATCH):
            return


def _times_in(file: Path, names: Mapping[str, str]) -> dict[str, int]:
    """Return the time of each label of a file by id; none of a file that cannot be read, which `leeway check` names."""
    try:
        return _dated(_rows(file, ROWS_OF_A_FILE), names["id"], names["label_time"])
    except DataError:
        return {}


def _delays(made_at: dict[str, int], known_at: dict[str, int]) -> npt.NDArray[np.int64]:
    gaps = (at - made_at[key] for key, at in known_at.items() if key in made_at)
    return np.array([gap for gap in gaps if gap >= 0], np.int64)


def _rows(file: Path, limit: int) -> pa.Table:
    return feature_columns.plain_columns(log_sample.rows(file, limit))


def _dated(table: pa.Table, key: str, time: str) -> dict[str, int]:
    """Return the time (ms) of each id, as far as it can be read; none where the column does not hold times."""
    if not {key, time} <= {*table.column_names}:
        return {}
    there = table.filter(pc.and_(table[time].is_valid(), table[key].is_valid()))
    read = time_format(there[time])
    if read is None:
        return {}
    ids = there[key].filter(pa.array(read.read)).to_pylist()
    return dict(zip(map(feature_columns.key_text, ids), read.ms.tolist(), strict=True))
