"""Renewal of a champion's baseline: the next revision, in one transaction with its audit line and its message."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from features.errors import IllegalMove
from monitors import report
from monitors.baseline import renewal
from monitors.baseline.baseline import Baseline
from registry import baseline_plan, lookups, outbox
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables

RENEWED, PUBLISHED = "baseline.renewed", "baseline.published"
"""The audit log's lines about a renewal, after its decision."""


def renew_baseline(reg: Registry, baseline: Baseline, *, decision_id: int, actor: str, now: datetime) -> str:
    """Store the next revision of the champion's baseline, and return its digest; the same again is no change.

    Parameters
    ----------
    baseline
        The revision, made by :func:`monitors.baseline.renewal.renewed`.
    decision_id
        The decision to renew it.
    actor
        Who renews it.
    now
        The time that is recorded.

    Raises
    ------
    IllegalMove
        Its version is not the champion, an incident is open, the baseline is not the next revision of the newest one,
        or that one has all slices that the guarantee needs.
    """
    model, version, digest = baseline.events.model, baseline.version, baseline.digest
    with reg.write() as c:
        if digest in lookups.baseline_digests(c, model, version):
            return digest
        _require_renewable(c, baseline)
        mapping.insert(c, tables.baselines, digest=digest, model=model, version=version, revision=baseline.revision,
                       content=report.canonical(baseline), created_at=now)  # fmt: skip
        t = tables.versions.c
        mapping.update(c, tables.versions, t.model == model, t.version == version, baseline=digest)
        details = _details(baseline, decision_id)
        entry = chain.append(c, chain.Line(now, actor, RENEWED, model, version, details))
        outbox.add_message(c, entry, {"baseline": {"version": version, **details}})
    return digest


def record_published(reg: Registry, model: str, digest: str, *, now: datetime) -> None:
    """Record that a renewed baseline is published to the monitoring jobs; again is no change."""
    with reg.write() as c:
        version = lookups.baseline(c, digest).version
        t = tables.baselines.c
        if mapping.update(c, tables.baselines, t.digest == digest, t.published_at.is_(None), published_at=now):
            chain.append(c, chain.Line(now, chain.SYSTEM, PUBLISHED, model, version, {"digest": digest}))


def _require_renewable(c: sa.Connection, baseline: Baseline) -> None:
    """Raise IllegalMove unless *baseline* may take the place of the champion's newest one."""
    model, version = baseline.events.model, baseline.version
    plan = baseline_plan.read_in(c, model)
    if plan is None or plan.version != version or plan.obstacle:
        why = "it is not the champion" if plan is None or plan.version != version else plan.obstacle
        msg = f"the baseline of {model} {version} is not renewed: {why}"
        raise IllegalMove(msg, hint="the next decision run plans it again")
    if not renewal.extends(baseline, lookups.baseline(c, plan.digest)):
        msg = f"{model} {version} has baseline {plan.digest[:12]}, and this one does not only add what that one lacks"
        raise IllegalMove(msg, hint="a baseline with the slices that the guarantee needs is never replaced")


def _details(baseline: Baseline, decision_id: int) -> dict[str, chain.Detail]:
    """Return what the audit log says of a renewal: digests, slices, rows, and from when on it counts."""
    length, made = renewal.length(baseline), baseline.renewal
    assert made is not None  # it extends the one before
    return {
        "digest": baseline.digest, "renews": made.renews, "revision": baseline.revision, "decision": decision_id,
        "slices": min(length.slices.values()), "rows": baseline.rows, "since": made.since.isoformat(),
        "until": baseline.end.isoformat(),
        "valid_from": {stage.value: at.isoformat() for stage, at in made.valid_from.items()},
    }  # fmt: skip
