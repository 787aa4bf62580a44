"""A labelled log whose rule changes: which of two features decides the label."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

START = datetime(2025, 1, 1)


def write(path: Path, *, days: int, change: int | None, rows_a_day: int = 60, seed: int = 1) -> Path:
    """Write a log to *path* (Parquet): label 1 where x is large, and from day *change* on where x is small."""
    rng, rows = np.random.default_rng(seed), days * rows_a_day
    day = np.arange(rows) / rows_a_day
    x, z = rng.normal(size=rows), rng.normal(size=rows)
    sign = np.where(day >= (days if change is None else change), -1, 1)
    label = (rng.random(rows) < 1 / (1 + np.exp(-3 * sign * x - z))).astype(int)
    times = [START + timedelta(days=float(d)) for d in day]
    frame = pd.DataFrame({"id": np.arange(rows), "time": times, "x": x.round(4), "z": z.round(4), "label": label,
                          "label_time": [t + timedelta(hours=2) for t in times]})  # fmt: skip
    frame.to_parquet(path)
    return path
