"""Logs whose rule is known, for `leeway backtest`: sudden, gradual, incremental and recurring change, and none.

`python -m benchmarks.changing_streams FOLDER` writes a Parquet file of each kind, in a folder of its own, and one of
each of River's generators (:mod:`benchmarks.river_streams`); docs/backtest.md has what was measured on them. 90 days of
200 rows; the label is drawn by a logistic rule of four numbers and a category, and known after 12 hours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import river_streams
from benchmarks.river_streams import DAYS, ROWS, START

Floats = npt.NDArray[np.float64]
WEIGHTS = np.array([[2.0, -1.0, 1.0, 0.0], [-2.0, 1.0, 1.0, 1.0]])
"""The weights of the four numbers in the first and in the second rule, (rules, numbers)."""
SPREAD = 1.2
"""How far the rules are from a coin."""

SECOND: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "sudden": lambda day, rng: (day >= 45).astype(float),
    "aba": lambda day, rng: ((day >= 30) & (day < 52)).astype(float),
    "gradual": lambda day, rng: (rng.random(len(day)) < np.clip((day - 40) / 25, 0, 1)).astype(float),
    "incremental": lambda day, rng: np.clip((day - 30) / 60, 0, 1),
    "recurring": lambda day, rng: (day // 22) % 2,
    "stable": lambda day, rng: np.zeros(len(day)),
    "virtual": lambda day, rng: np.zeros(len(day)),
    "fault": lambda day, rng: np.zeros(len(day)),
}
"""The share of the second rule in each row, by its day; *virtual* changes an input alone, *fault* the unit of one."""


def stream(kind: str, *, seed: int = 1) -> pd.DataFrame:
    """Return a labelled log, a row for each prediction.

    Parameters
    ----------
    kind
        A key of :data:`SECOND`.
    seed
        The seed of all draws.

    Examples
    --------
    >>> stream("stable").shape
    (18000, 9)
    """
    rng, n = np.random.default_rng(seed), DAYS * ROWS
    day = np.arange(n) / ROWS
    x, category = rng.normal(size=(n, 4)), rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    second = SECOND[kind](day, rng)
    if kind == "virtual":
        x[:, 0] += np.where(day >= 45, 1.5, 0)
    usual = np.where(category == "a", 0.8, -0.4)
    first_rule, second_rule = SPREAD * (x @ WEIGHTS[0]) + usual, SPREAD * (x @ WEIGHTS[1]) - usual
    z = (1 - second) * first_rule + second * second_rule
    label = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    if kind == "fault":
        x[(day >= 50) & (day < 58), 1] *= 25.4
    time = [START + timedelta(days=float(d)) for d in day]
    numbers = {f"x{i}": x[:, i].round(4) for i in range(4)}
    known = [t + timedelta(hours=12) for t in time]
    return pd.DataFrame(
        {"id": np.arange(n), "time": time, **numbers, "c": category, "label": label, "label_time": known}
    )


def main(folder: Path) -> None:
    """Write a log of each kind into a folder of its own: files of one folder that have the same columns are one log."""
    logs = [(kind, stream(kind)) for kind in SECOND]
    logs += [(name, river_streams.stream(name)) for name in river_streams.STREAMS]
    for name, log in logs:
        file = folder / name / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        log.to_parquet(file)
        print(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
