"""Gain of a watch: pooled difference of losses between a new champion and the version before, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from features.window import format_span, from_ms
from registry.records import Comparison


@dataclass(frozen=True, slots=True)
class Gain:
    """Differences of losses over all slices of a watch, candidate minus reference; negative is better.

    Parameters
    ----------
    mean
        Sum of the differences divided by the number of rows.
    relative
        Sum of the differences divided by the reference's sum of losses; None where that is not above 0.
    low, high
        95 % bounds of the mean difference of the newest look alone; None where it has none.
    relative_low, relative_high
        The same divided by the reference's mean loss in that look.
    slices, rows
        Number of slices and of labelled rows.
    since, until
        The event time that the slices cover.
    """

    mean: float
    relative: float | None
    low: float | None
    high: float | None
    relative_low: float | None
    relative_high: float | None
    slices: int
    rows: int
    since: datetime
    until: datetime


def pooled(looks: Sequence[Comparison]) -> Gain | None:
    """Return the pooled gain of a watch; None without a labelled row."""
    slices = [piece for comparison in looks for piece in comparison.slices]
    rows = sum(piece.rows for piece in slices)
    if rows == 0:
        return None
    newest = looks[-1]
    low, high = newest.numbers.get("low"), newest.numbers.get("high")
    difference, loss = sum(piece.difference for piece in slices), sum(piece.loss for piece in slices)
    newest_loss = sum(piece.loss for piece in newest.slices) / max(sum(piece.rows for piece in newest.slices), 1)
    return Gain(
        mean=difference / rows,
        relative=_share(difference, loss),
        low=low,
        high=high,
        relative_low=_share(low, newest_loss),
        relative_high=_share(high, newest_loss),
        slices=len(slices),
        rows=rows,
        since=from_ms(slices[0].start),
        until=newest.until,
    )


def _share(value: float | None, whole: float) -> float | None:
    return value / whole if value is not None and whole > 0 else None


def text(gain: Gain, reference: str) -> str:
    """Return a gain as a clause: the change of the loss, its bounds, and on how much it rests.

    Bounds are those of the newest look; with several looks the clause says how much of the time they are about.
    """
    figures = (gain.relative, gain.relative_low, gain.relative_high)
    unit, scale = (" %", 100.0) if gain.relative is not None else ("", 1.0)
    mean, low, high = figures if gain.relative is not None else (gain.mean, gain.low, gain.high)
    change = _change(scale * (mean or 0.0), unit)
    bounds = "" if low is None or high is None else _bounds(scale * low, scale * high, unit)
    interval = bounds and f", 95 % {bounds} in the newest look"
    covered = f"{gain.slices} slice{'' if gain.slices == 1 else 's'}, {gain.rows:,} rows"
    return f"loss {change} {_than(mean)} {reference} would have had{interval}, over {_days(gain)} of labels ({covered})"


def _than(mean: float | None) -> str:
    return "as" if not mean else "than"


def _change(value: float, unit: str) -> str:
    """Return a change of the loss in words.

    >>> _change(-12.3, " %"), _change(0.0123, ""), _change(0.0, " %")
    ('12 % lower', '0.0123 higher', 'the same')
    """
    return "the same" if value == 0 else f"{abs(value):.{_DIGITS[unit]}g}{unit} {_side(value)}"


def _bounds(low: float, high: float, unit: str) -> str:
    """Return the bounds of a change in words, the smaller change first.

    >>> _bounds(-15.2, -8.1, " %"), _bounds(-3.0, 1.5, " %"), _bounds(2.0, 4.0, " %")
    ('8.1 to 15 % lower', '3 % lower to 1.5 % higher', '2 to 4 % higher')
    """
    digits = _DIGITS[unit]
    if (low < 0) != (high < 0):
        return f"{_change(low, unit)} to {_change(high, unit)}"
    near, far = sorted((abs(low), abs(high)))
    return f"{near:.{digits}g} to {far:.{digits}g}{unit} {_side(high)}"


def _side(value: float) -> str:
    return "lower" if value < 0 else "higher"


_DIGITS = {" %": 2, "": 3}
"""Significant digits of a change: in per cent, and as a difference of losses."""


def _days(gain: Gain) -> str:
    """Return the time that a gain covers: whole days in words, other spans as the project file writes them."""
    covered = gain.until - gain.since
    days, rest = divmod(covered, timedelta(days=1))
    return format_span(covered) if rest or not days else f"{days} day{'' if days == 1 else 's'}"
