"""Renewal of a baseline that is too short: when, with which slices, for which windows, and never a long one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitors.baseline import renewal as renewals
from registry import baseline_plan, queries
from registry.connection import Registry
from retrain_flows import reconcile
from tests.support import trained_model
from tests.support.short_baselines import DAY, START, ShortBaseline


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield an empty registry."""
    with trained_model.open_registry(tmp_path) as opened:
        yield opened


@pytest.fixture
def model(registry: Registry, tmp_path: Path) -> ShortBaseline:
    """Return a champion whose baseline is a week long, in slices of a day."""
    return ShortBaseline(registry, tmp_path)


def react(model: ShortBaseline) -> list[str]:
    """Reconcile, and return what was done."""
    return [o.result for o in reconcile.reconcile(model.workspace, now=model.now)]


def test_a_short_baseline_is_renewed_once_enough_slices_have_come(model: ShortBaseline) -> None:
    """Not a day before; with exactly the slices that it lacked, on the same bins, and the version's file is the same."""
    before = queries.version(model.registry, "m", "v1")
    model.serve(12)
    plan = baseline_plan.read(model.registry, "m")
    assert plan is not None
    assert (7, 20, 12, 13) == (plan.slices, plan.needed, plan.gained, plan.missing)
    assert START + 20 * DAY == plan.renewable_from
    assert [] == react(model)
    model.serve(1)
    (done,) = react(model)
    made, first = queries.baseline_of(model.registry, "m", "v1"), model.baseline
    assert made is not None
    assert "renewed (revision 2)" in done
    assert renewals.extends(made, first)
    assert (20, 20 * 300, START + 20 * DAY) == (len(made.inputs), made.rows, made.end)
    assert before.model_copy(update={"baseline": made.digest}) == queries.version(model.registry, "m", "v1")
    assert [] == react(model)
