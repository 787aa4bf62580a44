"""Effect of a promotion: pooled gain, bounds of the newest look, and a sentence that says whether it helped."""

from __future__ import annotations

import pytest

from registry import operations, queries
from registry.connection import Registry
from registry.records import CheckResult
from registry.views import promotion_effect
from registry.views.promotion_effect import EffectState, PromotionEffect
from tests.support import response_world as world

PASS, HOLD, FAIL = CheckResult.PASS, CheckResult.HOLD, CheckResult.FAIL


def effect(reg: Registry, generation: int = 2) -> PromotionEffect:
    """Return the effect of the promotion that began a generation."""
    return list(promotion_effect.read(reg, "late").values())[generation - 1]


def test_a_promotion_that_helped(reg: Registry) -> None:
    """The gain of all slices, the interval of the newest look, and the error rate of the verdict."""
    world.watched(reg, HOLD, HOLD, PASS)
    shown = effect(reg)

    assert EffectState.BETTER == shown.state
    assert shown.gain is not None
    gain = shown.gain
    assert (30, 1500) == (gain.slices, gain.rows)
    assert pytest.approx((-0.06, -0.12, -0.16, -0.08)) == (
        gain.mean, gain.relative, gain.relative_low, gain.relative_high
    )  # fmt: skip
    assert (
        "loss 12 % lower than v1 would have had, 95 % 8 to 16 % lower in the newest look, over 30 days of labels "
        "(30 slices, 1,500 rows); it helped: better (error rate at most 5 %)"
    ) == shown.text


def test_a_promotion_that_helped_is_watched_on(reg: Registry) -> None:
    """Later looks that decide nothing do not take it back; one that shows harm does."""
    world.watched(reg, PASS, HOLD)
    assert EffectState.BETTER is effect(reg).state


def test_a_promotion_that_helped_at_first_and_then_did_harm(reg: Registry) -> None:
    """The newest look that decided is the result."""
    world.watched(reg, PASS, FAIL)
    assert EffectState.WORSE is effect(reg).state


def test_an_undecided_watch_names_the_evidence(reg: Registry) -> None:
    """What has come together so far, and what would decide."""
    world.watched(reg, HOLD, difference=-0.01)
    shown = effect(reg)

    assert EffectState.UNDECIDED == shown.state
    assert "95 % 6 % lower to 2 % higher in the newest look" in shown.text
    assert shown.text.endswith("; undecided so far: evidence 3.2 of the 20 required")


def test_a_harmful_promotion_names_the_rollback(reg: Registry) -> None:
    """The system put the version before back; the rollback itself is compared with nothing."""
    world.rolled_back(reg)
    harm, rollback = effect(reg), effect(reg, 3)

    assert (EffectState.WORSE, True) == (harm.state, harm.rolled_back)
    assert harm.text.startswith("loss 10 % higher than v1 would have had, 95 % 6 to 14 % higher in the newest look")
    assert harm.text.endswith("; it did harm: worse; rolled back to v1 on 2024-03-26")
    assert "not compared: a rollback is not watched" == rollback.text


def test_a_harmful_champion_that_still_serves_names_the_command(reg: Registry) -> None:
    """Where the policy only alerts, a person must act."""
    world.watched(reg, FAIL, difference=0.05)

    assert "still champion: `leeway rollback --model late --because ...` puts v1 back" in effect(reg).text


def test_versions_without_a_file_are_not_compared(reg: Registry) -> None:
    """The first version has no predecessor, and one that Leeway only watches cannot answer again."""
    world.promoted(reg)

    assert "not compared: it is the first version" == effect(reg, 1).text
    assert "not compared: v2 has no model file" == effect(reg).text


def test_before_the_first_labels_nothing_is_measured(reg: Registry) -> None:
    """Both have a file, and no look was possible yet; after the next promotion there will be none."""
    world.promoted(reg)
    promotions, versions = queries.promotions(reg, "late"), queries.versions(reg, "late")
    with_files = [v.model_copy(update={"artifact": "0" * 64}) for v in versions]
    waiting = promotion_effect.effects(promotions, [], with_files)[promotions[-1].id]
    again = [*promotions, promotions[-1].model_copy(update={"id": 9, "to_version": "v3", "from_version": "v2"})]
    replaced = promotion_effect.effects(again, [], with_files)[promotions[-1].id]

    assert EffectState.WAITING == waiting.state
    assert "not measured yet: labels of the time since the promotion are still due" == waiting.text
    assert "not measured before replaced by v3 on 2024-03-15" == replaced.text


def test_a_loss_of_zero_has_no_relative_change(reg: Registry) -> None:
    """The difference itself is shown."""
    promotion = world.watched(reg, HOLD)
    looks = queries.comparisons(reg, "late", promotion_id=promotion.id)
    free = [c.model_copy(update={"slices": tuple(s.model_copy(update={"loss": 0.0}) for s in c.slices)}) for c in looks]
    shown = promotion_effect.effects(queries.promotions(reg, "late"), free, [])[promotion.id]

    assert shown.text.startswith("loss 0.06 lower than v1 would have had, 95 % 0.04 to 0.08 lower in the newest look")


def test_the_effect_of_the_newest_promotion(reg: Registry) -> None:
    """None before the first."""
    assert promotion_effect.newest_effect(promotion_effect.read(reg, "late")) is None
    operations.add_model(reg, model="late2", task="binary", now=world.DRIFTED)
    promotion = world.promoted(reg)

    newest = promotion_effect.newest_effect(promotion_effect.read(reg, "late"))
    assert newest is not None
    assert promotion == newest.promotion
