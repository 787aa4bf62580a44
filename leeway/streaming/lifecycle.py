"""The life cycle of a model's job over topics: start, check, stop, restart, upgrade; embedded or on a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from features.errors import EngineAway, EngineError, NotFound
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings
from leeway.streaming.flink_rest import Cluster, Job
from leeway.streaming.job_kinds import MONITOR, JobKind
from monitors.flink import run_job

_LITTLE_ROOM_MIB = 1024
"""Free disk space (MiB) below which a failure message mentions it."""


@dataclass(frozen=True, slots=True)
class Started:
    """A started job and the state that it restored: None where it reads its topics from the beginning."""

    id: str
    name: str
    begin: Path | None
    because: str = ""


@contextmanager
def running(opened: Context, model: Model, kind: JobKind = MONITOR) -> Iterator[Callable[[], None]]:
    """Run the model's job; the callable raises EngineError if it has ended, EngineAway if it failed or was lost.

    Without a cluster it runs in this process until the block ends, from its newest checkpoint. On a cluster it is
    started unless it runs, and continues afterwards.
    """
    if opened.project.flink.address is None:
        begin = kind.newest_state(opened, model)
        job = run_job.Running(kind.start(opened, model, kind.job_name(opened, model), begin), opened.dir / "logs")
        try:
            yield job.check
        finally:
            job.stop()
        return
    flink = cluster(opened)
    at_work = current(opened, model, kind)
    number = at_work.id if at_work else submit(opened, model, kind).id
    yield lambda: check(flink, number, opened.dir / "checkpoints")


def check(flink: Cluster, number: str, checkpoints: Path) -> None:
    """Raise EngineError if the job *number* has ended, EngineAway if it has failed or was lost.

    The message mentions little disk space for *checkpoints*: Flink only reports that none were made.
    """
    job = flink.job(number)
    if job.ended:
        why = "; ".join(filter(None, (flink.failure(job), _room(checkpoints))))
        msg = f"{job.name} has ended ({job.state.lower()}){f': {why}' if why else ''}"
        # A failed job may be retried from its newest state; a job that somebody stopped is not restarted.
        kind = EngineAway if job.state == "FAILED" else EngineError
        raise kind(msg, hint="`leeway job submit` starts it again from its newest state")


def _room(folder: Path) -> str:
    """Return the free space in *folder* as text; empty where there is enough, or no such folder."""
    free = shutil.disk_usage(folder).free >> 20 if folder.exists() else _LITTLE_ROOM_MIB
    return "" if free >= _LITTLE_ROOM_MIB else f"{free} MiB are free in {folder}"


def cluster(opened: Context) -> Cluster:
    """Return the project's cluster. Raises EngineError if jobs run inside the monitor."""
    address = opened.project.engine().address
    if address is None:
        msg = "this project has no Flink cluster: its jobs run inside `leeway monitor`"
        raise EngineError(msg, hint="set flink: {address: host:port}, or env:LEEWAY_FLINK for the one of `leeway up`")
    return Cluster(address)


def all_of(opened: Context, model: Model, kind: JobKind = MONITOR) -> list[Job]:
    """Return the model's jobs on the cluster, of any earlier project file, the newest first, ended ones included."""
    stem = kind.cluster_name(opened, model).rpartition("-")[0] + "-"
    return [job for job in cluster(opened).jobs(stem) if "-" not in job.name.removeprefix(stem)]


def current(opened: Context, model: Model, kind: JobKind = MONITOR) -> Job | None:
    """Return the model's running job, None if there is none.

    Raises
    ------
    EngineError
        The running job is that of an earlier project file.
    """
    at_work = _current_job(opened, model, kind)
    if at_work and at_work.name != kind.cluster_name(opened, model):
        msg = f"{at_work.name} is running, but {model.name} has changed in the project file since"
        raise EngineError(msg, hint="`leeway job upgrade` replaces it")
    return at_work


def _current_job(opened: Context, model: Model, kind: JobKind = MONITOR) -> Job | None:
    return next((job for job in all_of(opened, model, kind) if not job.ended), None)


def is_at_work(opened: Context, model: Model, kind: JobKind = MONITOR) -> bool:
    """Return whether the model has a running job of the kind, of this or of an earlier project file."""
    return _current_job(opened, model, kind) is not None


def submit(opened: Context, model: Model, kind: JobKind = MONITOR, *, replay: bool = False) -> Started:
    """Start the model's job on the cluster from its newest state, or with *replay* from its topics' beginning.

    Raises
    ------
    EngineError
        It is running already, or Flink refuses it.
    """
    if at_work := _current_job(opened, model, kind):
        msg = f"{at_work.name} is running already, as {at_work.id}"
        raise EngineError(msg, hint="use `leeway job restart`, `upgrade` or `stop` for a running job")
    _check_replay(kind, replay=replay)
    begin = None if replay else kind.newest_state(opened, model)
    return _start(opened, model, kind, begin, "--replay" if replay else "")


def _check_replay(kind: JobKind, *, replay: bool) -> None:
    """Raise EngineError if a job is to read its topics anew whose output would then be there twice."""
    if replay and not kind.replays:
        msg = f"a replay of the {kind.name} job would write again what it has written"
        raise EngineError(msg, hint="leave --replay out: without state it goes on where its group is")


def _start(opened: Context, model: Model, kind: JobKind, begin: Path | None, because: str = "") -> Started:
    number = str(kind.start(opened, model, kind.job_name(opened, model), begin).get_job_client().get_job_id())
    cluster(opened).wait(number)
    return Started(number, kind.cluster_name(opened, model), begin, because)


def stop(opened: Context, model: Model, kind: JobKind = MONITOR, *, kill: bool = False) -> Path | None:
    """Stop the model's job with a savepoint, which is returned; or with *kill* at once, without one.

    Raises
    ------
    NotFound
        No job is running.
    EngineError
        Flink cannot make the savepoint; the job continues.
    """
    flink, job = cluster(opened), _running_job(opened, model, kind)
    if kill:
        flink.cancel(job)
        return None
    return flink.stop(job, opened.dir / "savepoints" / job.name.removeprefix(job_settings.name_on_cluster(opened, "")))


def _running_job(opened: Context, model: Model, kind: JobKind = MONITOR) -> Job:
    if job := _current_job(opened, model, kind):
        return job
    msg = f"no job of {model.name} is running"
    raise NotFound(msg, hint="`leeway job submit` starts it")


def restart(opened: Context, model: Model, kind: JobKind = MONITOR, *, replay: bool = False) -> Started:
    """Stop the job with a savepoint and start it from that; or with *replay* from its topics' beginning."""
    _check_replay(kind, replay=replay)
    current(opened, model, kind)
    if replay:
        stop(opened, model, kind, kill=True)
        return _start(opened, model, kind, None, "--replay")
    return _start(opened, model, kind, stop(opened, model, kind))


def upgrade(opened: Context, model: Model, kind: JobKind = MONITOR) -> Started:
    """Replace the running job by that of the current project file and release; its state is kept where possible.

    State is kept if schema, policy and topics of the model are unchanged: then only how the job runs has changed.
    Otherwise the counts have another meaning, and the topics are read from the beginning; reports that the registry has
    already change nothing.
    """
    job = _running_job(opened, model, kind)
    if job.name == kind.cluster_name(opened, model):
        return _start(
            opened, model, kind, stop(opened, model, kind), "what it computes is unchanged: its state is kept"
        )
    stop(opened, model, kind, kill=True)
    begin = kind.newest_state(opened, model)
    reason = "restored from an earlier run of the same settings" if begin else "its topics are read from the beginning"
    return _start(opened, model, kind, begin, f"the model has changed since {job.name}: {reason}")
