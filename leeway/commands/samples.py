"""`leeway samples`: predictions joined with their labels, slice by slice, from history and as they mature."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from features.window import UTC, to_ms
from leeway import assembly, context, dead_letters, learner_branch
from leeway.commands import following
from leeway.commands.features_build import Engine, matured, runner
from leeway.commands.options import TIME_FORMATS, AsJson, ModelName, PeriodEnd, PeriodStart, When
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from monitors.samples import history, parts
from monitors.samples.parts import SampleParts
from monitors.training_set.period import TrainingPeriod
from monitors.training_set.store import SetStore
from retrain_flows.data.event_log import StoredEvents

app = typer.Typer(
    no_args_is_help=True, help="Build samples: predictions with their labels, once the labels have matured."
)
Out = Annotated[Path | None, typer.Option(help="Folder of samples; by default samples/MODEL in the state folder.")]


def register(main: typer.Typer) -> None:
    """Add the group of commands to *main*."""
    main.add_typer(app, name="samples")


@app.command()
def build(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    start: PeriodStart,
    end: PeriodEnd,
    out: Out = None,
    as_of: When = None,
    model: ModelName = None,
    engine: Annotated[
        Engine, typer.Option(help="Compute in a Flink batch job or in this process; the result is the same.")
    ] = Engine.FLINK,
    as_json: AsJson = False,
) -> None:
    """Write the samples of all complete slices of a period, from the log. Slices that exist already are skipped.

    A slice is complete once its last label has matured by --as-of; by default all labels of the period count. The files
    are the same as those of `leeway samples follow`.
    """
    if start >= end:
        msg = f"the period ends before it starts: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        raise typer.BadParameter(msg, param_hint="--from or --to")
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        target = learner_branch.samples(opened, chosen, out)
        target.begin(chosen.schema)
        wanted = history.whole_slices(matured(opened, chosen, start, end, as_of))
        with show.working(f"Joining samples of {show.text(chosen.name)}"):
            rejected = _write(opened, chosen, wanted, target, engine)
    print_totals(chosen, target, wanted, rejected, as_json=as_json)
    if rejected:
        raise typer.Exit(ExitCode.FINDINGS)


def _write(opened: Context, chosen: Model, wanted: TrainingPeriod, target: SampleParts, engine: Engine) -> int:
    """Join the slices and write the parts that are not there; return how many records could not be used."""
    if wanted.start >= wanted.until:
        return 0
    landing.land(chosen.landed, datetime.now(UTC))
    ws = assembly.workspace(opened, chosen)
    sources = StoredEvents(chosen.schema, chosen.events, ws.sets).sources()
    with tempfile.TemporaryDirectory(prefix="leeway-", dir=opened.dir) as work:
        made = SetStore(ws.sets).build(wanted, sources, Path(work, "set"), runner(opened, engine), by_slice=True)
        letters = [json.dumps(letter, sort_keys=True) for letter in made.letters()]
        dead_letters.write(opened.dir, chosen.name, "samples-build", letters)
        history.publish(made, target)
        return sum(made.rejected.values())


@app.command()
def follow(
    ctx: typer.Context,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=TIME_FORMATS, help="Start at this event time, in UTC.")
    ] = None,
    out: Out = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Publish the samples of each slice once its labels have matured, until stopped.

    This is a streaming Flink job. If the project has a cluster and events are in topics, the job runs on the cluster
    and continues without the command. Ctrl-C or SIGTERM stop it. After a stop or a crash the same command resumes.
    """
    from leeway.streaming import follow_samples, job_settings, samples_job  # Flink is not imported where it is not used

    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        target = learner_branch.samples(opened, chosen, out)
        target.begin(chosen.schema)
        opening, sums = follow_samples.of_files, follow_samples.SampleTally()
        if job_settings.follows_topics(chosen):
            _require_whole(start, out)
            opening = follow_samples.of_topics
        spec = samples_job.spec(opened, chosen, target, to_ms(start.replace(tzinfo=UTC)) if start else 0)
        show.note_on_stderr(show.text(f"Publishing samples in {target.folder}; Ctrl-C stops. Flink is starting..."))
        note = following.noter(chosen.name)
        landing.land(chosen.landed, datetime.now(UTC))  # a table that cannot be read is an error at the start only
        with landing.following(chosen.landed, lambda: datetime.now(UTC), note):
            following.follow(partial(opening, opened, chosen, spec, sums), sums.text, note)
    print_totals(chosen, target, None, sums.rejected, as_json=as_json)
    if sums.late and not as_json:
        show.note(show.text(f"{sums.late:,} events came after their slice had been published, and are in no part."))


def _require_whole(start: datetime | None, out: Path | None) -> None:
    """Raise BadParameter for options of files: a job over topics may run on a cluster, where there is one of it."""
    if start is not None or out is not None:
        msg = "samples of topics are those of all that the topics hold, in the state folder"
        raise typer.BadParameter(msg, param_hint="--from or --out")


def print_totals(
    chosen: Model, target: SampleParts, wanted: TrainingPeriod | None, rejected: int, *, as_json: bool
) -> None:
    """Print what is in the folder: all of it, or the parts of a period."""
    receipts = [r for r in target.receipts() if wanted is None or wanted.start <= r.start < wanted.until]
    made = parts.totals(receipts)
    if as_json:
        show.as_json({"ok": not rejected, "model": chosen.name, "to": str(target.folder), "rejected": rejected, **made})
        return
    counts: dict[str, Any] = made["counts"]
    show.pairs([
        ("samples in", target.folder), ("model", chosen.name), ("parts", made["parts"]),
        ("labels are final until", made["mark"]), ("samples", counts.get("rows", 0)),
        *((name, n) for name, n in counts.items() if n and name != "rows"),
        *([("records that could not be used", rejected)] if rejected else []),
    ])  # fmt: skip
