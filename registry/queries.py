"""Queries of the registry: each reads one snapshot of the database and changes nothing."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from registry import lookups
from registry.connection import Registry
from registry.database import mapping, tables
from registry.database.mapping import R
from registry.records import (
    Action,
    AuditEntry,
    AuditResult,
    Champion,
    Check,
    Comparison,
    Decision,
    Incident,
    IncidentState,
    Promotion,
    RetrainRun,
    RunState,
    Version,
    WindowRow,
)


def models(reg: Registry) -> list[str]:
    """Return the names of the registered models, sorted."""
    with reg.read() as c:
        return list(c.scalars(sa.select(tables.models.c.model).order_by(tables.models.c.model)))


def champion(reg: Registry, model: str) -> Champion | None:
    """Return the champion of a model, None before the first promotion."""
    with reg.read() as c:
        return next(iter(mapping.matching(c, Champion, "model", model=model)), None)


def version(reg: Registry, model: str, version: str) -> Version:
    """Return a version; NotFound, with the names of those there are, if there is none of this name."""
    with reg.read() as c:
        return lookups.version(c, model, version)


def versions(reg: Registry, model: str) -> list[Version]:
    """Return a model's versions in the order they were made."""
    t = tables.versions.c
    with reg.read() as c:
        return mapping.fetch(c, Version, mapping.select(Version, t.model == model).order_by(t.created_at, t.version))


def baseline(reg: Registry, digest: str) -> Baseline:
    """Return a baseline; NotFound if there is none, ArtifactError if the database's text is not what was stored."""
    with reg.read() as c:
        return lookups.baseline(c, digest)


def baseline_text(reg: Registry, digest: str) -> str:
    """Return a baseline's canonical JSON as it was stored: see :func:`baseline`."""
    with reg.read() as c:
        return lookups.baseline_text(c, digest)


def baseline_of(reg: Registry, model: str, version: str) -> Baseline | None:
    """Return a version's newest baseline, None if it has none yet; NotFound if there is no such version."""
    with reg.read() as c:
        digest = lookups.version(c, model, version).baseline
    return None if digest is None else baseline(reg, digest)


def windows(  # noqa: PLR0913 - a filter each
    reg: Registry,
    model: str,
    *,
    version: str | None = None,
    segment: str | None = None,
    stage: Stage | str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> list[WindowRow]:
    """Return window reports, the newest revision of each, by the end of the window, oldest first.

    Parameters
    ----------
    version, segment, stage
        Which windows, all if absent; the segment ``""`` is all traffic.
    since, until, limit
        The first and the last end of a window, both included, and how many of the newest to return.
    """
    t = tables.window_reports.c
    wanted = {t.version: version, t.segment: segment, t.stage: Stage(stage).value if stage else None}
    where = [column == value for column, value in wanted.items() if value is not None]
    where += [t.window_end >= since] if since else []
    where += [t.window_end <= until] if until else []
    found = mapping.select(WindowRow, t.model == model, t.latest, *where)
    with reg.read() as c:
        return mapping.fetch(c, WindowRow, found.order_by(t.window_end.desc(), t.id.desc()).limit(limit))[::-1]


def count_windows(reg: Registry, model: str) -> int:
    """Return how many windows of *model* were reported, of all versions, segments and stages."""
    t = tables.window_reports.c
    with reg.read() as c:
        return c.scalar(sa.select(sa.func.count()).where(t.latest, t.model == model)) or 0


def newest_window(reg: Registry, model: str, stage: Stage | str) -> datetime | None:
    """Return the end of a model's newest stored window of one stage."""
    t = tables.window_reports.c
    where = t.latest & (t.model == model) & (t.stage == Stage(stage).value)
    with reg.read() as c:
        newest: datetime | None = c.scalar(sa.select(sa.func.max(t.window_end)).where(where))
    return newest


def incidents(reg: Registry, model: str | None = None, *, state: IncidentState | None = None) -> list[Incident]:
    """Return incidents by number, of one *model* and in one *state* if these are given."""
    named = _named(model=model, state=state and state.value)
    with reg.read() as c:
        return mapping.matching(c, Incident, "id", **named)


def open_incidents(reg: Registry, model: str) -> list[Incident]:
    """Return the incidents of a model that are not resolved, by number."""
    with reg.read() as c:
        return lookups.open_incidents(c, model)


def incident(reg: Registry, incident_id: int) -> Incident:
    """Return an incident; NotFound if there is none."""
    with reg.read() as c:
        return lookups.incident(c, incident_id)


def undecided(reg: Registry, model: str | None = None) -> list[Incident]:
    """Return the incidents that wait for a decision, by the event time at which they opened, oldest first.

    So what is decided in this order does not depend on how reports were batched.
    """
    t = tables.incidents.c
    none = ~sa.exists().where(tables.decisions.c.incident_id == t.id)
    found = mapping.select(Incident, none, *([] if model is None else [t.model == model]))
    with reg.read() as c:
        return mapping.fetch(c, Incident, found.order_by(t.opened_at, t.model, t.version, t.signal, t.id))


def decisions(reg: Registry, model: str | None = None) -> list[Decision]:
    """Return decisions, oldest first."""
    return _oldest_first(reg, Decision, model)


def decision(reg: Registry, decision_id: int) -> Decision:
    """Return a decision; NotFound if there is none."""
    with reg.read() as c:
        return lookups.decision(c, decision_id)


def decision_of(reg: Registry, incident_id: int) -> Decision | None:
    """Return the newest decision about an incident, None while it waits for one."""
    with reg.read() as c:
        return lookups.decision_about(c, incident_id)


def not_carried_out(reg: Registry, model: str) -> list[Decision]:
    """Return a model's decisions to retrain without a finished run, oldest first."""
    ended = {run.decision_id for run in runs(reg, model) if run.state is not RunState.RUNNING}
    return [d for d in decisions(reg, model) if d.action is Action.RETRAIN and d.id not in ended]


def runs(reg: Registry, model: str | None = None) -> list[RetrainRun]:
    """Return retrain runs, oldest first."""
    return _oldest_first(reg, RetrainRun, model)


def run(reg: Registry, run_id: int) -> RetrainRun:
    """Return a retrain run; NotFound if there is none."""
    with reg.read() as c:
        return lookups.run(c, run_id)


def run_of(reg: Registry, decision_id: int) -> RetrainRun | None:
    """Return the run that carries out a decision, of which there is one at most; None before it began."""
    with reg.read() as c:
        return next(iter(mapping.matching(c, RetrainRun, "id", decision_id=decision_id)), None)


def running(reg: Registry, model: str) -> RetrainRun | None:
    """Return the run of a model that is going on, None if there is none."""
    return next(iter(unfinished(reg, model, RunState.RUNNING)), None)


def checks(reg: Registry, run_id: int) -> list[Check]:
    """Return the checks of a run's gate, in the order they were recorded."""
    with reg.read() as c:
        return lookups.checks(c, run_id)


def unfinished(reg: Registry, model: str, state: RunState) -> list[RetrainRun]:
    """Return the runs of a model in a state, oldest first."""
    with reg.read() as c:
        return mapping.matching(c, RetrainRun, "id", model=model, state=state.value)


def comparisons(
    reg: Registry,
    model: str,
    *,
    run_id: int | None = None,
    promotion_id: int | None = None,
    series: str | None = None,
    reference: str | None = None,
) -> list[Comparison]:
    """Return the looks at comparisons of a model's versions, oldest first; of one run, series and so on if named."""
    named = _named(run_id=run_id, promotion_id=promotion_id, series=series, reference=reference)
    with reg.read() as c:
        return mapping.matching(c, Comparison, "id", model=model, **named)


def promotions(reg: Registry, model: str | None = None) -> list[Promotion]:
    """Return all changes of champions, oldest first."""
    return _oldest_first(reg, Promotion, model)


def audit_log(reg: Registry, since: int = 0) -> list[AuditEntry]:
    """Return the audit log's lines after number *since*."""
    t = tables.audit_log.c
    with reg.read() as c:
        return mapping.fetch(c, AuditEntry, mapping.select(AuditEntry, t.seq > since).order_by(t.seq))


def audits(reg: Registry, model: str | None = None) -> list[AuditResult]:
    """Return finished audits, oldest first."""
    return _oldest_first(reg, AuditResult, model)


def _named(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _oldest_first(reg: Registry, record: type[R], model: str | None) -> list[R]:
    """Return records, of one model if it is named, in the order they were written."""
    with reg.read() as c:
        return mapping.matching(c, record, "id", **_named(model=model))
