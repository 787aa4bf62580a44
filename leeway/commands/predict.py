"""`leeway predict`: the champion's answers to a period of events, part by part on Flink, in a run that can go on."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from features import errors, user_code
from features.events import location, publishing
from features.schema import Source
from features.values.untyped import records_of
from features.window import UTC
from leeway import context, dead_letters
from leeway.commands import score, topics
from leeway.commands.options import AsJson, ModelName, Partitions, PeriodEnd, PeriodStart
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from serving.batch import run, run_plan
from serving.batch.part_scoring import PartScoring
from serving.batch.run import Outcome
from serving.batch.run_plan import Identity, Part, Plan
from serving.batch.topic_target import TopicTarget
from serving.offline import EventPeriod
from serving.predictors import proved
from serving.predictors.proved import Proved

_LOOK_SECONDS = 0.5
"""Seconds between two looks at how many parts are done."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to do: score the events of a period at a place, into files in *target* or into a topic."""

    place: location.Place
    period: EventPeriod
    target: Path
    topic: Source | None
    version: str | None
    partitions: int


@dataclass(frozen=True, slots=True)
class Done:
    """A finished run: its plan, what came of it, how many parts an earlier start had done, and seconds of this one."""

    plan: Plan
    outcome: Outcome
    before: int
    seconds: float


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(predict)


def predict(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(help="Directory of the run: a new one, or that of a run to resume.")],
    start: PeriodStart,
    end: PeriodEnd,
    source: Annotated[
        Path | None, typer.Option(help="A directory or file of events; by default the model's events.predictions.")
    ] = None,
    requests: Annotated[
        bool, typer.Option("--requests", help="Score the request topic of the model's `nearline` section.")
    ] = False,
    to_topic: Annotated[
        bool,
        typer.Option("--to-topic", help="Send prediction events to the topic of events.predictions, not to TARGET."),
    ] = False,
    partitions: Partitions = 4,
    model: ModelName = None,
    version: Annotated[str | None, typer.Option(help="The version to use instead of the champion.")] = None,
    force: Annotated[bool, typer.Option(help="Discard the run in TARGET and start over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a period of events through Flink in batch, into Parquet files in TARGET or into a topic.

    Each part of the input becomes one file, or is sent in one transaction, exactly once. After an interruption, the
    same command resumes the run by its original plan: the same files, offsets and version. Exit code 1 if
    some records could not be used.
    """
    if start >= end:
        msg = "the period is empty"
        raise typer.BadParameter(msg, param_hint="--from, --to")
    period = EventPeriod(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        place = _place(chosen, source, requests=requests)
        to = topics.topic(chosen, "predictions") if to_topic else None
        if to is not None and to == place:
            msg = "the answers to the events of a topic do not go into the same topic"
            raise typer.BadParameter(msg, param_hint="--to-topic without --source or --requests")
        user_code.make_importable(opened.project.folder)
        with run_plan.locked(target):
            if force:
                run_plan.discard(target)
            done = _carry_out(opened, chosen, Wanted(place, period, target, to, version, partitions))
    _print_done(chosen, done, target if to is None else to.name, as_json=as_json)
    if done.outcome.rejected or done.outcome.facts:
        raise typer.Exit(ExitCode.FINDINGS)


def _place(model: Model, source: Path | None, *, requests: bool) -> location.Place:
    """Return where the events are that the options name."""
    if not requests:
        return score.with_csv_format(model, source.resolve()) if source else model.events.predictions
    if source is not None:
        msg = "name one source of events"
        raise typer.BadParameter(msg, param_hint="--source or --requests")
    if model.nearline is None:
        msg = f"{model.name} has no topic of requests"
        raise errors.ProjectError(msg, hint="set `nearline: {requests: {topic: ...}}` for the model")
    return model.nearline.requests


def _carry_out(opened: Context, model: Model, wanted: Wanted) -> Done:
    """Begin the run, or go on with it, to its end; its dead letters are put on record once."""
    landing.land(model.landed, datetime.now(UTC))
    target, version = wanted.target, wanted.version
    begun, at = run_plan.read(target), time.monotonic()
    if version is None and begun is not None and begun.identity.model == model.name:
        version = begun.identity.version  # a promotion since then is no reason to mix versions
    loaded = proved.load(opened.registry, model.schema, trusted=model.trusted, version=version)
    plan = run_plan.begin(target, _identity(model, loaded, wanted), wanted.place, datetime.now(UTC))
    task = PartScoring(
        model.schema, model.facts, loaded.served.version, loaded.served.artifact, opened.artifacts.root.resolve(),
        model.trusted, loaded.nullable, wanted.period, plan.now, target.resolve(), _topic(wanted, plan),
    )  # fmt: skip
    before = len(plan.parts) - len(run.remaining(target, plan.parts))
    with show.working(f"Scoring events of {show.text(model.name)}") as update, _watched(target, plan, update):
        outcome = run.carry_out(task, plan, opened.dir / "logs")
    if not run.is_recorded(target):
        dead_letters.append(opened.dir, model.name, "requests", outcome.rejected)
        dead_letters.append(opened.dir, model.name, "facts", outcome.facts)
        run.set_recorded(target)
    return Done(plan, outcome, before, time.monotonic() - at)


def _topic(wanted: Wanted, plan: Plan) -> TopicTarget | None:
    """Return the topic that predictions go into, which is made where it is missing.

    Raises
    ------
    BrokerError
        Kafka does not answer, or the topic would delete such old events at once.
    """
    if wanted.topic is None:
        return None
    to, oldest = wanted.topic, wanted.period.start
    made = publishing.ensure(to.bootstrap, to.topic or "", wanted.partitions)
    if oldest is not None:
        publishing.check_retention(made, oldest, plan.now)
    own = hashlib.sha256(plan.encode()).hexdigest()[:16]  # the present of its beginning is in it
    return TopicTarget(to, publishing.TopicFormat(made, to.format), own)


def _identity(model: Model, loaded: Proved, wanted: Wanted) -> Identity:
    """Return what the run computes."""
    declared = [model.schema.model_dump(mode="json"), model.facts.model_dump(mode="json")]
    settings = hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:12]
    start, end = (str(moment and moment.isoformat()) for moment in (wanted.period.start, wanted.period.end))
    served, output = loaded.served, wanted.topic.name if wanted.topic else run_plan.FILES
    place = location.name(wanted.place)
    return Identity(model.name, served.version, served.artifact, place, start, end, settings, output)


@contextmanager
def _watched(target: Path, plan: Plan, update: Callable[[str], None]) -> Iterator[None]:
    """Show how many parts are done until the block ends."""
    over, total = threading.Event(), len(plan.parts)

    def look() -> None:
        todo: Sequence[Part] = plan.parts
        while not over.wait(_LOOK_SECONDS):
            todo = run.remaining(target, todo)  # a part that is done stays so, and is not looked at again
            update(f"Scoring events: {total - len(todo):,} of {total:,} parts are done")

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _print_done(model: Model, done: Done, target: Path | str, *, as_json: bool) -> None:
    """Print how many events were scored by what, and where they and the dead letters are."""
    identity, outcome = done.plan.identity, done.outcome
    rejected, facts = records_of(outcome.rejected), records_of(outcome.facts)
    if as_json:
        show.as_json({"ok": not (rejected or facts), "model": model.name, "version": identity.version,
                      "digest": identity.digest, "rows": outcome.rows, "rejected": rejected, "facts_rejected": facts,
                      "parts": len(done.plan.parts), "parts_before": done.before,
                      "seconds": round(done.seconds, 3), "to": str(target)})  # fmt: skip
        return
    went_on = f" ({done.before:,} of {len(done.plan.parts):,} parts were done before)" if done.before else ""
    text = (
        f"{outcome.rows:,} events scored by {model.name} {identity.version} in {done.seconds:.1f} s{went_on}: {target}"
    )
    show.note(show.text(text))
    for count, letters, what in ((rejected, outcome.rejected, "records"), (facts, outcome.facts, "records of facts")):
        if count:
            first = f"the first at {letters[0].path} line {letters[0].line}: {letters[0].reason}"
            show.note(show.text(f"{count:,} {what} could not be used, {first}"))
