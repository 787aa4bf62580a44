"""Predictions meet their labels by id, in one way for the job's outcomes and for what a baseline learns from."""

from __future__ import annotations

from typing import Literal

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
    near = known[known["id"].isin(first["id"])].rename(columns={"time": "known"})
    pairs = first[["id", "time"]].merge(near, on="id")
    within = pairs[(pairs["known"] >= pairs["time"]) & (pairs["known"] <= pairs["time"] + delay)]
    return first.merge(_once(within[["id", "known", "label"]], ["known", "label"], keep="last"), on="id", how="left")


def _once(rows: pd.DataFrame, order: list[str], *, keep: Literal["first", "last"]) -> pd.DataFrame:
    """Return one row an id, the first or the last in *order*. Only rows of repeated ids are sorted: they are few."""
    repeated = rows["id"].duplicated(keep=False)
    if not repeated.any():
        return rows
    chosen = rows[repeated].sort_values(["id", *order]).drop_duplicates("id", keep=keep)
    return pd.concat([rows[~repeated], chosen])
