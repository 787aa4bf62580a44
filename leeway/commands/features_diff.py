"""`leeway features diff`: logged features of facts beside recomputed ones, row by row on a sample."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from features.errors import ProjectError
from features.facts import skew
from features.facts.skew import Difference, Skew
from features.security.file_names import file_name
from features.values.untyped import records_of
from features.window import UTC, from_ms, to_ms
from leeway.commands.options import AsJson, ModelName, PeriodEnd, PeriodStart
from leeway.landed import landing
from leeway.project.load import Project
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from monitors.training_set.period import TrainingPeriod
from retrain_flows.data.event_log import StoredEvents


def diff(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    start: PeriodStart,
    end: PeriodEnd,
    sample: Annotated[int, typer.Option(min=1, help="At most this many predictions are compared.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the random choice of predictions.")] = 0,
    shown: Annotated[
        int, typer.Option("--show", min=0, help="At most this many differences per feature are listed.")
    ] = 10,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Compare features of facts in the prediction log with values recomputed from the facts as they are now.

    Values must be equal to the last bit. Exit code 1 if any differs, or if facts could not be used.
    """
    project = Project.load(ctx.obj)
    chosen = project.model(model)
    if not chosen.facts.features:
        msg = f"{chosen.name} has no feature of facts to compare"
        raise ProjectError(msg, hint="declare one under `features`, with `from:` and `key:`")
    wanted = skew.Sample(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC), sample, seed, shown)
    with show.working(f"Recomputing features of {show.text(chosen.name)}"):
        landing.land(chosen.landed, datetime.now(UTC))
        log = StoredEvents(chosen.schema, chosen.events, project.state / "training-sets" / file_name(chosen.name))
        period = TrainingPeriod(chosen.schema, to_ms(wanted.start), to_ms(wanted.end))
        measured = skew.measure(chosen.facts, log.logged(period), wanted, now=datetime.now(UTC))
    different = any(each.different for each in measured.features)
    if as_json:
        show.as_json({"ok": not (different or measured.rejects), "model": chosen.name, **_document(measured)})
    else:
        _print(measured)
    if different or measured.rejects:
        raise typer.Exit(ExitCode.FINDINGS)


def _document(measured: Skew) -> dict[str, Any]:
    features = {
        each.feature: {"different": each.different, "first": [_fields(one) for one in each.first]}
        for each in measured.features
    }
    rejects = [{"path": one.path, "line": one.line, "reason": one.reason} for one in measured.rejects]
    return {"rows": measured.rows, "sampled": measured.sampled, "features": features, "rejects": rejects}


def _fields(one: Difference) -> dict[str, Any]:
    return {"id": one.id, "time": from_ms(one.time), "version": one.version, "key": list(one.key),
            "logged": one.logged, "recomputed": one.recomputed}  # fmt: skip


def _print(measured: Skew) -> None:
    """Print how many rows differ by feature, and the first of them."""
    show.note(f"{measured.sampled:,} of {measured.rows:,} logged predictions compared")
    show.table("Features", ("feature", "different"), [(each.feature, each.different) for each in measured.features])
    if rows := list(_listed(measured)):
        show.table("First differences", ("feature", "id", "time", "version", "key", "logged", "recomputed"), rows)
    if measured.rejects:
        first = measured.rejects[0]
        records = f"{records_of(measured.rejects):,} records of facts could not be used"
        show.note(show.text(f"{records}, the first at {first.path} line {first.line}: {first.reason}"))


def _listed(measured: Skew) -> Iterator[tuple[object, ...]]:
    for each in measured.features:
        for one in each.first:
            key = ", ".join(str(part) for part in one.key)
            yield each.feature, one.id, from_ms(one.time), one.version, key, one.logged, one.recomputed
