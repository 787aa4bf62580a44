"""Another unit, or another world? What counts say when a number leaves its place as a whole.

Four things may speak for a change of unit, and one of them has to be complete:

1. most values lie further beyond the baseline's range than that is wide (:mod:`monitors.quality.value_faults` finds
it); 2. nearly all values left the range between one slice and the next, and stayed: two plateaus with nothing between;
3. a conversion of units predicts their cells after such a step; 4. a conversion predicts the cells, and no natural move
(a shift, a change of spread, a growth) comes near.

In 2 and 3 no move by at most 3 sd may come near either. A season does none of this: it has slices in between, and moves
the shape along. What counts cannot tell: a conversion that looks like growth (feet for metres of something spread out
and never negative), one that falls into one wide outermost bin (metres for feet), one that began before the first slice
that is given and moves values next to the range only (a summer against a winter's baseline does too), and a step in
what steps by itself all the time. A world that jumps by more than its range overnight is called a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy import special

from monitors.quality import rescaling
from monitors.quality.fault import Fault, FaultKind, beyond
from monitors.quality.rescaling import apart
from monitors.stats.bins import Counts, NumericBins

LARGE = 0.3
"""A change of unit or of column moves a distribution at least this far (Jensen-Shannon distance, log 2)."""
CLOSE = 0.25
"""A prediction that is further away than this predicts nothing, whatever the noise."""
CLOSER = 3.0
"""A prediction has to be this much closer than what it is preferred to."""
VAGUE = 0.95
"""A prediction with more than this share in one cell tells little: much else would fill that cell."""
ALL = 0.9
"""The share of values that has to leave the range at one stroke, where no conversion predicts their cells."""
LEVEL_WITHIN = 0.2
"""Slices of a plateau differ by at most this share of the step between the two."""
UNLIKE = 1.5
"""A step has to be this much larger than any between two slices of the baseline."""
OVERNIGHT = 3.0
"""So many sd the world may move from one slice to the next."""
UNEXPLAINED = 0.2
"""A window this far from all such moves was not moved by the world."""

_FACTORS = {
    "10": 10.0, "100 (units to hundredths)": 100.0, "1,000 (kilo)": 1e3, "1,000,000": 1e6, "60 (minutes)": 60.0,
    "3,600 (hours to seconds)": 3600.0, "12 (feet to inches)": 12.0, "2.54 (inches to centimetres)": 2.54,
    "25.4 (inches to millimetres)": 25.4, "3.281 (metres to feet)": 3.28084, "1.609 (miles to kilometres)": 1.609344,
    "2.205 (kilograms to pounds)": 2.204623, "3.6 (m/s to km/h)": 3.6, "1.852 (knots to km/h)": 1.852,
    "2.237 (m/s to mph)": 2.236936, "1.944 (m/s to knots)": 1.943844, "33.86 (inHg to hPa)": 33.8639,
    "57.3 (radians to degrees)": 57.29578, "3.785 (gallons to litres)": 3.785412,
}  # fmt: skip
UNITS = MappingProxyType(
    {f"times {name}": (by, 0.0) for name, by in _FACTORS.items()}
    | {f"divided by {name}": (1 / by, 0.0) for name, by in _FACTORS.items()}
    | {
        "Celsius to Fahrenheit": (1.8, 32.0),
        "Fahrenheit to Celsius": (1 / 1.8, -32 / 1.8),
        "Celsius to Kelvin": (1.0, 273.15),
        "Kelvin to Celsius": (1.0, -273.15),
        "Fahrenheit to Kelvin": (1 / 1.8, 459.67 / 1.8),
        "Kelvin to Fahrenheit": (1.8, -459.67),
        "times -1 (another sign)": (-1.0, 0.0),
    }
)
"""What a value becomes, (factor, addend), by name."""


@dataclass(frozen=True, eq=False)
class UnitReference:
    """One number of the baseline: its *total* on all cells, and its *slices* (slices, cells)."""

    bins: NumericBins
    total: Counts
    slices: Counts

    @cached_property
    def place(self) -> rescaling.Shares:
        """The normal score of each ordered cell; what lies beyond is put at 4, far beyond at 5."""
        body = self.total[: self.bins.body]
        middle = special.ndtri((np.cumsum(body) - body / 2 + 0.5) / (body.sum() + 1))
        return np.concatenate([[-5.0, -4.0], middle, [4.0, 5.0]])

    @cached_property
    def unstable(self) -> float:
        """The largest step between two slices of the baseline, in normal scores."""
        return float(np.abs(np.diff(self.places(self.slices))).max(initial=0.0))

    @cached_property
    def as_units(self) -> rescaling.Shares:
        """What each of :data:`UNITS` would make of the baseline, (2, units, merged cells)."""
        scale, shift = np.array(list(UNITS.values())).T
        return rescaling.merged(self.bins, rescaling.mapped(self.bins, self.total, self.bins, scale, shift))

    @cached_property
    def moves(self) -> rescaling.Shares:
        """What the world's natural moves would make of it, (moves, merged cells)."""
        return rescaling.merged(self.bins, rescaling.moves(self.bins, self.total))

    @cached_property
    def small_moves(self) -> rescaling.Shares:
        """What those of at most :data:`OVERNIGHT` sd would make of it."""
        return rescaling.merged(self.bins, rescaling.moves(self.bins, self.total, within=OVERNIGHT))

    def places(self, slices: Counts) -> rescaling.Shares:
        """Return the mean normal score of each slice that has values."""
        kept = slices[:, list(self.bins.ordered)]
        kept = kept[kept.sum(axis=1) > 0]
        return np.asarray(kept @ self.place / kept.sum(axis=1))


@dataclass(frozen=True, slots=True)
class Plateau:
    """How many of the newest *slices* stand on another level than all before them, and the sum of their *counts*."""

    slices: int
    counts: Counts


def plateau(reference: UnitReference, recent: Counts) -> Plateau | None:
    """Return the newest slices of *recent* (slices, all cells) if they stand on another level than those before.

    Slices without values do not count. Each slice lies near the median of its side, and the step is larger than any
    in the baseline: a ramp has slices in between, and a restless variable steps all the time.
    """
    recent = recent[recent[:, list(reference.bins.ordered)].sum(axis=1) > 0]
    at = reference.places(recent)
    if len(at) < 2:
        return None
    k = int(np.abs(np.diff(at)).argmax()) + 1
    step = abs(float(np.median(at[k:]) - np.median(at[:k])))
    off = max(np.abs(side - np.median(side)).max() for side in (at[:k], at[k:]))
    sudden = off <= LEVEL_WITHIN * step and step > UNLIKE * reference.unstable
    return Plateau(len(at) - k, recent[k:].sum(axis=0)) if sudden else None


@dataclass(frozen=True, slots=True)
class Fit:
    """The unit that predicts a window best, how far its prediction is, and whether that is close and tells anything."""

    name: str
    distance: float
    close: bool


def fit(reference: UnitReference, window: Counts, line: float) -> Fit:
    """Return the best fitting unit of a *window* (all cells), *line* being what chance does to a distance.

    What is not known of the values between borders is added to the line. A prediction with all values in one cell
    tells nothing.
    """
    away = apart(reference.as_units, _merged(reference, window)).min(axis=0)
    over = away - np.minimum(line + apart(*reference.as_units), CLOSE)
    vague = reference.as_units.max(axis=2).min(axis=0) > VAGUE
    best = int(np.where(vague, np.inf, away).argmin())
    return Fit(list(UNITS)[best], float(away[best]), bool(over[best] <= 0 and not vague[best]))


def moved(reference: UnitReference, window: Counts) -> float:
    """Return how far a *window* (all cells) is from the baseline (Jensen-Shannon distance, log 2); nan if empty."""
    return float(apart(_merged(reference, reference.total), _merged(reference, window)))


def find(
    variable: str, reference: UnitReference, window: Counts, line: float, *, sudden: Plateau | None = None
) -> Fault | None:
    """Return the change of unit that *window* (all cells) shows, or None.

    *line* is the distance from the baseline that chance reaches; *sudden* is the plateau that the window was taken
    from, if there is one.
    """
    there, far_off = _merged(reference, window), moved(reference, window)
    if not far_off > max(line, LARGE):
        return None
    outside, unit = _outside(reference, window), fit(reference, window, line)
    natural, near = (float(apart(m, there).min()) for m in (reference.moves, reference.small_moves))
    numbers = {"js_distance_log2": far_off, "as_unit": unit.distance, "as_move": natural, "as_small_move": near}
    if sudden and near > UNEXPLAINED:
        since = "the newest slice" if sudden.slices == 1 else f"the newest {sudden.slices:,} slices"
        saw = f"{outside:.1%} of {variable} lies {beyond(reference.bins, window)} in {since}, at one stroke"
        if outside > ALL:
            return _fault(variable, unit, ("out_of_range_share", outside, ALL), numbers, saw)
        if unit.close and near > (far := max(UNEXPLAINED, CLOSER * unit.distance)):
            return _fault(variable, unit, ("js_distance_log2_from_small_moves", near, far), numbers, saw)
    if unit.close and natural > (far := max(LARGE, CLOSER * unit.distance)):
        rest = f"no shift or growth of the baseline comes nearer than {natural:.2f}"
        saw = f"{variable} is {unit.distance:.2f} from its baseline {unit.name}, and {rest}"
        return _fault(variable, unit, ("js_distance_log2_from_moves", natural, far), numbers, saw)
    return None


def renamed(fault: Fault, reference: UnitReference, window: Counts, line: float) -> Fault:
    """Return a *fault* of far values as a change of unit, if nearly all values left the range or a unit explains them.

    A placeholder among good values stays what it is: garbage.
    """
    outside, unit, (variable,) = _outside(reference, window), fit(reference, window, line), fault.variables
    if not unit.close and outside <= ALL:
        return fault
    saw = f"{outside:.1%} of {variable} lies {beyond(reference.bins, window)}"
    numbers = {**fault.evidence, "as_unit": unit.distance}
    return _fault(variable, unit, (fault.metric, fault.share, fault.line), numbers, saw)


def _merged(reference: UnitReference, window: Counts) -> rescaling.Shares:
    return rescaling.merged(reference.bins, window[list(reference.bins.ordered)])


def _outside(reference: UnitReference, window: Counts) -> float:
    there = window[list(reference.bins.ordered)]
    return float(there[[0, 1, -2, -1]].sum() / there.sum())


def _fault(
    variable: str, unit: Fit, figures: tuple[str, float, float], numbers: Mapping[str, float], saw: str
) -> Fault:
    metric, share, line = figures
    looks = f"looks like another unit, {unit.name}" if unit.close else "looks like another unit"
    words = f"{saw}: {looks}; check the unit of {variable} at its source"
    evidence = {name: round(value, 6) for name, value in numbers.items()}
    return Fault(FaultKind.UNIT_CHANGE, (variable,), metric, round(share, 6), round(line, 6), words, evidence)
