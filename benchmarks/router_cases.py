"""Cases of the router benchmark: faults, real changes, and pairs that counts cannot distinguish."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.router_worlds import BEFORE, WINDOW, Column, Rng, Rows, Unsuited, Window, World, changed, one
from monitors.quality import value_faults
from monitors.quality.fault import FaultKind
from monitors.quality.volume import FeedCounts

Change = Callable[[World, Rng], Window]


def _replaced(value: float | str | None, share: float) -> Change:
    """Return what puts *value* into a share of one variable: a number's if it is one, else a category's."""

    def change(w: World, rng: Rng) -> Window:
        window, name = w.window(rng), one(rng, list(w.sd) if isinstance(value, float) else w.words)
        old = window.now[name]
        return changed(window, **{name: np.where(rng.random(len(old)) < share, np.array(value, old.dtype), old)})

    return change


def _unit(suits: Callable[[World, str], bool], *maps: tuple[float, float]) -> Change:
    def change(w: World, rng: Rng) -> Window:
        window, name = w.window(rng), one(rng, [n for n in w.sd if suits(w, n)])
        scale, shift = maps[rng.integers(len(maps))]
        return changed(window, **{name: scale * window.now[name] + shift})

    return change


def _any(w: World, name: str) -> bool:
    return True


def _is_temperature(w: World, name: str) -> bool:
    return name in {"celsius", "temp"}


def _narrow(w: World, name: str) -> bool:
    return w.sd[name] < abs(w.bins[name].mean) / 2


def _spread(w: World, name: str) -> bool:
    """Say whether a variable varies by much of its mean and is never negative: it grows rather than moves."""
    return not _narrow(w, name) and w.bins[name].edges[0] >= 0


def _stuck(w: World, rng: Rng) -> Window:
    window = w.window(rng)
    total = {name: w.known.quality[name].total for name in w.sd}
    name = one(rng, [name for name, cells in total.items() if cells.max() < value_faults.MAX_USUAL_SHARE * cells.sum()])
    last = window.before[name][~np.isnan(window.before[name])][-1]
    return changed(window, **{name: np.full_like(window.now[name], last)})


def _exchanged(which: Callable[[World], list[str]]) -> Change:
    def change(w: World, rng: Rng) -> Window:
        window, names = w.window(rng), which(w)
        if len(names) < 2:
            raise Unsuited
        x, y = map(str, rng.choice(names, 2, replace=False))
        return changed(window, **{x: window.now[y], y: window.now[x]})

    return change


def _spelled_anew(w: World, rng: Rng) -> Window:
    window, name = w.window(rng), one(rng, w.words)
    return changed(window, **{name: np.array([v.upper() for v in window.now[name]], dtype=object)})


def _fed(change: Callable[[int], FeedCounts]) -> Change:
    def of(w: World, rng: Rng) -> Window:
        window = w.window(rng)
        return Window(window.before, window.now, (), change(len(next(iter(window.now.values())))))

    return of


FAULTS: dict[str, tuple[FaultKind, Change]] = {
    "nulls, +8 points, a number": (FaultKind.MISSING_BURST, _replaced(np.nan, 0.08)),
    "nulls, +30 points, a category": (FaultKind.MISSING_BURST, _replaced(None, 0.3)),
    "infinite values, 10 points": (FaultKind.NON_FINITE, _replaced(np.inf, 0.1)),
    "column vanished": (FaultKind.SCHEMA, _replaced(np.nan, 1.0)),
    "a category spelled anew": (FaultKind.UNSEEN, _spelled_anew),
    "stuck at its last value": (FaultKind.STUCK, _stuck),
    "-999,999 in 60 %": (FaultKind.OUT_OF_RANGE, _replaced(-999999.0, 0.6)),
    "unit: times or divided by 100": (FaultKind.UNIT_CHANGE, _unit(_any, (100.0, 0.0), (0.01, 0.0))),
    "unit: times or divided by 1,000": (FaultKind.UNIT_CHANGE, _unit(_any, (1e3, 0.0), (1e-3, 0.0))),
    "unit: Celsius to Fahrenheit": (FaultKind.UNIT_CHANGE, _unit(_is_temperature, (1.8, 32.0))),
    "unit: metres to feet, sd < half the mean": (FaultKind.UNIT_CHANGE, _unit(_narrow, (3.28084, 0.0))),
    "two numbers exchanged": (FaultKind.COLUMN_SWAP, _exchanged(lambda w: list(w.sd))),
    "two categories exchanged": (FaultKind.COLUMN_SWAP, _exchanged(lambda w: w.words)),
    "10 % of rows repeated": (FaultKind.DUPLICATES, _fed(lambda n: FeedCounts(rows=n, repeated=n // 10))),
    "a fifth of the rows": (FaultKind.VOLUME, _fed(lambda n: FeedCounts(rows=n // 5, repeated=0))),
    "five times the rows": (FaultKind.VOLUME, _fed(lambda n: FeedCounts(rows=n * 5, repeated=0))),
    "10 % of rows too late": (FaultKind.LATENESS, _fed(lambda n: FeedCounts(rows=n, repeated=0, late=n // 9))),
}
UNTOLD: dict[str, tuple[FaultKind | None, Change]] = {
    "unit: feet to metres, sd < half the mean": (FaultKind.UNIT_CHANGE, _unit(_narrow, (1 / 3.28084, 0.0))),
    "unit: metres to feet, sd > half the mean": (FaultKind.UNIT_CHANGE, _unit(_spread, (3.28084, 0.0))),
    "unit: Celsius to Fahrenheit, of the dew point": (
        FaultKind.UNIT_CHANGE,
        _unit(lambda w, n: n == "dewp", (1.8, 32.0)),
    ),
    "overnight by 8 sd, one number": (None, lambda w, rng: _sudden(w, rng, [one(rng, list(w.sd))], 8.0)),
}
"""What counts cannot tell: faults that look like growth or like a shift, and worlds that look like a fault."""


# Drifts: each changes the world, and nothing is broken.


def _moved(w: World, name: str, values: Column, by: float) -> Column:
    """Return *values* with their mean moved by so many sd; what cannot be negative shrinks instead of falling."""
    if by < 0 and _spread(w, name):
        return values / (1 - by * w.sd[name] / w.bins[name].mean)
    return values + by * w.sd[name]


def _sudden(w: World, rng: Rng, names: list[str], sd: float) -> Window:
    window, by = w.window(rng), float(rng.choice([-sd, sd]))
    return changed(window, **{name: _moved(w, name, window.now[name], by) for name in names})


def _any_move(w: World, rng: Rng) -> Window:
    """Shift one number by up to 3 sd, its spread by half to double; what cannot be negative grows or shrinks."""
    window, name = w.window(rng), one(rng, list(w.sd))
    by, spread, middle = rng.uniform(-3, 3), np.exp(rng.uniform(np.log(0.5), np.log(2))), w.bins[name].mean
    values = window.now[name]
    wide = values if _spread(w, name) else middle + spread * (values - middle)
    return changed(window, **{name: _moved(w, name, wide, by)})


def _growth(w: World, rng: Rng) -> Window:
    window, name = w.window(rng), one(rng, [n for n in w.sd if w.bins[n].edges[0] >= 0])
    by = 1 + rng.uniform(0, 2) * w.sd[name] / w.bins[name].mean
    return changed(window, **{name: window.now[name] * by ** rng.choice([-1, 1])})


def _in_lowest_bin(w: World, rng: Rng) -> Window:
    """Let one number, never negative, fall into the upper half of its baseline's lowest tenth."""
    wide = [n for n in w.sd if w.bins[n].edges[0] >= 0 and not w.bins[n].is_narrow(0)]
    window, name = w.window(rng), one(rng, wide)
    low, high = w.bins[name].edges[:2]
    return changed(window, **{name: rng.uniform((low + high) / 2, high, len(window.now[name]))})


def _ramp(w: World, rng: Rng, names: list[str]) -> Window:
    """Move *names* step by step through all slices, to 1 to 5 sd in the last."""
    window, to = w.window(rng), rng.uniform(1, 5) * rng.choice([-1, 1])
    before, now = dict(window.before), dict(window.now)
    for name in names:
        steps = np.array_split(np.concatenate([before[name], now[name]]), BEFORE + WINDOW)
        rows = np.concatenate([_moved(w, name, v, to * k / len(steps)) for k, v in enumerate(steps)])
        before[name], now[name] = np.split(rows, [len(before[name])])
    return Window(before, now, tuple(names))


def _picked(weight: Callable[[World, Rows, Rng], Column]) -> Change:
    """Return what draws a window's rows from many by *weight*, all variables together."""

    def change(w: World, rng: Rng) -> Window:
        if w.draw is None:
            raise Unsuited
        window, more = w.window(rng), w.draw(rng, 10 * w.n)
        p = weight(w, more, rng)
        at = rng.choice(len(p), len(window.now["item"]), p=p / p.sum())
        return changed(window, **{name: values[at] for name, values in more.items()})

    return change


def _mix(w: World, rows: Rows, rng: Rng) -> Column:
    """Half of the rows come from the top fifth of one number; one category becomes five times as frequent."""
    values = np.nan_to_num(rows[one(rng, list(w.sd))])
    return np.where(values >= np.quantile(values, 0.8), 4.0, 1.0) * np.where(rows["channel"] == "phone", 5.0, 1.0)


def _prior(w: World, rows: Rows, rng: Rng) -> Column:
    """The rows of one class, which all numbers tell together, come five times as often."""
    total = sum(rng.choice([-1, 1]) * np.nan_to_num((rows[n] - np.nanmean(rows[n])) / w.sd[n]) for n in w.sd)
    return np.where(total + rng.normal(size=w.n * 10) > 0, 5.0, 1.0)


DRIFTS: dict[str, Change] = {
    "a fall into the lowest tenth": _in_lowest_bin,
    "sudden shift by 2 sd, one number": lambda w, rng: _sudden(w, rng, [one(rng, list(w.sd))], 2.0),
    "sudden shift by 2 sd, all numbers": lambda w, rng: _sudden(w, rng, list(w.sd), 2.0),
    "sudden shift to 3 sd, spread by half to 2": _any_move,
    "sudden growth or shrinkage, to 2 sd": _growth,
    "ramp to 1 to 5 sd, one number": lambda w, rng: _ramp(w, rng, [one(rng, list(w.sd))]),
    "ramp to 1 to 5 sd, all numbers": lambda w, rng: _ramp(w, rng, list(w.sd)),
    "another product mix": _picked(_mix),
    "another prior": _picked(_prior),
    "new category, 2 % of rows": _replaced("brand new", 0.02),
    "new category, 20 % of rows": _replaced("brand new", 0.2),
}
NOTHING: dict[str, Change] = {"nothing": lambda w, rng: w.window(rng)}
