"""Effect of a promotion: the loss of the new champion against the version before it, on the same labelled rows.

It answers whether a retrain helped, from the looks of the watch that follows each promotion. Pure: :func:`effects`
takes records, and :func:`read` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest

from registry import queries
from registry.connection import Registry
from registry.records import CheckResult, Comparison, Promotion, Version
from registry.views import watch_gain
from registry.views.looks import Look, look
from registry.views.watch_gain import Gain


class EffectState(str, Enum):
    """What the watch of a promotion has shown. NOT_COMPARED: no watch is possible; WAITING: there is no look yet."""

    NOT_COMPARED = "not compared"
    WAITING = "not measured yet"
    UNDECIDED = "undecided"
    BETTER = "better"
    WORSE = "worse"


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
    gain = watch_gain.pooled(looks)
    if gain is not None:
        deciding = next((look for look in reversed(looks) if look.result is not CheckResult.HOLD), looks[-1])
        state = _STATES[deciding.result]
        text = f"{watch_gain.text(gain, str(promotion.from_version))}; {_conclusion(promotion, deciding, after)}"
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


def _conclusion(promotion: Promotion, newest: Comparison, after: Promotion | None) -> str:
    """Return what a watch has decided, by the newest look that did or, without one, by the newest."""
    shown = look(newest)
    if newest.result is CheckResult.PASS:
        alpha = newest.numbers.get("alpha")
        rate = "" if alpha is None else f" (error rate at most {100 * alpha:.3g} %)"
        return f"it helped: better{rate}" + (f"; {_succession(after)}" if after else "")
    if newest.result is CheckResult.FAIL:
        command = f"`leeway rollback --model {promotion.model} --because ...`"
        undo = f"still champion: {command} puts {promotion.from_version} back"
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
