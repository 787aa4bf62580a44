"""Promotion and rollback: the two operations that change a model's champion, each in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from features.errors import ArtifactError, IllegalMove, StaleChampion
from registry import baseline_plan, lookups, outbox
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.operations.held_runs import end_held
from registry.operations.incidents import close
from registry.operations.runs import end_run, require_passed, require_running
from registry.operations.versions import set_state
from registry.records import (
    BASELINE_REPLACED,
    Champion,
    Incident,
    IncidentState,
    Promotion,
    RunState,
    Version,
    VersionState,
)


@dataclass(frozen=True)
class _PointerMove:
    """A change of champion: the arguments that promotion and rollback share."""

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
    decision_id: int | None = None,
    run_id: int | None = None,
    effective_at: datetime,
    actor: str,
    reason: str,
    now: datetime,
    before: str | None = None,
) -> Promotion:
    """Make a version the champion, if the champion is still the one that the caller has seen.

    All of it is written, or nothing: the champion, both versions' states, the run (promoted), held runs (superseded),
    the old version's open incidents (resolved), the promotion, its line in the audit log and its message. The first
    promotion of a model is recorded as ``bootstrap``, all others as ``promote``.

    Parameters
    ----------
    model, version
        What to promote.
    expected_generation
        The generation of the champion that the caller has seen; 0 if there was none.
    decision_id, run_id
        The decision and the retrain run that led to it; None by hand.
    effective_at
        The event time from which on the version answers.
    actor, reason
        Who promotes, and why.
    now
        The time that is recorded.
    before
        A version that becomes champion first, and is retired at once: of a first training, that of an earlier rule.

    Raises
    ------
    StaleChampion
        Somebody promoted in between.
    IllegalMove
        The version has no baseline, may not become champion, or did not pass the run's gate.
    ArtifactError
        Its model file is missing or altered.
    """
    kind = "promote" if expected_generation else "bootstrap"
    step = _PointerMove(model, expected_generation, kind, actor, reason, effective_at, now, decision_id, run_id)
    with reg.write() as c:
        if before is not None:
            _move(reg, c, step, before)
            step = replace(step, expected_generation=expected_generation + 1)
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
    """Make a retired version champion again.

    It changes as much, and is guarded in the same way, as :func:`promote`. Rolling back twice goes two champions back,
    not to and fro.

    Parameters
    ----------
    to_version
        The version to go back to; if absent, the one that the champion replaced when it was promoted.

    Raises
    ------
    StaleChampion
        Somebody promoted in between.
    IllegalMove
        There was no champion before, or *to_version* is not retired.
    ArtifactError
        Its model file is missing or altered.
    """
    step = _PointerMove(model, expected_generation, "rollback", actor, reason, effective_at, now, decision_id)
    with reg.write() as c:
        champion = _expected_champion(c, step)
        target = to_version or _replaced_version(c, model, champion)
        state = lookups.version(c, model, target).state
        if state is not VersionState.RETIRED:
            msg = f"{model} {target} is {state.value}; only a retired version is rolled back to"
            raise IllegalMove(msg, hint="promote a candidate instead")
        return _move(reg, c, step, target)


def _move(reg: Registry, c: sa.Connection, step: _PointerMove, to: str) -> Promotion:
    """Change the champion to the version *to*, with all that follows, in the caller's transaction."""
    old, new = _expected_champion(c, step), lookups.version(c, step.model, to)
    _require_ready(reg, new)
    if old is not None:
        replaced = lookups.version(c, step.model, old.version)
        set_state(c, replaced, VersionState.RETIRED)
    set_state(c, new, VersionState.CHAMPION)
    _set_pointer(c, step, to)
    if step.run_id is not None:
        step = _end_run(c, step, step.run_id, to)
    end_held(c, step.model, to, actor=step.actor, now=step.now)
    if old is not None:
        _resolve_all(c, step, old.version, to)
    return _record(c, step, old, to)


def _expected_champion(c: sa.Connection, step: _PointerMove) -> Champion | None:
    """Return the champion, None before the first; StaleChampion if its generation is not the one expected."""
    champion = mapping.one(c, Champion, tables.champions.c.model == step.model)
    generation = champion.generation if champion else 0
    if generation != step.expected_generation:
        now = f"generation {generation}" + (f" ({champion.version})" if champion else "")
        msg = f"{step.model} is at {now}, not at generation {step.expected_generation}: somebody promoted in between"
        raise StaleChampion(msg, hint="read the champion again and decide again")
    return champion


def _set_pointer(c: sa.Connection, step: _PointerMove, to: str) -> None:
    """Write the champion of the next generation; StaleChampion if another one was written in between."""
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


def _require_ready(reg: Registry, version: Version) -> None:
    """Raise IllegalMove for a version without a baseline, and ArtifactError without its model file."""
    if version.baseline is None:
        msg = f"{version.model} {version.version} has no baseline: its drift could not be monitored"
        hint = (
            "candidates that a gate rejected have none, and `leeway retrain` tries new ones; if its predictions are in "
            f"the events, `leeway baseline --version {version.version} --start ... --end ...` makes it"
        )
        raise IllegalMove(msg, hint=hint)
    if version.artifact is not None and not reg.artifacts.verify(version.artifact):
        msg = f"the model file of {version.model} {version.version} is missing or altered ({version.artifact[:12]})"
        raise ArtifactError(msg, hint="restore it from a backup, or train again")


def _end_run(c: sa.Connection, step: _PointerMove, run_id: int, to: str) -> _PointerMove:
    """End the run with its promotion; return *step* with the decision that the run carried out."""
    run = require_running(c, run_id)
    if run.model != step.model or run.challenger not in (None, to):
        msg = f"run {run_id} is about {run.model} {run.challenger or ''}, not {step.model} {to}"
        raise IllegalMove(msg)
    require_passed(c, run, to)
    mapping.update(c, tables.retrain_runs, tables.retrain_runs.c.id == run_id, challenger=to)
    end_run(c, run, state=RunState.PROMOTED, reason=step.reason, now=step.now)
    return replace(step, decision_id=run.decision_id)


def _replaced_version(c: sa.Connection, model: str, champion: Champion | None) -> str:
    """Return the version that *champion* replaced when it was last promoted (being rolled back to does not count)."""
    t = tables.promotions.c
    how = sa.select(t.from_version).where(t.model == model, t.kind != "rollback").order_by(t.generation.desc()).limit(1)
    previous = c.scalar(how.where(t.to_version == champion.version)) if champion else None
    if previous is None:
        msg = f"{model} has no champion before this one"
        raise IllegalMove(msg, hint="name the version to roll back to with --to")
    return str(previous)


def _resolve_all(c: sa.Connection, step: _PointerMove, old: str, new: str) -> None:
    t = tables.incidents.c
    live = mapping.select(Incident, t.model == step.model, t.version == old, t.state != IncidentState.RESOLVED.value)
    for incident in mapping.fetch(c, Incident, live.order_by(t.id)):
        resolution = f"{BASELINE_REPLACED} by {new}"
        close(c, incident, resolution=resolution, actor=step.actor, now=step.now)


def _record(c: sa.Connection, step: _PointerMove, old: Champion | None, to: str) -> Promotion:
    """Write the promotion with its line in the audit log and its message, and return it."""
    values = {"model": step.model, "from_version": old.version if old else None, "to_version": to,
            "generation": step.expected_generation + 1, "kind": step.kind, "decision_id": step.decision_id,
            "run_id": step.run_id, "actor": step.actor, "reason": step.reason, "effective_at": step.effective_at,
            "made_at": step.now}  # fmt: skip
    promotion = Promotion.model_validate({"id": mapping.insert(c, tables.promotions, **values), **values})
    action = "model.rolled_back" if step.kind == "rollback" else "model.promoted"
    details = promotion.model_dump(mode="json", exclude={"id", "model", "actor", "made_at"})
    entry = chain.append(c, chain.Line(step.now, step.actor, action, step.model, to, details))
    plan = baseline_plan.read_in(c, step.model)
    about = {"baseline": plan.summary} if plan is not None and plan.is_short else {}
    outbox.add_message(c, entry, {"promotion": promotion.model_dump(mode="json"), **about})
    return promotion
