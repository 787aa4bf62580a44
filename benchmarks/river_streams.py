"""Logs made by River's generators, for `leeway backtest`: change of each kind, and none.

`python -m benchmarks.changing_streams FOLDER` writes a Parquet file of each, beside streams of its own;
docs/backtest.md has what was measured on them. 90 days of 200 rows, whose labels are known after two days. The
generators are those of the literature (River's documentation names the papers), with fixed seeds, and the change lies
beyond the first training period, but where it goes on all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from river.datasets import synth

Row = tuple[dict[Any, Any], Any]
Generator = Iterable[Row]
START, DAYS, ROWS, DELAY = datetime(2025, 1, 1), 90, 200, timedelta(days=2)
"""The first day, the number of days, of rows a day, and how long after its row a label is known."""
CHANGE, SECOND_CHANGE = 45, 67
"""The day of a change, and of the return where the first rule comes back."""
SUDDEN, GRADUAL = 100, 20 * ROWS
"""Rows that a change takes (River's *width*): half a day, since its sigmoid overflows below; and 20 days."""
FAULT = (50, 58)
"""The days of a fault."""


def _changes(before: Generator, after: Generator, *, day: int = CHANGE, width: int = SUDDEN) -> Generator:
    """Return rows of *before*, then of *after*."""
    return synth.ConceptDriftStream(before, after, position=day * ROWS, width=width, seed=1)  # type: ignore[no-any-return]


def _returns(first: Generator, second: Generator) -> Generator:
    """Return rows of *first*, then of *second*, then of *first* again."""
    return _changes(_changes(first, second), first, day=SECOND_CHANGE)


def _agrawal(function: int) -> Generator:
    return synth.Agrawal(classification_function=function, perturbation=0.05, seed=function + 1)  # type: ignore[no-any-return]


def _led(seed: int, *, swapped: int = 0) -> Generator:
    return synth.LEDDrift(seed=seed, noise_percentage=0.1, irrelevant_features=True, n_drift_features=swapped)  # type: ignore[no-any-return]


def _rbf(seed: int) -> Generator:
    return synth.RandomRBF(seed_model=seed, seed_sample=seed, n_classes=4, n_features=6, n_centroids=20)  # type: ignore[no-any-return]


def _friedman(kind: str, *days: int, width: int = 0) -> Generator:
    position = tuple(day * ROWS for day in days)
    return synth.FriedmanDrift(drift_type=kind, position=position, transition_window=width, seed=1)  # type: ignore[no-any-return]


def _selected(rows: Generator, share: Callable[[dict[Any, Any]], float]) -> Generator:
    """Yield rows; from the day of the change on only a share of them, by their inputs: the rule is untouched."""
    rng = np.random.default_rng(1)
    number = 0
    for x, y in rows:
        if number < CHANGE * ROWS or rng.random() < share(x):
            number += 1
            yield x, y


def _faulty(rows: Generator, column: Any, fault: Callable[[float], float]) -> Generator:
    """Yield rows, one input of which is changed by a fault for some days, as the label is not."""
    for number, (x, y) in enumerate(rows):
        is_faulty = FAULT[0] <= number // ROWS < FAULT[1]
        yield ({**x, column: fault(x[column])} if is_faulty else x), y


STREAMS: dict[str, Callable[[], Generator]] = {
    "sea-sudden": lambda: _changes(*(synth.SEA(variant=v, noise=0.1, seed=v + 1) for v in (2, 3))),
    "agrawal-sudden": lambda: _changes(_agrawal(0), _agrawal(1)),
    "agrawal-gradual": lambda: _changes(_agrawal(0), _agrawal(2), width=GRADUAL),
    "hyperplane-incremental": lambda: synth.Hyperplane(
        seed=1, n_features=10, n_drift_features=5, mag_change=0.0002, sigma=0.0
    ),
    "rbf-incremental": lambda: synth.RandomRBFDrift(
        seed_model=1, seed_sample=1, n_classes=4, n_features=6, n_centroids=20, change_speed=1e-4, n_drift_centroids=20
    ),
    "led-recurring": lambda: _returns(_led(1), _led(2, swapped=7)),
    "rbf-recurring": lambda: _returns(_rbf(1), _rbf(2)),
    "friedman-expanding": lambda: _friedman("lea", 40, 55, 70),
    "friedman-recurring": lambda: _friedman("gra", CHANGE, SECOND_CHANGE),
    "friedman-gradual": lambda: _friedman("gsg", 40, 65, width=GRADUAL),
    "waveform-stable": lambda: synth.Waveform(seed=1),
    "sea-virtual": lambda: _selected(synth.SEA(variant=2, noise=0.1, seed=1), lambda x: x[0] / 10),
    "agrawal-virtual": lambda: _selected(_agrawal(0), lambda x: float(x["age"] < 50)),
    "agrawal-fault": lambda: _faulty(_agrawal(1), "salary", lambda salary: salary / 1000),
    "friedman-fault": lambda: _faulty(synth.Friedman(seed=1), 3, lambda _: 0.0),
}
"""How each stream is made, by name: the generator and the kind of change."""


def stream(name: str) -> pd.DataFrame:
    """Return a labelled log of a River generator, a row for each prediction.

    Parameters
    ----------
    name
        A key of :data:`STREAMS`.

    Examples
    --------
    >>> stream("led-recurring").shape
    (18000, 28)
    """
    inputs, targets = zip(*islice(STREAMS[name](), DAYS * ROWS), strict=True)
    log = pd.DataFrame(inputs)
    log.columns = pd.Index([f"x{c}" if isinstance(c, int) else c for c in log.columns])
    log.insert(0, "id", np.arange(len(log)))
    log.insert(1, "time", pd.to_datetime(START) + pd.to_timedelta(np.arange(len(log)) / ROWS, unit="D").round("ms"))
    return log.assign(label=_labels(targets), label_time=log["time"] + DELAY)


def _labels(targets: Sequence[Any]) -> list[int] | list[float] | list[str]:
    """Return targets as a log has them: 0 or 1, numbers, or the names of several classes."""
    if isinstance(targets[0], float):
        return list(targets)
    return [int(y) for y in targets] if len(set(targets)) == 2 else [f"class {y}" for y in targets]
