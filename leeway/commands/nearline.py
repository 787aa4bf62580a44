"""`leeway nearline`: files of events scored as they appear, by a streaming job that follows promotions."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from features import user_code
from features.window import UTC
from leeway import context
from leeway.commands import nearline_topics, score
from leeway.commands.options import AsJson, ModelName, until_stopped
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.streaming import nearline_job
from leeway.terminal import show
from monitors.flink import parts_job
from monitors.flink.run_job import Running
from serving.batch import run_plan
from serving.nearline.champion_file import ChampionFollower
from serving.nearline.stream_scoring import StreamScoring

_LOOK_SECONDS = 0.5
"""How often job and registry are looked at."""


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(nearline)


def nearline(
    ctx: typer.Context,
    source: Annotated[
        Path | None, typer.Argument(help="Directory in which complete files of events appear.", show_default=False)
    ] = None,
    target: Annotated[
        Path | None, typer.Argument(help="Directory for the prediction events.", show_default=False)
    ] = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Score requests with the champion as they arrive, until stopped with Ctrl-C or SIGTERM.

    Without SOURCE and TARGET, requests are read from the topic of the model's `nearline` section and predictions go to
    the topic of `events.predictions`. With both, files of events are read and written. After a promotion, the new
    champion answers without a restart. Each request is answered once; after a stop or a crash the same command
    resumes. If the project has a Flink cluster and requests are in a topic, the job runs on the cluster and continues
    without the command.
    """
    if (source is None) != (target is None):
        msg = "files need both a source and a target"
        raise typer.BadParameter(msg, param_hint="SOURCE TARGET")
    with context.open(ctx.obj) as opened:
        chosen = opened.model(model)
        user_code.make_importable(opened.project.folder)
        if source is None or target is None:
            nearline_topics.follow(opened, chosen, as_json=as_json)
            return
        with run_plan.locked(target, "nearline"):
            followed = _run(opened, chosen, source.resolve(), target.resolve())
    version, files = followed.current.version if followed.current else "", len(list(target.glob("*.parquet")))
    if as_json:
        show.as_json({"ok": True, "model": chosen.name, "version": version, "files": files, "to": str(target)})
        return
    show.note(show.text(f"Stopped. {files:,} files of predictions are in {target}; the champion was {version}."))


def _run(opened: Context, model: Model, source: Path, target: Path) -> ChampionFollower:
    """Run the job until it is stopped, and follow the registry meanwhile."""
    own = nearline_job.worker_model(opened, model)
    follower = ChampionFollower(opened.registry, own.schema, own.trusted, own.champion, _note)
    follower.begin()
    task = StreamScoring(own, target)
    name = hashlib.sha256(f"{model.name}\0{source}\0{target}".encode()).hexdigest()[:12]
    place = score.with_csv_format(model, source)
    show.note_on_stderr(show.text(f"Scoring what appears in {source}; Ctrl-C stops. Flink is starting..."))
    with until_stopped(), landing.following(model.landed, _now, _note):
        job = parts_job.follow(task, place, opened.dir / "logs", opened.dir / "checkpoints" / f"nearline-{name}")
        try:
            _until_stopped(job, follower, target)
        finally:
            job.stop()
    return follower


def _until_stopped(job: Running, follower: ChampionFollower, target: Path) -> None:
    """Look at the job and at the registry again and again, and print now and then how far it is."""
    lines = show.ProgressLines()
    try:
        while True:
            job.check()
            follower.look(time.monotonic())
            lines.print(_progress(target, follower))
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        return


def _progress(target: Path, follower: ChampionFollower) -> str:
    """Return how far it is."""
    champion = follower.current.version if follower.current else ""
    return f"{len(list(target.glob('*.parquet'))):,} files of predictions; the champion is {champion}"


def _note(text: str) -> None:
    show.note_on_stderr(show.text(f"{_now():%H:%M:%S} {text}"))


def _now() -> datetime:
    return datetime.now(UTC)
