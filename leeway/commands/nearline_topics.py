"""`leeway nearline` over topics: the job runs here or on the cluster, and the registry is followed."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from features.errors import EngineError, ProjectError
from features.files import lock_file
from features.security.file_names import file_name
from features.window import UTC
from leeway.commands import following
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.streaming import follow_requests
from leeway.streaming.follow_requests import NearlineTally
from leeway.streaming.job_kinds import NEARLINE
from leeway.terminal import show


def follow(opened: Context, model: Model, *, as_json: bool) -> None:
    """Answer the requests of the model's topic until stopped, and print what was answered.

    Raises
    ------
    ProjectError
        The model has no topic of requests.
    EngineError
        Another command answers them, or the job fails.
    """
    if not NEARLINE.wanted(model):
        why, fix = NEARLINE.missing
        msg = f"{model.name} has nothing to answer: {why}"
        raise ProjectError(msg, hint=f"{fix}, or name a directory of files and one of predictions")
    tally = NearlineTally()
    msg = f"the requests of {model.name} are already being answered from {opened.dir}"
    busy = EngineError(msg, hint="stop the other `leeway nearline` first")
    with lock_file.exclusive(opened.dir / f"nearline-{file_name(model.name)}.lock", busy):
        _answer(opened, model, tally)
    _print(model, tally, as_json=as_json)


def _answer(opened: Context, model: Model, tally: NearlineTally) -> None:
    note = following.noter(model.name)
    show.note_on_stderr(show.text(f"Answering the requests of {model.name}; Ctrl-C stops. Flink is starting..."))
    with landing.following(model.landed_facts, partial(datetime.now, UTC), note):
        following.follow(partial(follow_requests.answering, opened, model, tally, note), tally.text, note)


def _print(model: Model, tally: NearlineTally, *, as_json: bool) -> None:
    if as_json:
        show.as_json({"ok": not tally.rejected, "model": model.name, "version": tally.champion,
                      "rows": sum(tally.rows.values()), "by_version": tally.rows, "rejected": tally.rejected,
                      "reasons": tally.reasons})  # fmt: skip
        return
    show.note(show.text(f"Stopped. {tally.text()}."))
