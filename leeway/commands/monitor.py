"""`leeway baseline`, `monitor` and `ingest`: freeze a baseline, compare windows with it, store jobs' reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live

from features.errors import NotEnoughData, ProjectError
from features.window import UTC
from leeway import adopt_model, context, dead_letters, external_champion
from leeway.commands.options import AsJson, ModelName, When, utc
from leeway.project.load import Model
from leeway.project.validation_errors import count
from leeway.streaming import consume_output, job_settings, reconnect
from leeway.terminal import show
from monitors.finding import Stage
from monitors.sequential.exchangeability import MIN_SLICES
from registry import queries


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(baseline)
    app.command()(monitor)
    app.command()(ingest)


def baseline(
    ctx: typer.Context,
    model: ModelName = None,
    version: Annotated[
        str | None, typer.Option(help="The model version; needed if the events are of several versions.")
    ] = None,
    start: When = None,
    end: When = None,
    as_json: AsJson = False,
) -> None:
    """Freeze the baseline of a model version from its events of a period (a Flink batch job).

    The period is --start to --end, by default `baseline.start` to `baseline.end` of the project file. The first version
    with a baseline becomes the champion, the version that is monitored. If Leeway trained neither of them, a version
    that has replaced the champion in the log becomes champion too.
    """
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        period = _period(chosen, start, end)
        with show.working(f"Counting {show.text(chosen.name)}, {period[0]:%Y-%m-%d} to {period[1]:%Y-%m-%d}"):
            made = adopt_model.register_baseline(opened, chosen, version, period, now=datetime.now(UTC))
        champion = queries.champion(opened.registry, chosen.name)
    if as_json:
        show.as_json({"ok": True, "model": chosen.name, "version": made.version, "start": made.start, "end": made.end,
                      "rows": made.rows, "slices": len(made.slices(Stage.INPUTS)), "variables": len(made.bins),
                      "digest": made.digest})  # fmt: skip
        return
    show.note(
        f"Baseline of {show.text(f'{chosen.name} {made.version}')}: {made.rows:,} rows in "
        f"{len(made.slices(Stage.INPUTS))} slices, {len(made.bins)} variables, digest {show.text(made.digest[:12])}. "
        "[bold]leeway monitor[/] compares windows with it."
    )
    if champion is not None and champion.version != made.version:
        show.note(show.text(external_champion.promotion_hint(made.version, champion.version)))
    elif champion is not None and champion.generation > 1:
        show.note(f"{show.text(made.version)} is champion since {champion.since:%Y-%m-%d}: it took the earlier one's "
                  "place in the log.")  # fmt: skip
    if len(made.slices(Stage.INPUTS)) < MIN_SLICES:
        show.note(
            f"Fewer than {MIN_SLICES:d} slices carry no false-alarm guarantee: "
            "[bold]leeway status[/] says when the baseline can be renewed."
        )


def _period(model: Model, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return the baseline period [start, end) of the options or, where they are left out, of the project file."""
    baseline = model.baseline
    begin = utc(start) or (baseline.start if baseline else None)
    until = utc(end) or (baseline.end if baseline else None)
    if begin is None or until is None:
        msg = f"no baseline period is set for {model.name}"
        raise ProjectError(
            msg, hint=f"set models.{model.name}.baseline: {{start: ..., end: ...}}, or use --start and --end"
        )
    if begin >= until:
        msg = f"the baseline period of {model.name} ends before it starts: {begin:%Y-%m-%d} to {until:%Y-%m-%d}"
        raise NotEnoughData(msg, hint="choose an end later than the start")
    return begin, until


def monitor(
    ctx: typer.Context,
    model: ModelName = None,
    once: Annotated[bool, typer.Option(help="Judge the events so far in batch, then stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare every window with its version's baseline, as events arrive, until stopped with Ctrl-C.

    After a stop or a crash it resumes from its last checkpoint: no window is reported twice, none is missing. If the
    project has a Flink cluster and the events are in topics, the job runs on the cluster and continues without this
    command. A running monitor waits for servers that do not answer, and restarts a job that the cluster has lost.
    """
    with context.open(ctx.obj) as opened:
        watching = consume_output.OutputConsumer(
            opened,
            opened.model(model),
            clock=lambda: datetime.now(UTC),
            report=lambda text: show.note_on_stderr(show.text(f"{datetime.now(UTC):%H:%M:%S} {text}")),
        )
        if once:
            with show.working(f"Judging the events of {show.text(watching.model.name)}"):
                watching.once()
        else:
            _follow(watching, as_json=as_json)
    if as_json:
        show.as_json(_tallies([watching])[0])
        return
    show.table("Monitor", *_summary([watching]))
    _print_dead_letters(watching)


def _print_dead_letters(watching: consume_output.OutputConsumer) -> None:
    if watching.tally.rejected and job_settings.follows_topics(watching.model):
        topic = job_settings.output_topic(watching.model, "rejects")
        lost = (
            f"{count(watching.tally.rejected, 'event')} could not be used; the dead letters are in the topic {topic}."
        )
        show.note(show.text(lost))
    if letters := dead_letters.read(watching.opened.dir, watching.model.name).count:
        lost, place = count(letters, "record"), watching.dead_letters
        show.note(show.text(f"{lost} could not be used; the dead letters in {place} have file, line and reason."))


def ingest(ctx: typer.Context, model: ModelName = None, as_json: AsJson = False) -> None:
    """Store the reports of jobs on a cluster in the registry, for all models with events in topics, until stopped.

    Reports wait in their topic while this command does not run or the registry does not answer. After a stop or a crash
    it resumes where it was; a report that is read twice is stored once.
    """
    with context.open(ctx.obj) as opened:
        names = [model] if model else [m.name for m in opened.project.models.values() if job_settings.follows_topics(m)]
        watching = [
            consume_output.OutputConsumer(opened, opened.model(name), clock=lambda: datetime.now(UTC)) for name in names
        ]
        if not watching:
            msg = "no model of this project has its events in topics"
            raise ProjectError(msg, hint="`leeway monitor` reads events in directories and stores their reports itself")
        note = show.note_on_stderr if as_json else show.note
        note(f"Storing the reports of {show.text(', '.join(w.model.name for w in watching))}; Ctrl-C stops.")
        with ExitStack() as stack, _progress_display(watching, as_json=as_json) as refresh:
            _until_stopped(refresh, [stack.enter_context(_reconnecting(w, w.ingesting, note)) for w in watching])
    if as_json:
        show.as_json({"ok": True, "models": _tallies(watching)})
    else:
        show.table("Ingested", *_summary(watching))


def _follow(watching: consume_output.OutputConsumer, *, as_json: bool) -> None:
    note = show.note_on_stderr if as_json else show.note
    note(f"Monitoring {show.text(watching.model.name)}; Ctrl-C stops. Flink is starting...")
    with (
        _reconnecting(watching, watching.live, note) as take,
        _progress_display([watching], as_json=as_json) as refresh,
    ):
        _until_stopped(refresh, [take])


def _reconnecting(
    watching: consume_output.OutputConsumer,
    opening: Callable[[], AbstractContextManager[Callable[[], int]]],
    note: Callable[[str], None],
) -> reconnect.Reconnecting:
    """Return a consumer that reconnects after outages and prints a line about each with *note*."""
    name = watching.model.name
    return reconnect.Reconnecting(opening, lambda text: note(show.text(f"{datetime.now(UTC):%H:%M:%S} {name}: {text}")))


def _until_stopped(refresh: Callable[[], None], takes: list[Callable[[], int]]) -> None:
    try:
        while True:
            for take in takes:
                take()
            refresh()
            time.sleep(0.25)
    except KeyboardInterrupt:
        for take in takes:
            take()


@contextmanager
def _progress_display(watching: list[consume_output.OutputConsumer], *, as_json: bool) -> Iterator[Callable[[], None]]:
    """Show the monitors' progress: a table on a terminal, else a line on stderr now and then; yield the refresh."""
    if show.out.is_terminal and not as_json:
        with Live(_tally_table(watching), console=show.out, refresh_per_second=4) as screen:
            yield lambda: screen.update(_tally_table(watching))
        return
    lines = show.ProgressLines()
    yield lambda: lines.print("; ".join(map(_progress_line, watching)))


def _progress_line(watching: consume_output.OutputConsumer) -> str:
    t = watching.tally
    newest = f", newest {t.newest:%Y-%m-%d %H:%M}" if t.newest else ""
    return f"{watching.model.name}: {t.rows['predictions']:,} predictions, {t.stored} windows{newest}"


def _tally_table(watching: list[consume_output.OutputConsumer]) -> RenderableType:
    return show.layout("", *_summary(watching), show.screen_width())


def _tallies(watching: list[consume_output.OutputConsumer]) -> list[dict[str, Any]]:
    """Return the monitors' tallies as their JSON documents."""
    return [{"ok": True, "model": w.model.name, **asdict(w.tally)} for w in watching]


def _summary(watching: list[consume_output.OutputConsumer]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    columns = ("model", "predictions", "labels", "late", "dead letters", "newest", "windows", "revised", "last window",
               "opened")  # fmt: skip
    return columns, [_row(w.model.name, w.tally) for w in watching]


def _row(name: str, t: consume_output.Tally) -> tuple[object, ...]:
    return (name, t.rows["predictions"], t.rows["labels"], t.late, t.rejected, t.newest, t.stored, t.revised,
            t.last_window, ", ".join(t.opened) or None)  # fmt: skip
