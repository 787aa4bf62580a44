"""Renewal of a baseline that is too short: when, with which slices, for which windows, and never a long one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts import sentences
from alerts.config import EVENTS
from features import errors
from monitors.baseline import renewal as renewals
from monitors.finding import Stage
from registry import baseline_plan, operations, outbox, queries
from registry.connection import Registry
from registry.incidents import sequential_verdicts
from registry.records import Action
from retrain_flows import reconcile, renewal
from retrain_flows.orchestration import reconcile_state
from tests.support import audit_chain, trained_model
from tests.support import stationary_reports as world
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
    """With a window after them, and not a day before; on the same bins, and the version's file is the same."""
    before = queries.version(model.registry, "m", "v1")
    model.serve(12)
    plan = baseline_plan.read(model.registry, "m")
    assert plan is not None
    assert (7, 20, 12, 13) == (plan.slices, plan.needed, plan.gained, plan.missing)
    assert START + 21 * DAY == plan.renewable_from
    model.serve(1)
    assert [] == react(model)
    model.serve(1)
    (done,) = react(model)
    made, first = queries.baseline_of(model.registry, "m", "v1"), model.baseline
    assert made is not None
    assert "renewed (revision 2)" in done
    assert renewals.extends(made, first)
    assert (20, 20 * 700, START + 20 * DAY) == (len(made.inputs), made.rows, made.end)
    assert before.model_copy(update={"baseline": made.digest}) == queries.version(model.registry, "m", "v1")
    assert [] == react(model)


def test_windows_are_judged_by_the_revision_that_was_valid_at_their_end(model: ShortBaseline) -> None:
    """Those on record stay as they were judged; from the next on the guarantee holds, and an audit agrees."""
    model.serve(14)
    react(model)
    first, second = baseline_plan.digests(model.registry, "m", "v1")
    model.serve(3)
    stored = queries.windows(model.registry, "m")
    assert [first] * 14 + [second] * 3 == [row.report["baseline"] for row in stored]
    guaranteed = [{f["sequential"]["guaranteed"] for f in row.report["findings"] if f["sequential"]} for row in stored]
    assert [{False}] * 14 + [{True}] * 3 == guaranteed
    assert ([], 17) == sequential_verdicts.recheck(model.registry, "m", world.POLICY)
    again = model.spec.in_force("v1", Stage.INPUTS, START + 21 * DAY)
    assert (first, second) == (again.digest, model.spec.in_force("v1", Stage.INPUTS, START + 22 * DAY).digest)


def test_each_step_is_in_the_audit_log(model: ShortBaseline) -> None:
    """The decision with its reasons, the revision with digests and rows, and that it is published."""
    model.serve(14)
    react(model)
    steps = [e for e in queries.audit_log(model.registry) if e.action.startswith(("decision", "baseline"))][1:]
    (decision,) = queries.decisions(model.registry, "m")
    first, second = baseline_plan.digests(model.registry, "m", "v1")
    assert ["decision.made", "baseline.renewed", "baseline.published"] == [e.action for e in steps]
    assert Action.RENEW_BASELINE is decision.action
    assert "7 of 20 slices" in decision.because[0]
    assert second in decision.because[2]
    renewed = steps[1].details
    assert (second, first, 2, decision.id) == tuple(renewed[k] for k in ("digest", "renews", "revision", "decision"))
    assert (20, 14000) == (renewed["slices"], renewed["rows"])
    assert {"digest": second} == steps[2].details
    (sent,) = outbox.messages(model.registry, "m", type="baseline.renewed")
    assert sent.type in EVENTS
    assert "m: baseline of v1 was renewed, revision 2: 20 slices, 14000 rows" == sentences.sentence(sent)
    assert [] == audit_chain.verify(model.registry)


@pytest.mark.parametrize("days", [20, 25])
def test_a_baseline_with_the_guarantee_is_never_renewed(registry: Registry, tmp_path: Path, days: int) -> None:
    """Neither by the reconciler nor by an operation: a slow drift would become normal, step by step."""
    model = ShortBaseline(registry, tmp_path, days=days)
    model.serve(30)
    assert [] == react(model)
    plan = baseline_plan.read(registry, "m")
    assert plan is not None
    assert not plan.is_short
    assert f"{days} slices" in plan.text
    counts = baseline_plan.as_slice(0, 0, "", {}).model_copy(update={"start": 10**15})
    with pytest.raises(errors.IllegalMove, match="long enough"):
        renewals.renewed(model.baseline, {Stage.INPUTS: [counts]}, {})


def test_slow_drift_is_absorbed_only_up_to_the_slices_that_are_needed(model: ShortBaseline) -> None:
    """A mean that creeps on after the renewal is drift against the renewed baseline, which stays what it is.

    Twenty slices that creep are hardly told from twenty that remember, and so lose much evidence: a mean that goes on
    as slowly as within them would be told after three months.
    """
    for day in range(14):
        model.serve(1, by=0.01 * day)
    react(model)
    renewed = queries.version(model.registry, "m", "v1").baseline
    for day in range(46):
        model.serve(1, by=0.14 + 0.03 * day)
        react(model)
    assert renewed == queries.version(model.registry, "m", "v1").baseline
    assert 2 == len(baseline_plan.digests(model.registry, "m", "v1"))
    (incident,) = queries.open_incidents(model.registry, "m")
    assert {"x"} == {e.finding.variable for e in incident.evidence}
    assert all(e.finding.guaranteed for e in incident.evidence)


def test_drift_begins_the_count_anew_and_an_open_incident_bars_it(model: ShortBaseline) -> None:
    """Slices under drift never become normal; the plan says which incident is in the way, and from when it counts."""
    model.serve(5)
    model.serve(2, by=3.0)
    assert queries.open_incidents(model.registry, "m")
    plan = baseline_plan.read(model.registry, "m")
    assert plan is not None
    assert (START + 14 * DAY, 0) == (plan.since, plan.gained)
    assert "not renewed while incident 1 is open" in plan.text
    model.serve(2)
    react(model)
    assert queries.open_incidents(model.registry, "m")
    model.serve(20)
    assert not queries.open_incidents(model.registry, "m")
    react(model)
    made = queries.baseline_of(model.registry, "m", "v1")
    assert made is not None
    assert made.renewal is not None
    assert made.renewal.since >= START + 14 * DAY
    assert 20 == len(made.inputs)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["record_decision", "renew_baseline", "record_published"])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_renewal_that_was_killed_is_taken_up_at_the_next_step(
    model: ShortBaseline, monkeypatch: pytest.MonkeyPatch, step: str, is_after: bool
) -> None:
    """Before or after any of its writes: one decision, one revision, one published file, whatever came in between."""
    operation = getattr(operations, step)

    def killed(*args: Any, **options: Any) -> None:
        if is_after:
            operation(*args, **options)
        raise Killed

    model.serve(14)
    monkeypatch.setattr(operations, step, killed)
    with pytest.raises(Killed):
        react(model)
    monkeypatch.setattr(operations, step, operation)
    is_open = reconcile_state.digest(model.registry, "m") != ""
    assert is_open is not (step == "record_published" and is_after)
    react(model)
    logged = [e.action for e in queries.audit_log(model.registry)]
    assert [1, 1, 1] == [logged.count(a) for a in ("decision.made", "baseline.renewed", "baseline.published")]
    second = baseline_plan.digests(model.registry, "m", "v1")[1]
    assert second == model.spec.in_force("v1", Stage.INPUTS, START + 30 * DAY).digest
    assert "" == reconcile_state.digest(model.registry, "m")


def test_a_renewal_is_refused_if_an_incident_opened_in_between(model: ShortBaseline) -> None:
    """The operation looks again in its own transaction."""
    model.serve(14)
    plan = baseline_plan.read(model.registry, "m")
    assert plan is not None
    made = renewal.next_revision(model.registry, "m", plan)
    model.serve(3, by=3.0)
    decision = operations.record_decision(model.registry, model="m", incident_id=None, action=Action.RENEW_BASELINE,
                                          because=("x",), actor="system", now=model.now)  # fmt: skip
    with pytest.raises(errors.IllegalMove, match="incident 1 is open"):
        operations.renew_baseline(model.registry, made, decision_id=decision.id, actor="system", now=model.now)
    assert 1 == len(baseline_plan.digests(model.registry, "m", "v1"))


@pytest.mark.parametrize("forge", ["rows", "bins", "slices", "renews"])
def test_a_revision_that_changes_more_than_it_adds_is_refused(model: ShortBaseline, forge: str) -> None:
    """Bins, the slices that were there, and the revision that it renews."""
    model.serve(14)
    plan = baseline_plan.read(model.registry, "m")
    assert plan is not None
    made = renewal.next_revision(model.registry, "m", plan)
    assert made.renewal is not None
    forged = {
        "rows": {"importance": {"x": 1.0}},
        "bins": {"bins": {**made.bins, "x": made.bins["y"]}},
        "slices": {"inputs": made.inputs[1:]},
        "renews": {"renewal": made.renewal.model_copy(update={"renews": "0" * 64})},
    }[forge]
    with pytest.raises(errors.IllegalMove, match="does not only add"):
        operations.renew_baseline(model.registry, made.model_copy(update=forged), decision_id=1, actor="system",
                                  now=model.now)  # fmt: skip
