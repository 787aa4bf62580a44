"""Operations on models and versions, and the table of the moves between a version's states."""

from __future__ import annotations

import re
from datetime import datetime

import sqlalchemy as sa

from features.errors import IllegalMove, NotFound
from monitors import report
from monitors.baseline.baseline import Baseline
from registry import lookups
from registry.audit_log import chain
from registry.connection import Registry
from registry.database import mapping, tables
from registry.records import Version, VersionState

MOVES: dict[tuple[VersionState, VersionState], str] = {
    (VersionState.CANDIDATE, VersionState.CHAMPION): "it is promoted",
    (VersionState.CANDIDATE, VersionState.REJECTED): "the gate rejects it, or another candidate wins",
    (VersionState.CHAMPION, VersionState.RETIRED): "another version takes its place",
    (VersionState.RETIRED, VersionState.CHAMPION): "it is rolled back to, or promoted again",
}
"""The moves between a version's states, and when each is made. All others are an IllegalMove."""
MAX_NAME_CHARACTERS = 200
"""Characters of a version's name at most."""


def add_model(reg: Registry, *, model: str, task: str, now: datetime) -> None:
    """Register *model* for *task*; again is no change. IllegalMove if it is registered for another task."""
    with reg.write() as c:
        registered = c.scalar(sa.select(tables.models.c.task).where(tables.models.c.model == model))
        if registered == task:
            return
        if registered is not None:
            msg = f"model {model} is registered as {registered}, not {task}"
            raise IllegalMove(msg, hint="a model's task never changes; give the new one another name")
        mapping.insert(c, tables.models, model=model, task=task, created_at=now)
        chain.append(c, chain.Line(now, chain.SYSTEM, "model.added", model, model, {"task": task}))


def next_version(reg: Registry, model: str) -> str:
    """Return the first free name of the form ``v1``, ``v2``, ... after every such name in use."""
    with reg.read() as c:
        names = c.scalars(sa.select(tables.versions.c.version).where(tables.versions.c.model == model)).all()
    used = [int(found[1]) for name in names if (found := re.fullmatch(r"v(\d+)", name))]
    return f"v{max(used, default=0) + 1}"


def add_version(reg: Registry, version: Version) -> Version:
    """Register *version* as a candidate and return it; the same again is no change.

    Raises
    ------
    NotFound
        Its model is not registered.
    IllegalMove
        The name is taken by another version, or cannot be one; or *version* has a state or a baseline, which
        :func:`registry.operations.champion.promote` and :func:`store_baseline` give.
    """
    if version.state is not VersionState.CANDIDATE or version.baseline is not None:
        msg = f"{version.model} {version.version} must be registered as a candidate without a baseline"
        raise IllegalMove(msg, hint="use store_baseline and promote afterwards")
    _check_name(version)
    with reg.write() as c:
        _require_model(c, version.model)
        taken = mapping.one(c, Version, *_key(version.model, version.version))
        if taken is not None:
            if _content(taken) != _content(version):
                msg = f"{version.model} {version.version} is registered already, with other content"
                raise IllegalMove(msg, hint="a version never changes; take the name that next_version gives")
            return taken
        mapping.insert(c, tables.versions, **version.model_dump())
        details = {"mode": version.mode, "artifact": version.artifact, "parent": version.parent}
        line = chain.Line(version.created_at, chain.SYSTEM, "version.added", version.model, version.version, details)
        chain.append(c, line)
        return lookups.version(c, version.model, version.version)


def _check_name(version: Version) -> None:
    """Raise IllegalMove for a name that events, jobs or terminals cannot carry: too long, or not all printable."""
    name = version.version
    if not (name and name.isprintable() and name == name.strip() and len(name) <= MAX_NAME_CHARACTERS):
        msg = f"{name[:MAX_NAME_CHARACTERS]!r} cannot be the name of a version of {version.model}"
        raise IllegalMove(msg, hint=f"use 1 to {MAX_NAME_CHARACTERS} printable characters, without spaces around them")


def store_baseline(reg: Registry, baseline: Baseline, *, now: datetime) -> str:
    """Store *baseline* as that of its version and return its digest; the same again is no change.

    Raises
    ------
    NotFound
        The version is not registered.
    IllegalMove
        The version has another baseline: the one that its windows were compared with stays, and only
        :func:`registry.operations.baselines.renew_baseline` adds to it.
    """
    model, version, digest = baseline.events.model, baseline.version, baseline.digest
    with reg.write() as c:
        bound = lookups.version(c, model, version).baseline
        if digest in lookups.baseline_digests(c, model, version):
            return digest
        if bound is not None:
            msg = f"{model} {version} has baseline {bound[:12]}; a version's baseline never changes"
            raise IllegalMove(msg, hint="register a new version for the new baseline")
        content = report.canonical(baseline)
        mapping.insert(
            c, tables.baselines, digest=digest, model=model, version=version, content=content, created_at=now
        )
        mapping.update(c, tables.versions, *_key(model, version), baseline=digest)
        chain.append(c, chain.Line(now, chain.SYSTEM, "baseline.stored", model, version, {"digest": digest}))
    return digest


def set_state(c: sa.Connection, version: Version, to: VersionState) -> None:
    """Move *version* to another state in the caller's transaction; IllegalMove, naming the legal ones, otherwise."""
    if (version.state, to) not in MOVES:
        legal = [b.value for a, b in MOVES if a is version.state]
        name = f"{version.model} {version.version} is {version.state.value}"
        msg = f"{name} already" if version.state is to else f"{name} and cannot become {to.value}"
        raise IllegalMove(msg, hint=f"legal from here: {', '.join(legal) or 'nothing; register it as a new version'}")
    mapping.update(c, tables.versions, *_key(version.model, version.version), state=to)


def _require_model(c: sa.Connection, model: str) -> None:
    known = c.scalars(sa.select(tables.models.c.model)).all()
    if model not in known:
        msg = f"there is no model {model}"
        raise NotFound(msg, hint=f"registered: {', '.join(known) or 'none yet'}")


def _key(model: str, version: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return tables.versions.c.model == model, tables.versions.c.version == version


def _content(version: Version) -> dict[str, object]:
    return version.model_dump(exclude={"state", "baseline", "created_at"})
