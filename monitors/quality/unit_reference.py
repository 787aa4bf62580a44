"""Unit reference: a number's baseline after conversions of units and natural moves, and plateaus of its slices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy import special

from monitors.quality import rescaling
from monitors.quality.column_traits import ColumnTraits
from monitors.stats.bins import Counts, NumericBins

PLATEAU_TOLERANCE = 0.2
"""Slices of a plateau differ from its median by at most this share of the step between two plateaus."""
MIN_STEP_RATIO = 1.5
"""A step must be this many times larger than any between two slices of the baseline."""
MAX_SUDDEN_MOVE = 3.0
"""Largest natural change of the mean from one slice to the next, in the baseline's sd."""
_FACTORS = {
    "10": 10.0, "100 (units to hundredths)": 100.0, "1,000 (kilo)": 1e3, "1,000,000": 1e6, "60 (minutes)": 60.0,
    "3,600 (hours to seconds)": 3600.0, "12 (feet to inches)": 12.0, "2.54 (inches to centimetres)": 2.54,
    "25.4 (inches to millimetres)": 25.4, "3.281 (metres to feet)": 3.28084, "1.609 (miles to kilometres)": 1.609344,
    "2.205 (kilograms to pounds)": 2.204623, "3.6 (m/s to km/h)": 3.6, "1.852 (knots to km/h)": 1.852,
    "2.237 (m/s to mph)": 2.236936, "1.944 (m/s to knots)": 1.943844, "33.86 (inHg to hPa)": 33.8639,
    "57.3 (radians to degrees)": 57.29578, "3.785 (gallons to litres)": 3.785412,
}  # fmt: skip
CONVERSIONS = MappingProxyType(
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
"""Conversions of units as (factor, addend), by name: what a value becomes."""


@dataclass(frozen=True, eq=False)
class UnitReference:
    """One numeric variable of the baseline.

    Parameters
    ----------
    bins
        Its bins.
    total
        Its counts, (cells,).
    slices
        Its counts by slice, (slices, cells).
    """

    bins: NumericBins
    total: Counts
    slices: Counts

    @cached_property
    def cell_scores(self) -> rescaling.Shares:
        """Normal score of each ordered cell, (ordered cells,); beyond the range it is 4, far beyond 5."""
        body = self.total[: self.bins.body]
        middle = special.ndtri((np.cumsum(body) - body / 2 + 0.5) / (body.sum() + 1))
        return np.concatenate([[-5.0, -4.0], middle, [4.0, 5.0]])

    @cached_property
    def traits(self) -> ColumnTraits:
        """What kind of column it is."""
        return ColumnTraits(self.bins, self.slices)

    @cached_property
    def largest_step(self) -> float:
        """The largest step between two slices of the baseline, in mean normal scores."""
        scores = self.mean_scores(self.slices)
        return float(np.abs(np.diff(scores[~np.isnan(scores)])).max(initial=0.0))

    @cached_property
    def as_units(self) -> rescaling.Shares:
        """Shares of the baseline after each of :data:`CONVERSIONS`, (2, conversions, merged cells)."""
        scale, shift = np.array(list(CONVERSIONS.values())).T
        return rescaling.merge_single_values(
            self.bins, rescaling.affine_shares(self.bins, self.total, self.bins, scale, shift)
        )

    @cached_property
    def shares(self) -> rescaling.Shares:
        """Shares of the baseline's ordered cells, single values merged, (merged cells,)."""
        return rescaling.merge_single_values(self.bins, self.total[list(self.bins.ordered)])

    @cached_property
    def moves(self) -> rescaling.Shares:
        """Shares of the baseline after natural moves, (moves, merged cells)."""
        return rescaling.merge_single_values(self.bins, rescaling.natural_moves(self.bins, self.total))

    @cached_property
    def small_moves(self) -> rescaling.Shares:
        """The same after moves of at most :data:`MAX_SUDDEN_MOVE` sd."""
        return rescaling.merge_single_values(
            self.bins, rescaling.natural_moves(self.bins, self.total, within=MAX_SUDDEN_MOVE)
        )

    def mean_scores(self, slices: Counts) -> rescaling.Shares:
        """Return the mean normal score of each slice, (slices,); NaN where it has no values."""
        rows = slices @ self.is_ordered
        with np.errstate(invalid="ignore"):
            return np.asarray(slices @ self.scores / rows)

    @cached_property
    def is_ordered(self) -> Counts:
        """1 for each cell of finite values, 0 for the others, (cells,)."""
        return np.isin(np.arange(self.bins.cells), self.bins.ordered).astype(np.int64)

    @cached_property
    def scores(self) -> rescaling.Shares:
        """The normal score of every cell, 0 where it has no finite values, (cells,)."""
        scores = np.zeros(self.bins.cells)
        scores[list(self.bins.ordered)] = self.cell_scores
        return scores


@dataclass(frozen=True, slots=True)
class Plateau:
    """The newest slices, on another level than all before them.

    Parameters
    ----------
    slices
        How many they are.
    counts
        The sum of their counts, (cells,).
    """

    slices: int
    counts: Counts


def plateau(reference: UnitReference, recent: Counts) -> Plateau | None:
    """Return the newest slices if they are on another level than those before them, else None.

    Each slice must lie near the median of its side, and the step must be larger than any in the baseline: a ramp has
    slices in between, and an unstable variable steps all the time. Slices without values do not count.

    Parameters
    ----------
    reference
        The variable's baseline.
    recent
        Consecutive slices, (slices, cells), newest last.
    """
    at = reference.mean_scores(recent)
    recent, at = recent[~np.isnan(at)], at[~np.isnan(at)]
    if len(at) < 2:
        return None
    if len(at) == 2:  # the usual case, the newest slice and those before it, for which medians would take long
        return Plateau(1, recent[1]) if abs(at[1] - at[0]) > MIN_STEP_RATIO * reference.largest_step else None
    k = int(np.abs(np.diff(at)).argmax()) + 1
    step = abs(float(np.median(at[k:]) - np.median(at[:k])))
    off = max(np.abs(side - np.median(side)).max() for side in (at[:k], at[k:]))
    sudden = off <= PLATEAU_TOLERANCE * step and step > MIN_STEP_RATIO * reference.largest_step
    return Plateau(len(at) - k, recent[k:].sum(axis=0)) if sudden else None
