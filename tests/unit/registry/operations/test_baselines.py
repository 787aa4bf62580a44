"""Renewal of a baseline in the registry, on either database: one transaction, the same again is no change."""

from __future__ import annotations

from pathlib import Path

from monitors.finding import Stage
from registry import baseline_plan, operations, queries
from registry.connection import Registry
from registry.records import Action
from retrain_flows import renewal
from tests.support.short_baselines import ShortBaseline


def test_a_renewal_is_the_next_revision_and_the_same_again_is_no_change(reg: Registry, tmp_path: Path) -> None:
    """With its line and its message; it waits for its publication, which is recorded once."""
    model = ShortBaseline(reg, tmp_path)
    model.serve(14)
    plan = baseline_plan.read(reg, "m")
    assert plan is not None
    made = renewal.next_revision(reg, "m", plan)
    decision = operations.record_decision(reg, model="m", incident_id=None, action=Action.RENEW_BASELINE,
                                          because=("short",), actor="system", now=model.now)  # fmt: skip
    order = {"decision_id": decision.id, "actor": "system", "now": model.now}
    digest = operations.renew_baseline(reg, made, **order)
    assert digest == operations.renew_baseline(reg, made, **order) == made.digest
    assert (made, [plan.digest, digest]) == (queries.baseline(reg, digest), baseline_plan.digests(reg, "m", "v1"))
    assert {Stage.INPUTS: model.now} == (made.renewal and made.renewal.valid_from)
    assert plan.digest == operations.store_baseline(reg, model.baseline, now=model.now)
    assert [digest] == baseline_plan.unpublished(reg, "m")
    for _ in range(2):
        operations.record_published(reg, "m", digest, now=model.now)
    assert [] == baseline_plan.unpublished(reg, "m")
    actions = [e.action for e in queries.audit_log(reg)]
    assert [1, 1] == [actions.count(f"baseline.{step}") for step in ("renewed", "published")]
