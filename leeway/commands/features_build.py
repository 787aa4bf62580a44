"""`leeway features build`: the training set of a period as files, point in time, by a Flink batch job."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from features.window import UTC
from leeway import assembly, context, dead_letters
from leeway.commands.options import AsJson, ModelName, PeriodEnd, PeriodStart, When, utc
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from monitors.in_process import training_set_runner
from monitors.training_set import written
from monitors.training_set.built import BuiltSet, Run
from monitors.training_set.period import TrainingPeriod
from monitors.training_set.written import Manifest
from retrain_flows.data import usable_rows


class Engine(str, Enum):
    """Where a training set is built."""

    FLINK = "flink"
    PROCESS = "process"


def build(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    start: PeriodStart,
    end: PeriodEnd,
    out: Annotated[Path, typer.Option(help="A new folder for the Parquet files and their manifest.")],
    as_of: When = None,
    model: ModelName = None,
    engine: Annotated[
        Engine, typer.Option(help="Compute in a Flink batch job or in this process; the result is the same.")
    ] = Engine.FLINK,
    as_json: AsJson = False,
) -> None:
    """Write the training set of a period: matured predictions with features and labels, as a retrain would read them.

    Predictions and labels are joined by the same function as in the monitors, and features of facts are computed where
    the log has no value. Rows under a data fault are left out. With --as-of, only rows that had matured by that event
    time are included; by default the labels of the whole period count. Exit code 1 if some records could not be read.
    """
    if start >= end:
        msg = f"the period ends before it starts: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        raise typer.BadParameter(msg, param_hint="--from or --to")
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        written.check_target(out)
        wanted = matured(opened, chosen, start, end, as_of)
        with show.working(f"Building a training set of {show.text(chosen.name)}"):
            manifest = _built(opened, chosen, wanted, out, engine)
    _print(manifest, out, as_json=as_json)
    if any(manifest.rejected.values()):
        if not as_json:
            show.note(
                show.text(f"The dead letters in {dead_letters.folder(opened.dir, chosen.name)} have place and reason.")
            )
        raise typer.Exit(ExitCode.FINDINGS)


def matured(opened: Context, chosen: Model, start: datetime, end: datetime, as_of: datetime | None) -> TrainingPeriod:
    """Return the period of these options, without rows under a data fault; by default the labels of all of it count."""
    begin, until = start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
    seen = utc(as_of) or until + chosen.schema.label_delay
    return usable_rows.usable_period(opened.registry, chosen.schema, as_of=seen, start=begin, end=until)


def _built(opened: Context, chosen: Model, wanted: TrainingPeriod, out: Path, engine: Engine) -> Manifest:
    """Build the set in a folder of its own, and write it and its dead letters."""
    landing.land(chosen.landed, datetime.now(UTC))
    log = assembly.stored_events(opened, chosen)
    with tempfile.TemporaryDirectory(prefix="leeway-", dir=opened.dir) as work:
        found = log.store.build(wanted, log.sources(), Path(work, "set"), runner(opened, engine))
        dead_letters.write(opened.dir, chosen.name, "features-build", _lines(found))
        return written.write(found, out)


def _lines(found: BuiltSet) -> list[str]:
    return [json.dumps(letter, sort_keys=True) for letter in found.letters()]


def runner(opened: Context, engine: Engine) -> Run:
    """Return what builds a set: a Flink batch job, or this process."""
    if engine is Engine.PROCESS:
        return training_set_runner.run
    from monitors.flink import training_set_job  # Flink is not imported where it is not used

    return partial(training_set_job.run, logs=opened.dir / "logs")


def _print(manifest: Manifest, out: Path, *, as_json: bool) -> None:
    """Print what is in the set, and what is not and why."""
    if as_json:
        lost = sum(manifest.rejected.values())
        show.as_json({"ok": not lost, "to": str(out), **asdict(manifest)})
        return
    counts = manifest.counts
    show.pairs([
        ("training set", out), ("model", manifest.model), ("from", manifest.start), ("to", manifest.end),
        ("rows", counts["rows"]), ("predictions", counts["predictions"]),
        *((f"left out: {why}", counts[why]) for why in ("repeated", "unlabelled", "unusable", "barred") if counts[why]),
        *((f"dead letters: {reason}", n) for reason, n in manifest.reasons.items()),
        ("digest", manifest.digest),
    ])  # fmt: skip
