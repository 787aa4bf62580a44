"""`leeway produce` and `leeway tail`: send files of events to Kafka topics, and show a topic's records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from features import kafka_address
from features.errors import ProjectError
from features.events import publishing
from features.events.publishing import TopicFormat
from features.kafka import offset_ranges
from features.schema import Source
from features.window import UTC, from_ms
from leeway.commands.options import AsJson, ModelName, Partitions, span
from leeway.project.load import Model, Project
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from leeway.topics import produce_files, tail_records
from leeway.topics.produce_files import Plan, Stream

Folder = Annotated[Path | None, typer.Option(help="A directory or file of events; their topic is in the project file.")]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command()(produce)
    app.command()(tail)


def produce(  # noqa: PLR0913 - one parameter an option
    ctx: typer.Context,
    predictions: Folder = None,
    labels: Folder = None,
    history: Folder = None,
    model: ModelName = None,
    speed: Annotated[
        timedelta | None,
        typer.Option(
            parser=span, metavar="SPAN", help="Event time per second, like 1h; by default as fast as possible."
        ),
    ] = None,
    partitions: Partitions = 4,
    batch: Annotated[
        int, typer.Option(min=1, help="Events per columnar record (format: arrow).")
    ] = publishing.EVENTS_PER_RECORD,
    as_json: AsJson = False,
) -> None:
    """Send files of events to the topics of the project file, in the order of event time.

    A record's timestamp is its event's time and its key the event's id. A missing topic is created with unlimited
    retention. Exit code 1 if some records could not be read and were not sent.
    """
    chosen = Project.load(ctx.obj).model(model)
    folders = {"predictions": predictions, "labels": labels, "history": history}
    plans = [
        produce_files.plan(Stream(chosen.schema, tail_records.role(name), folder, topic(chosen, name), batch))
        for name, folder in folders.items()
        if folder is not None
    ]
    if not plans:
        msg = "name at least one stream to produce"
        raise typer.BadParameter(msg, param_hint="--predictions, --labels or --history")
    if len({one.stream.to.bootstrap for one in plans}) > 1:
        msg = "these streams are in different clusters"
        raise typer.BadParameter(msg, param_hint="produce one after the other: --predictions, --labels or --history")
    started = time.monotonic()
    _send(plans, partitions, speed)
    if as_json:
        show.as_json({"ok": not any(one.lost for one in plans), "streams": [_sent_json(one) for one in plans]})
    else:
        _print_sent(plans, time.monotonic() - started)
    if any(one.lost for one in plans):
        raise typer.Exit(ExitCode.FINDINGS)


def topic(model: Model, name: str) -> Source:
    """Return the topic of a stream of *model*. Raises ProjectError if the stream is in a directory or absent."""
    source: Source | None = getattr(model.events, name)
    if source is None or source.topic is None:
        msg = f"events.{name} of {model.name} is not a topic"
        raise ProjectError(msg, hint=f"set events.{name}: {{topic: {model.name}.{name}}} in the project file")
    return source


def _send(plans: list[Plan], partitions: int, speed: timedelta | None) -> None:
    """Send the plans' messages in the order of event time; missing topics are created."""
    now = datetime.now(UTC)
    outlets = []
    for one in plans:
        to = one.stream.to
        made = publishing.ensure(to.bootstrap, to.topic or "", partitions)
        if one.oldest is not None:
            publishing.check_retention(made, from_ms(one.oldest), now)
        outlets.append((TopicFormat(made, to.format), one))
    paced = produce_files.paced(produce_files.merged(outlets), speed, clock=time.monotonic, sleep=time.sleep)
    with _progress(sum(one.events for one in plans)) as advance:
        for sent in publishing.send(plans[0].stream.to.bootstrap, paced):
            advance(sent)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """Show how many of *total* events were sent: a bar on a terminal, else a line now and then; yield the counter."""
    if show.err.is_terminal:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=show.err, transient=True) as bar:
            yield partial(bar.advance, bar.add_task("Producing", total=total))
        return
    done, lines = [0], show.ProgressLines()

    def advance(sent: int) -> None:
        done[0] += sent
        lines.print(f"Producing: {done[0]:,} of {total:,} events")

    yield advance


def _sent_json(one: Plan) -> dict[str, Any]:
    """Return one stream's entry in the JSON of `leeway produce`."""
    newest = max((part.newest for part in one.parts), default=None)
    return {"topic": one.stream.to.topic, "events": one.events, "lost": one.lost,
            "oldest": None if one.oldest is None else from_ms(one.oldest),
            "newest": None if newest is None else from_ms(newest)}  # fmt: skip


def _print_sent(plans: list[Plan], seconds: float) -> None:
    """Print what was sent to each topic, what could not be, and how fast."""
    for one in plans:
        newest = max((part.newest for part in one.parts), default=None)
        if one.oldest is None or newest is None:
            show.note(f"No events for {show.text(one.stream.to.topic)}: {show.text(one.stream.folder)} is empty.")
            continue
        period = f"{from_ms(one.oldest):%Y-%m-%d %H:%M} to {from_ms(newest):%Y-%m-%d %H:%M}"
        show.note(f"{one.events:,} events of {show.text(period)} to topic {show.text(one.stream.to.topic)}")
        if one.lost:
            show.note(f"{one.lost:,} records could not be read and were not sent; `leeway check` shows why.")
    total = sum(one.events for one in plans)
    show.note(f"[dim]{total / max(seconds, 1e-3):,.0f} events per second[/]")


def tail(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="predictions, labels, reports, dead-letters, progress, or any topic.")],
    n: Annotated[int, typer.Option("-n", min=0, help="Number of newest records.")] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new records until stopped with Ctrl-C.")
    ] = False,
    model: ModelName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow one line per record.")] = False,
) -> None:
    """Show a topic: its newest records with headers, its offsets, and the lag of its consumer groups."""
    at = tail_records.target(Project.load(ctx.obj), name, model)
    extent = offset_ranges.offsets_by_partition(at.bootstrap, at.topic)
    records = [tail_records.record(found, at) for found in offset_ranges.newest_records(at.bootstrap, at.topic, n)]
    if not follow:
        (_print_json if as_json else _print)(at, extent, records)
        return
    for one in records:
        _print_line(one, as_json=as_json)
    starts = {number: stop for number, (_, stop) in extent.items()}
    with suppress(KeyboardInterrupt):
        for message in offset_ranges.follow(at.bootstrap, at.topic, starts, going=lambda: True):
            _print_line(tail_records.record(message, at), as_json=as_json)


def _groups(at: tail_records.Target, extent: dict[int, tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield the committed offsets and the lag of each consumer group, by partition."""
    for group, offsets in offset_ranges.committed_offsets(at.bootstrap, at.topic).items():
        lag = {number: max(0, extent[number][1] - offset) for number, offset in offsets.items() if number in extent}
        yield {"group": group, "offsets": offsets, "lag": sum(lag.values()), "lags": lag}


def _print(at: tail_records.Target, extent: dict[int, tuple[int, int]], records: list[dict[str, Any]]) -> None:
    """Print a topic's offsets, the lag of its consumer groups, and its newest records."""
    rows = [(number, start, stop, stop - start) for number, (start, stop) in extent.items()]
    show.table(
        f"{at.topic} at {kafka_address.redacted(at.bootstrap)}",
        ("partition", "first offset", "next offset", "offsets"),
        rows,
    )
    groups = list(_groups(at, extent))
    if groups:
        lags = [(g["group"], sum(g["offsets"].values()), g["lag"]) for g in groups]
        show.table("Consumer groups", ("group", "committed", "lag"), lags)
    if not records:
        show.note("No records.")
    for one in records:
        _print_line(one, as_json=False)


def _print_json(at: tail_records.Target, extent: dict[int, tuple[int, int]], records: list[dict[str, Any]]) -> None:
    partitions = {number: {"first": start, "next": stop} for number, (start, stop) in extent.items()}
    show.as_json(
        {"topic": at.topic, "bootstrap": kafka_address.redacted(at.bootstrap), "partitions": partitions,
         "groups": list(_groups(at, extent)), "records": records}
    )  # fmt: skip


def _print_line(one: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.json_line(one)
        return
    headers = " ".join(f"{name}={value}" for name, value in one["headers"].items())
    when = f"{from_ms(one['timestamp']):%Y-%m-%d %H:%M:%S}"
    place = show.text(f"{one['partition']}/{one['offset']} {when}")
    show.note(f"[dim]{place}[/] {show.cell(one['key'])} [dim]{show.cell(headers)}[/]")
    show.note(f"  {show.cell(tail_records.short(one['value']))}")
