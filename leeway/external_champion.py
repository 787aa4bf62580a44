"""The champion among versions that Leeway did not train: the log says which one answers."""

from __future__ import annotations

import shlex
from datetime import datetime

import pyarrow as pa

from features.events import decode
from leeway import assembly, version_service
from leeway.context import Context
from leeway.project.load import Model
from registry import operations, queries
from registry.incidents import ingest
from registry.records import EXTERNAL, Champion


def follow_log(opened: Context, model: Model, version: str, predictions: pa.Table, *, now: datetime) -> None:
    """Make *version* champion if in the log, whose *predictions* these are, it took the place of the champion.

    Only where Leeway trained neither, and the version was never champion.
    """
    champion = _replaceable_by(opened, model, version)
    if champion is None or (since := _took_over(model, champion.version, version, predictions)) is None:
        return
    operations.promote(
        opened.registry, model=model.name, version=version, expected_generation=champion.generation,
        effective_at=since, actor="user", now=now,
        reason=f"in the log {version} took the place of {champion.version} on {since:%Y-%m-%d}",
    )  # fmt: skip


def service_start(opened: Context, model: Model, version: str) -> datetime | None:
    """Return since when *version*, about to be promoted, answers alone by the log.

    None where that is not known: Leeway trained it or the champion, it was champion before, or the champion may still
    answer.
    """
    champion = _replaceable_by(opened, model, version)
    if champion is None:
        return None
    log = decode.read_events(model.schema, "predictions", model.events.predictions).table
    return _took_over(model, champion.version, version, log)


def promotion_hint(version: str, champion: str) -> str:
    """Return what to do where *version* answers and another one is champion."""
    return (f"{version} answers, and incidents open for the champion alone, which is {champion}; if {champion} no "
            f"longer serves: leeway promote {shlex.quote(version)} --because ...")  # fmt: skip


def judge_stored(opened: Context, model: Model, version: str, since: datetime, *, now: datetime) -> ingest.Ingested:
    """Let the incidents of *version*, champion now, follow from its windows that were stored before it was."""
    return ingest.follow_stored(
        opened.registry, model.name, version, since=since, now=now, rules=assembly.incident_rules(model)
    )


def _replaceable_by(opened: Context, model: Model, version: str) -> Champion | None:
    """Return the champion if Leeway trained neither it nor *version*, which was never champion; None otherwise."""
    reg, champion = opened.registry, queries.champion(opened.registry, model.name)
    if champion is None or version in {promotion.to_version for promotion in queries.promotions(reg, model.name)}:
        return None
    both = (queries.version(reg, model.name, one) for one in (champion.version, version))
    return champion if all(one.mode == EXTERNAL for one in both) else None


def _took_over(model: Model, old: str, new: str, predictions: pa.Table) -> datetime | None:
    return version_service.took_over(
        predictions, old, new, windows=model.schema.windows, min_rows=model.monitor.min_rows
    )
