"""Unit change of a numeric variable, distinguished from natural drift by counts alone.

Only a measured quantity without a trend has a unit that can change: many values, spread over several bins, that vary
within slices (:mod:`monitors.quality.column_traits`). A code, a daily value or a running number takes new values while
nothing is broken. One of three kinds of evidence has to be complete:

1. a conversion of units predicts the cells, and no natural move (a shift, a change of spread, a growth) comes near;

2. a conversion predicts the cells after a step between one slice and the next, two plateaus with nothing between, no
   move of at most 3 sd comes near, and no larger one clearly nearer;

3. nearly all values lie further outside the baseline's range than it is wide, where no shape is left to compare; and
   that came in such a step, or in a variable that varied within slices and not from one to the next.

A season does none of this: it has slices in between, and changes the shape gradually.

Not distinguishable by counts: a conversion that looks like growth (feet for metres of something spread out and never
negative), one that falls into one wide outermost bin (metres for feet), one that began before the first slice given and
moves values only next to the range (a summer against a winter's baseline does too), and a step in a variable that steps
all the time. A natural jump
overnight that a conversion happens to predict is reported as a fault. The thresholds were chosen on the
simulated streams of `python -m benchmarks.router`; the rates that they reach: docs/statistics/router.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from monitors.quality import rescaling
from monitors.quality.fault import Fault, FaultKind, describe_excess
from monitors.quality.rescaling import js_distance
from monitors.quality.unit_reference import CONVERSIONS, Plateau, UnitReference
from monitors.stats.bins import Counts

MIN_CHANGE = 0.3
"""Smallest distance (Jensen-Shannon, log 2) from the baseline that a change of unit or of column causes."""
MAX_FIT = 0.25
"""Largest distance of a prediction that counts as a fit, whatever the noise (Jensen-Shannon, log 2)."""
MIN_FIT_RATIO = 3.0
"""A prediction must be this many times closer than the explanation that it replaces."""
MAX_SINGLE_CELL = 0.95
"""A prediction with a larger share in one cell is not specific: many other changes would fill that cell."""
MAX_USUAL_BIN = 0.8
"""A window with a larger share in one of the baseline's own bins has no shape to compare, and no new values."""
MIN_OUTSIDE = 0.9
"""Share of values that has to lie further outside the range than it is wide, where no shape is left to compare."""
MAX_WORSE_FIT = 0.15
"""A move of any size may come nearer than a conversion by at most this (Jensen-Shannon, log 2): a move has a free
parameter, a conversion has none."""
MIN_UNEXPLAINED = 0.2
"""Smallest distance (Jensen-Shannon, log 2) from all such moves at which they do not explain a window."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The conversion that predicts a window best, its prediction's distance, and whether that is close enough."""

    name: str
    distance: float
    close: bool


def fit(reference: UnitReference, window: Counts, line: float) -> Fit:
    """Return the conversion of units that predicts a window best.

    What is unknown about values between borders is added to the line. A prediction with all values in one cell is not
    specific. Nor is a window with nearly all values in one bin: after a price has fallen into its lowest tenth, any
    conversion that brings it there fits.

    Parameters
    ----------
    reference
        The variable's baseline.
    window
        The window's counts, (cells,).
    line
        Distance that chance causes.
    """
    there = _merged(reference, window)
    away = js_distance(reference.as_units, there).min(axis=0)
    over = away - np.minimum(line + js_distance(*reference.as_units), MAX_FIT)
    vague = reference.as_units.max(axis=2).min(axis=0) > MAX_SINGLE_CELL
    shapeless = there[2:-2].max() > MAX_USUAL_BIN * there.sum()
    best = int(np.where(vague, np.inf, away).argmin())
    close = over[best] <= 0 and not vague[best] and not shapeless
    return Fit(list(CONVERSIONS)[best], float(away[best]), bool(close))


def distance_from_reference(reference: UnitReference, window: Counts) -> float:
    """Return the distance of a window from the baseline (Jensen-Shannon, log 2); nan if it is empty."""
    return float(js_distance(reference.shares, _merged(reference, window)))


def find(
    variable: str,
    reference: UnitReference,
    window: Counts,
    line: float,
    *,
    sudden: Plateau | None = None,
    one_slice: bool = False,
) -> Fault | None:
    """Return the unit change that a window shows, or None.

    A single slice of a variable that differs from slice to slice has no shape to compare: it is narrower than the
    baseline and off its middle, as after many a conversion.

    Parameters
    ----------
    variable
        Name of the variable.
    reference
        Its baseline.
    window
        The window's counts, (cells,).
    line
        Distance from the baseline that chance reaches.
    sudden
        The plateau that the window was taken from, if there is one.
    one_slice
        Whether the window is a single slice, where it was not taken from a plateau.
    """
    there, far_off = _merged(reference, window), distance_from_reference(reference, window)
    traits = reference.traits
    if not (far_off > max(line, MIN_CHANGE) and traits.is_measured and not traits.is_trending):
        return None
    is_one = sudden.slices == 1 if sudden else one_slice
    unit, has_shape = fit(reference, window, line), traits.is_steady or not is_one
    natural, near = (float(js_distance(m, there).min()) for m in (reference.moves, reference.small_moves))
    numbers = {"js_distance_log2": far_off, "as_unit": unit.distance, "as_move": natural, "as_small_move": near}
    if sudden and has_shape and near > MIN_UNEXPLAINED:
        since = "the newest slice" if sudden.slices == 1 else f"the newest {sudden.slices:,} slices"
        saw = f"{_outside(reference, window):.1%} of {variable} lies {describe_excess(reference.bins, window)}"
        far = max(MIN_UNEXPLAINED, MIN_FIT_RATIO * unit.distance)
        if unit.close and near > far and unit.distance <= natural + MAX_WORSE_FIT:
            numbers_of = ("js_distance_log2_from_small_moves", near, far)
            return _fault(variable, unit, numbers_of, numbers, f"{saw} in {since}, all at once")
    if unit.close and has_shape and natural > (far := max(MIN_CHANGE, MIN_FIT_RATIO * unit.distance)):
        rest = f"no shift or growth of the baseline comes nearer than {natural:.2f}"
        saw = f"{variable} is {unit.distance:.2f} from its baseline {unit.name}, and {rest}"
        return _fault(variable, unit, ("js_distance_log2_from_moves", natural, far), numbers, saw)
    return _far_away(variable, reference, window, numbers, sudden=sudden)


def _far_away(
    variable: str, reference: UnitReference, window: Counts, numbers: Mapping[str, float], *, sudden: Plateau | None
) -> Fault | None:
    """Return the unit change of values that (nearly) all lie far beyond the range, or None.

    There no shape is left to compare. It is no growth and no season if it came between two slices, or if the level was
    steady all through the baseline; and some conversion must take all values as far.
    """
    k = reference.bins.body
    share = float(window[k + 4 : k + 6].sum() / window[list(reference.bins.ordered)].sum())
    as_far = (reference.as_units[..., 0] + reference.as_units[..., -1]).min(axis=0)
    if share <= MIN_OUTSIDE or not (sudden or reference.traits.is_steady) or as_far.max() <= MIN_OUTSIDE:
        return None
    why = "all at once" if sudden else "and its level was steady in the baseline"
    saw = f"{share:.1%} of {variable} lies {describe_excess(reference.bins, window)}, {why}"
    which = Fit("", float("nan"), close=False)
    return _fault(variable, which, ("far_out_of_range_share", share, MIN_OUTSIDE), numbers, saw)


def _merged(reference: UnitReference, window: Counts) -> rescaling.Shares:
    return rescaling.merge_single_values(reference.bins, window[list(reference.bins.ordered)])


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
