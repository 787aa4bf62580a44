"""The two moves of the champion pointer. Whatever a promotion changes, it changes in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from features.errors import ArtifactError, IllegalMove, StaleChampion
from registry import lookups, outbox
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.operations import incidents, runs, versions
from registry.records import Champion, Incident, IncidentState, Promotion, RunState, Version, VersionState


@dataclass(frozen=True)
class _Step:
    """A wanted move of the pointer: what both moves have in common."""

    model: str
    expected_generation: int
    kind: str
    actor: str
    reason: str
    effective_at: datetime
    now: datetime
    decision_id: int | None = None
    run_id: int | None = None


def promote(  # noqa: PLR0913 - all that is on record about a promotion
    reg: Registry,
    *,
    model: str,
    version: str,
    expected_generation: int,
    kind: Literal["bootstrap", "promote"] = "promote",
    decision_id: int | None = None,
    run_id: int | None = None,
    effective_at: datetime,
    actor: str,
    reason: str,
    now: datetime,
) -> Promotion:
    """Make *version* the champion, if the champion is still of *expected_generation* (0: there is none yet).

    At once or not at all: the pointer, both versions' states, the run (promoted), the old version's open incidents
    (resolved), the promotion, its audit line and its message. *effective_at*, in event time, is since when the version
    answers. The first promotion of a model is of kind ``bootstrap`` whatever is asked.

    StaleChampion if somebody promoted in between; IllegalMove if the version has no baseline, may not become champion,
    or did not pass the run's gate; ArtifactError if its model file is missing or altered.
    """
    kind = "promote" if expected_generation else "bootstrap"
    step = _Step(model, expected_generation, kind, actor, reason, effective_at, now, decision_id, run_id)
    with reg.write() as c:
        return _move(reg, c, step, version)


def rollback(  # noqa: PLR0913 - all that is on record about a rollback
    reg: Registry,
    *,
    model: str,
    expected_generation: int,
    to_version: str | None = None,
    decision_id: int | None = None,
    actor: str,
    reason: str,
    effective_at: datetime,
    now: datetime,
) -> Promotion:
    """Make a retired version champion again: *to_version*, or the one that the champion replaced when it was promoted.

    As whole and as guarded as :func:`promote`. Rolling back twice goes two champions back, not to and fro. IllegalMove
    if there was no champion before, or *to_version* is not retired.
    """
    step = _Step(model, expected_generation, "rollback", actor, reason, effective_at, now, decision_id)
    with reg.write() as c:
        champion = _expect(c, step)
        target = to_version or _before(c, model, champion)
        state = lookups.version(c, model, target).state
        if state is not VersionState.RETIRED:
            msg = f"{model} {target} is {state.value}; only a retired version is rolled back to"
            raise IllegalMove(msg, hint="promote a candidate instead")
        return _move(reg, c, step, target)


def _move(reg: Registry, c: sa.Connection, step: _Step, to: str) -> Promotion:
    old, new = _expect(c, step), lookups.version(c, step.model, to)
    _need_ready(reg, new)
    if old is not None:
        replaced = lookups.version(c, step.model, old.version)
        versions.set_state(c, replaced, VersionState.RETIRED)
    versions.set_state(c, new, VersionState.CHAMPION)
    _point(c, step, to)
    if step.run_id is not None:
        step = _end_run(c, step, step.run_id, to)
    if old is not None:
        _resolve_all(c, step, old.version, to)
    return _record(c, step, old, to)


def _expect(c: sa.Connection, step: _Step) -> Champion | None:
    """Return the champion if it is of the generation that the caller has seen: the compare of compare-and-swap."""
    champion = mapping.one(c, Champion, tables.champions.c.model == step.model)
    generation = champion.generation if champion else 0
    if generation != step.expected_generation:
        now = f"generation {generation}" + (f" ({champion.version})" if champion else "")
        msg = f"{step.model} is at {now}, not at generation {step.expected_generation}: somebody promoted in between"
        raise StaleChampion(msg, hint="read the champion again and decide again")
    return champion


def _point(c: sa.Connection, step: _Step, to: str) -> None:
    values = {"version": to, "generation": step.expected_generation + 1, "since": step.effective_at}
    if step.expected_generation == 0:
        mapping.insert(c, tables.champions, model=step.model, **values)
        return
    t = tables.champions.c
    if (
        mapping.update(c, tables.champions, t.model == step.model, t.generation == step.expected_generation, **values)
        != 1
    ):
        msg = f"{step.model} left generation {step.expected_generation} in between"
        raise StaleChampion(msg, hint="read the champion again and decide again")


def _need_ready(reg: Registry, version: Version) -> None:
    if version.baseline is None:
        msg = f"{version.model} {version.version} has no baseline: nothing could tell when it drifts"
        raise IllegalMove(msg, hint="store its baseline first")
    if version.artifact is not None and not reg.artifacts.verify(version.artifact):
        msg = f"the model file of {version.model} {version.version} is missing or altered ({version.artifact[:12]})"
        raise ArtifactError(msg, hint="restore it from a backup, or train again")


def _end_run(c: sa.Connection, step: _Step, run_id: int, to: str) -> _Step:
    """End the run with its promotion; return *step* with the decision that the run carried out."""
    run = runs.running(c, run_id)
    if run.model != step.model or run.challenger not in (None, to):
        msg = f"run {run_id} is about {run.model} {run.challenger or ''}, not {step.model} {to}"
        raise IllegalMove(msg)
    runs.need_passed(c, run, to)
    mapping.update(c, tables.retrain_runs, tables.retrain_runs.c.id == run_id, challenger=to)
    runs.end(c, run, state=RunState.PROMOTED, reason=step.reason, now=step.now)
    return replace(step, decision_id=run.decision_id)


def _before(c: sa.Connection, model: str, champion: Champion | None) -> str:
    """Return the version that *champion* replaced when it was last promoted (being rolled back to does not count)."""
    t = tables.promotions.c
    how = sa.select(t.from_version).where(t.model == model, t.kind != "rollback").order_by(t.generation.desc()).limit(1)
    previous = c.scalar(how.where(t.to_version == champion.version)) if champion else None
    if previous is None:
        msg = f"{model} has no champion before this one"
        raise IllegalMove(msg, hint="name the version to roll back to")
    return str(previous)


def _resolve_all(c: sa.Connection, step: _Step, old: str, new: str) -> None:
    t = tables.incidents.c
    live = mapping.select(Incident, t.model == step.model, t.version == old, t.state != IncidentState.RESOLVED.value)
    for incident in mapping.fetch(c, Incident, live.order_by(t.id)):
        said = f"baseline replaced by {new}"
        incidents.close(c, incident, resolution=said, actor=step.actor, now=step.now)


def _record(c: sa.Connection, step: _Step, old: Champion | None, to: str) -> Promotion:
    said = {"model": step.model, "from_version": old.version if old else None, "to_version": to,
            "generation": step.expected_generation + 1, "kind": step.kind, "decision_id": step.decision_id,
            "run_id": step.run_id, "actor": step.actor, "reason": step.reason, "effective_at": step.effective_at,
            "made_at": step.now}  # fmt: skip
    promotion = Promotion.model_validate({"id": mapping.insert(c, tables.promotions, **said), **said})
    action = "model.rolled_back" if step.kind == "rollback" else "model.promoted"
    details = promotion.model_dump(mode="json", exclude={"id", "model", "actor", "made_at"})
    entry = chain.append(c, chain.Line(step.now, step.actor, action, step.model, to, details))
    outbox.tell(c, entry, {"promotion": promotion.model_dump(mode="json")})
    return promotion
