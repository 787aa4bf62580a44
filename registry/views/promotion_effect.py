"""Effect of a promotion: the loss of the new champion against the version before it, on the same labelled rows.

It answers whether a retrain helped, from the looks of the watch that follows each promotion. Pure: :func:`effects`
takes records, and :func:`read` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import zip_longest

from features.window import format_span, from_ms
from registry import queries
from registry.connection import Registry
from registry.records import CheckResult, Comparison, Promotion, Version
from registry.views.looks import Look, look


class EffectState(str, Enum):
    """What the watch of a promotion has shown. NOT_COMPARED: no watch is possible; WAITING: there is no look yet."""

    NOT_COMPARED = "not compared"
    WAITING = "not measured yet"
    UNDECIDED = "undecided"
    BETTER = "better"
    WORSE = "worse"


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


@dataclass(frozen=True, slots=True)
class PromotionEffect:
    """What a promotion did to the loss, with the looks of its watch, and the same as a sentence (*text*).

    *followed_by* is the promotion that ended it: of another version, or the rollback to the one before.
    """

    promotion: Promotion
    state: EffectState
    gain: Gain | None
    looks: tuple[Look, ...]
    followed_by: Promotion | None
    text: str

    @property
    def rolled_back(self) -> bool:
        """Whether it was undone by a rollback."""
        return self.followed_by is not None and self.followed_by.kind == "rollback"


def read(reg: Registry, model: str) -> dict[int, PromotionEffect]:
    """Return the effect of each promotion of a model, by the promotion's number, oldest first."""
    return effects(queries.promotions(reg, model), queries.comparisons(reg, model), queries.versions(reg, model))


def effects(
    promotions: Sequence[Promotion], comparisons: Sequence[Comparison], versions: Sequence[Version]
) -> dict[int, PromotionEffect]:
    """Return the effect of each promotion of one model, by the promotion's number.

    Parameters
    ----------
    promotions
        All changes of champion of the model, oldest first.
    comparisons
        The looks at comparisons of its versions, oldest first; trials and other promotions may be among them.
    versions
        Its versions: those without a model file cannot be compared.
    """
    without_file = {v.version for v in versions if v.artifact is None}
    return {
        promotion.id: _effect(
            promotion, [c for c in comparisons if c.promotion_id == promotion.id], after, without_file
        )
        for promotion, after in zip_longest(promotions, promotions[1:])
    }


def _effect(
    promotion: Promotion, looks: Sequence[Comparison], after: Promotion | None, without_file: set[str]
) -> PromotionEffect:
    """Return the effect of one promotion; *after* is the next change of champion, None while it serves."""
    gain = _gain(looks)
    if gain is not None:
        state = _STATES[looks[-1].result]
        text = f"{gain_text(gain, str(promotion.from_version))}; {_conclusion(promotion, looks[-1], after)}"
    elif reason := _not_compared(promotion, without_file):
        state, text = EffectState.NOT_COMPARED, reason
    elif after is not None:
        state, text = EffectState.NOT_COMPARED, f"not measured before {_succession(after)}"
    else:
        state, text = EffectState.WAITING, "not measured yet: labels of the time since the promotion are still due"
    return PromotionEffect(promotion, state, gain, tuple(map(look, looks)), after, text)


_STATES = {
    CheckResult.PASS: EffectState.BETTER,
    CheckResult.FAIL: EffectState.WORSE,
    CheckResult.HOLD: EffectState.UNDECIDED,
}


def _gain(looks: Sequence[Comparison]) -> Gain | None:
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


def gain_text(gain: Gain, reference: str) -> str:
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


def _conclusion(promotion: Promotion, newest: Comparison, after: Promotion | None) -> str:
    """Return what a watch has decided by its newest look, in words."""
    shown = look(newest)
    if newest.result is CheckResult.PASS:
        alpha = newest.numbers.get("alpha")
        rate = "" if alpha is None else f" (error rate at most {100 * alpha:.3g} %)"
        return f"it helped: better{rate}" + (f"; {_succession(after)}" if after else "")
    if newest.result is CheckResult.FAIL:
        undo = f"still champion: `leeway rollback {promotion.model} --because ...` puts {promotion.from_version} back"
        return f"it did harm: worse; {_succession(after) if after else undo}"
    evidence = max(shown.better, shown.worse)
    required = "" if shown.required is None else f": evidence {evidence:.3g} of the {shown.required:.3g} required"
    return f"undecided before {_succession(after)}" if after else f"undecided so far{required}"


def _succession(after: Promotion) -> str:
    """Return which change of champion ended a promotion, in words."""
    when = f"{after.effective_at:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    if after.kind == "rollback":
        return f"rolled back to {after.to_version} on {when}"
    return f"replaced by {after.to_version} on {when}"


def _not_compared(promotion: Promotion, without_file: set[str]) -> str:
    """Return why no watch follows a change of champion; "" if one does."""
    if promotion.from_version is None:
        return "not compared: it is the first version"
    if promotion.kind == "rollback":
        return "not compared: a rollback is not watched"
    names = [name for name in (promotion.to_version, promotion.from_version) if name in without_file]
    return f"not compared: {names[0]} has no model file" if names else ""


def newest_effect(effects_by_id: Mapping[int, PromotionEffect]) -> PromotionEffect | None:
    """Return the effect of the newest change of champion; None before the first."""
    return list(effects_by_id.values())[-1] if effects_by_id else None
