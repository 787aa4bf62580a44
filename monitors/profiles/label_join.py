"""Predictions meet their labels by id, in one way for the job's outcomes and for what a baseline learns from."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd


def match(made: pd.DataFrame, known: pd.DataFrame, delay: int) -> pd.DataFrame:
    """Return each id of *made* once, its first prediction, with the newest label that it had within *delay* ms.

    *made* has the columns ``id``, ``time`` (ms) and any others; of one id and time, the least in the order of these
    counts. *known* has ``id``, ``time`` and ``label``; of labels of one time, the largest counts. The answer has the
    columns of *made*, ``known`` (the label's time; NaN where there is none) and ``label``; its rows are in no order.

    >>> made = pd.DataFrame({"id": ["a", "b", "a"], "time": [5, 5, 7]})
    >>> known = pd.DataFrame({"id": ["a", "a", "b"], "time": [6, 8, 99], "label": [0.0, 1.0, 1.0]})
    >>> match(made, known, delay=10).to_dict("list")
    {'id': ['b', 'a'], 'time': [5, 5], 'known': [nan, 8.0], 'label': [nan, 1.0]}
    """
    first = _once(made, [c for c in made.columns if c != "id"], keep="first")
    ids = pd.Index(first["id"])
    at, made_at, known_at = ids.get_indexer(known["id"]), first["time"].to_numpy(), known["time"].to_numpy()
    within = (at >= 0) & (known_at >= made_at[at]) & (known_at <= made_at[at] + delay) if len(ids) else at >= 0
    newest = _once(known[within], ["time", "label"], keep="last").set_index("id").reindex(ids)
    return first.assign(known=newest["time"].to_numpy(np.float64), label=newest["label"].to_numpy())


def _once(rows: pd.DataFrame, order: list[str], *, keep: Literal["first", "last"]) -> pd.DataFrame:
    """Return one row an id, the first or the last in *order*. Only rows of repeated ids are sorted: they are few."""
    repeated = rows["id"].duplicated(keep=False)
    if not repeated.any():
        return rows
    chosen = rows[repeated].sort_values(["id", *order]).drop_duplicates("id", keep=keep)
    return pd.concat([rows[~repeated], chosen])
