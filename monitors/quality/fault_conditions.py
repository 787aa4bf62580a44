"""Conditions of faults of values: what a share beyond its line must come with, so that no change of the world does it.

They depend on the kind of column, see :mod:`monitors.quality.column_traits`.
"""

from __future__ import annotations

from scipy import special

from monitors.quality.value_reference import ValueReference, present_cells
from monitors.stats.bins import Counts, NumericBins
from monitors.stats.distance import js_distance_log2

MAX_KNOWN_LEFT = 0.1
"""A recoding leaves at most this part of the usual share of frequent categories; more of them are new ones beside."""
MIN_USUAL_KNOWN = 0.2
"""Frequent categories must have held this share of the baseline for their vanishing to show a recoding."""
MIN_GOOD_SHARE = 0.05
"""Beside placeholders, at least this share of the values is within the baseline's range."""
MAX_BETWEEN = 0.1
"""Beside placeholders, values just beyond the range are at most this part of those far beyond it."""
MAX_GOOD_DISTANCE = 0.6
"""Beside placeholders, good values are at most this far from the baseline (Jensen-Shannon, log 2; 2 sd are .7)."""
MIN_SHAPE_ROWS = 30
"""Values below which the distance of the good ones is mostly noise, and is not looked at."""


def holds(name: str, reference: ValueReference, window: Counts, level: float) -> bool:
    """Return whether the share called *name*, which is beyond its line, is a fault.

    Missing and non-finite values need nothing else.

    Parameters
    ----------
    name
        The share: of :func:`monitors.quality.value_reference.share_counts`.
    reference
        The variable's baseline.
    window
        The window's counts, (cells,).
    level
        Probability of a false fault.
    """
    if name == "unseen":
        return _known_vanished(reference, window, level)
    return name != "far_out_of_range" or _placeholder(reference, window)


def may_be_stuck(reference: ValueReference) -> bool:
    """Return whether a column varies all the time: a measured quantity, or a category of many values."""
    if isinstance(reference.bins, NumericBins):
        return reference.traits.is_measured
    return not (reference.traits.is_few_valued or reference.traits.is_constant_within_slices)


def _known_vanished(reference: ValueReference, window: Counts, level: float) -> bool:
    """Return whether the frequent categories of the baseline (nearly) vanished: a recoding, not new values beside them.

    Only of a vocabulary whose frequent categories stay: one of seasons, campaigns or products is replaced as time goes
    on, one of rare values (names, ids) has none, and a column of a single value may take others.
    """
    traits, there = reference.traits, present_cells(reference.bins)
    frequent = [cell for cell in range(reference.bins.body) if cell not in reference.rare_cells]
    baseline_rows, n = int(reference.total[there].sum()), int(window[there].sum())
    usual = int(reference.total[frequent].sum()) / baseline_rows
    if usual < MIN_USUAL_KNOWN or traits.is_constant or traits.is_constant_within_slices or traits.turns_over:
        return False
    left = int(window[frequent].sum())
    by_chance = special.bdtr(left, n, 2 * MAX_KNOWN_LEFT * usual)
    return bool(left <= MAX_KNOWN_LEFT * usual * n and by_chance <= level)


def _placeholder(reference: ValueReference, window: Counts) -> bool:
    """Return whether far values lie beside good ones with nothing between: placeholders or garbage.

    A change of the world that moves values so far moves the others too. All values that are far off may be another unit
    (:mod:`monitors.quality.unit_change`), a running number, or a code's new values.
    """
    bins, traits = reference.bins, reference.traits
    assert isinstance(bins, NumericBins)
    if traits.is_few_valued or traits.is_constant_within_slices or traits.is_trending:
        return False
    k, values = bins.body, window[list(bins.ordered)].sum()
    body, between, far = window[:k], window[k : k + 2].sum(), window[k + 4 : k + 6].sum()
    if body.sum() < MIN_GOOD_SHARE * values or between > MAX_BETWEEN * far:
        return False
    return bool(js_distance_log2(reference.total[:k], body) <= MAX_GOOD_DISTANCE or body.sum() < MIN_SHAPE_ROWS)
