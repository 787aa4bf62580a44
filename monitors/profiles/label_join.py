"""Label join: predictions matched with labels by id.

Each prediction gets its newest label within the label delay. The job's outcomes and a baseline's training data are
joined by the same function.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Times = npt.NDArray[np.int64]
"""Times in milliseconds since the epoch."""


def match(predictions: pd.DataFrame, labels: pd.DataFrame, delay: int) -> pd.DataFrame:
    """Return each id's first prediction with the newest label that arrived within the label delay.

    Parameters
    ----------
    predictions
        Columns ``id``, ``time`` (ms) and any others. Of rows with one id and time the least counts, in the order of the
        other columns.
    labels
        Columns ``id``, ``time`` (ms) and ``label``. Of labels with one time the largest counts.
    delay
        The label delay, in milliseconds.

    Returns
    -------
    DataFrame
        The columns of `predictions`, ``known`` (the label's time; NaN where there is none) and ``label``; one row per
        id, in no particular order.

    Examples
    --------
    >>> made = pd.DataFrame({"id": ["a", "b", "a"], "time": [5, 5, 7]})
    >>> known = pd.DataFrame({"id": ["a", "a", "b"], "time": [6, 8, 99], "label": [0.0, 1.0, 1.0]})
    >>> match(made, known, delay=10).to_dict("list")
    {'id': ['b', 'a'], 'time': [5, 5], 'known': [nan, 8.0], 'label': [nan, 1.0]}
    """
    first = _once(predictions, [c for c in predictions.columns if c != "id"], keep="first")
    ids = pd.Index(first["id"])
    at, made_at, known_at = ids.get_indexer(labels["id"]), first["time"].to_numpy(), labels["time"].to_numpy()
    within = (at >= 0) & in_time(made_at[at], known_at, delay) if len(ids) else at >= 0
    newest = _once(labels[within], ["time", "label"], keep="last").set_index("id").reindex(ids)
    return first.assign(known=newest["time"].to_numpy(np.float64), label=newest["label"].to_numpy())


def in_time(made: Times, known: Times, delay: int) -> npt.NDArray[np.bool_]:
    """Return which labels came within the label delay of their predictions, (labels,); all in milliseconds."""
    return (known >= made) & (known <= made + delay)


def _once(rows: pd.DataFrame, order: list[str], *, keep: Literal["first", "last"]) -> pd.DataFrame:
    """Return one row per id, the first or last in *order*. Only rows with repeated ids are sorted: they are few."""
    repeated = rows["id"].duplicated(keep=False)
    if not repeated.any():
        return rows
    chosen = rows[repeated].sort_values(["id", *order]).drop_duplicates("id", keep=keep)
    return pd.concat([rows[~repeated], chosen])
