"""Renewal of the champion's baseline: carries out the plan once enough slices without drift or fault have come.

Three steps, each in the audit log: the decision with its reasons, the new revision, and that it is published to the
monitoring jobs. A process that is killed in between is followed by one that takes up the next step: the plan follows
from what is on record, and the same slices make the same baseline. The model's file is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from features.window import to_ms
from monitors.baseline import renewal
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Stage
from registry import baseline_plan, operations, queries
from registry.audit_log import chain
from registry.baseline_plan import BaselinePlan
from registry.connection import Registry
from registry.files import published_baselines
from registry.records import Action, Decision
from retrain_flows.data.workspace import Workspace
from retrain_flows.outcome import Outcome, attempt


def is_due(reg: Registry, model: str) -> bool:
    """Return whether a step is to be done: the champion's baseline can be renewed, or one was not published yet."""
    plan = baseline_plan.read(reg, model)
    return (plan is not None and plan.is_due) or bool(baseline_plan.unpublished(reg, model))


def follow_plan(ws: Workspace, *, now: datetime) -> list[Outcome]:
    """Renew the champion's baseline if its plan is due, and return what was done; nothing where nothing was.

    Parameters
    ----------
    ws
        The model's workspace.
    now
        The time that is recorded.
    """
    done = attempt("baseline", partial(_renew, ws, now))
    return [done] if done else []


def _renew(ws: Workspace, now: datetime) -> Outcome | None:
    """Do the steps that are missing; IllegalMove where something else happened in between: the next call plans anew."""
    publish_pending(ws, now=now)
    plan = baseline_plan.read(ws.registry, ws.model)
    if plan is None or not plan.is_due:
        return None
    made = next_revision(ws.registry, ws.model, plan)
    decision = _decide(ws, plan, made, now)
    operations.renew_baseline(ws.registry, made, decision_id=decision.id, actor=chain.SYSTEM, now=now)
    publish_pending(ws, now=now)
    result = f"baseline of {plan.version} renewed (revision {made.revision}): {'; '.join(decision.because)}"
    return Outcome("baseline", result)


def next_revision(reg: Registry, model: str, plan: BaselinePlan) -> Baseline:
    """Return the baseline that a plan which is due makes, from the slices in the stored windows."""
    assert plan.until is not None  # it is due
    before = queries.baseline(reg, plan.digest)
    champion = queries.champion(reg, model)
    assert champion is not None  # the plan is of it
    since, until, slide = to_ms(plan.since), to_ms(plan.until), to_ms(before.events.windows.slide)
    gained: dict[Stage, list[Slice]] = {}
    with reg.read() as c:
        for stage in renewal.length(before).slices:
            gained[stage] = [
                baseline_plan.as_slice(end, slide, segment, counts)
                for segment in baseline_plan.segments(c, champion)
                for end, counts in baseline_plan.newest_counts(c, champion, stage, since, segment)
                if end <= until and any(map(any, counts.values()))
            ]
        valid_from = baseline_plan.judged_until(c, champion)
    return renewal.renewed(before, gained, valid_from)


def publish_pending(ws: Workspace, *, now: datetime) -> None:
    """Publish renewed baselines to the monitoring jobs, as far as that was not done yet, and record it."""
    for digest in baseline_plan.unpublished(ws.registry, ws.model):
        published_baselines.publish_baseline(queries.baseline(ws.registry, digest), ws.state / "baselines")
        operations.record_published(ws.registry, ws.model, digest, now=now)


def _decide(ws: Workspace, plan: BaselinePlan, made: Baseline, now: datetime) -> Decision:
    """Return the decision to renew; the recorded one, if a process was killed after it had recorded it."""
    because = _reasons(plan, made)
    return operations.record_decision(
        ws.registry, model=ws.model, incident_id=None, action=Action.RENEW_BASELINE, because=because,
        actor=chain.SYSTEM, now=now, once=next(reason for reason in because if made.digest in reason),
    )  # fmt: skip


def _reasons(plan: BaselinePlan, made: Baseline) -> tuple[str, ...]:
    """Return why a baseline is renewed, by what, and for which windows."""
    renewed = made.renewal
    assert renewed is not None  # it was made by a renewal
    span = f"{renewed.since:%Y-%m-%d %H:%M} to {made.end:%Y-%m-%d %H:%M} UTC"
    return (
        f"baseline of {plan.version}: {plan.slices} of {plan.needed} slices that the false-alarm guarantee needs",
        f"{span}: slices in a row without drift, fault or open incident",
        f"with them it has {made.rows:,} rows and sha256 {made.digest}",
        f"valid for windows that end after {_moments(renewed.valid_from)}",
    )


def _moments(valid_from: Mapping[Stage, datetime]) -> str:
    """Return from when on a revision is valid, by stage."""
    return ", ".join(f"{at:%Y-%m-%d %H:%M} UTC ({stage.value})" for stage, at in valid_from.items())
