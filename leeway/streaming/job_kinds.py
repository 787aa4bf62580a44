"""The kinds of streaming jobs that a model may have on a cluster, in one table: what `leeway job` manages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.schema import Source
from leeway import assembly, learner_branch
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings, learner_job, nearline_job, samples_job
from monitors.flink import environment_job


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job.

    Parameters
    ----------
    name
        Its name.
    wanted
        Whether a model has such a job by the project file.
    missing
        What is missing where it has none, and the fix.
    job_name
        The job's name in the project, which ends with a hash of what its state depends on.
    group
        The consumer group of its offsets.
    sources
        The topics that it reads; event time is that of the first. None for a job that reads files.
    start
        Starts the job: project, model, name, and the state to restore.
    replays
        Whether its topics may be read anew: what it writes is then known already, and changes nothing.
    begins
        Where a job without state begins.
    beside
        The command that has to run beside the job, and what it does.
    """

    name: str
    wanted: Callable[[Model], bool]
    missing: tuple[str, str]
    job_name: Callable[[Context, Model], str]
    group: Callable[[Context, Model], str]
    sources: Callable[[Model], Sequence[Source]]
    start: Callable[[Context, Model, str, Path | str | None], Any]
    replays: bool
    begins: str
    beside: tuple[str, str]

    def cluster_name(self, opened: Context, model: Model) -> str:
        """Return the job's name on a cluster."""
        return job_settings.name_on_cluster(opened, self.job_name(opened, model))

    def newest_state(self, opened: Context, model: Model) -> Path | None:
        """Return the newest checkpoint or savepoint that the job can resume from; None if there is none."""
        name = self.job_name(opened, model)
        roots = (opened.dir / "checkpoints" / name, opened.dir / "savepoints" / name)
        states = [state for root in roots if (state := environment_job.newest_checkpoint(root))]
        return max(states, key=lambda p: (p / "_metadata").stat().st_mtime_ns, default=None)


MONITOR = JobKind(
    name="monitor",
    wanted=job_settings.follows_topics,
    missing=("its events are in directories", "`leeway monitor` reads directories; jobs on a cluster read topics"),
    job_name=lambda _, model: assembly.job_name(model),
    group=job_settings.group,
    sources=samples_job.sources,
    start=job_settings.start,
    replays=True,
    begins="from the beginning of its topics",
    beside=("leeway ingest", "stores its reports in the registry"),
)
NEARLINE = JobKind(
    name="nearline",
    wanted=lambda model: model.nearline is not None,
    missing=("it has no topic of requests", "set `nearline: {requests: {topic: ...}}` for the model"),
    job_name=nearline_job.job_name,
    group=nearline_job.group,
    sources=nearline_job.sources,
    start=nearline_job.start,
    replays=False,
    begins="from the offsets of its group",
    beside=("leeway nearline", "has it follow promotions"),
)
SAMPLES = JobKind(
    name="samples",
    wanted=samples_job.wanted,
    missing=("it has no events and labels in topics, or nothing learns of them", "set `retrain.online` for the model"),
    job_name=samples_job.job_name,
    group=samples_job.group,
    sources=samples_job.sources,
    start=samples_job.start,
    replays=True,
    begins="from the beginning of its topics",
    beside=("leeway samples follow", "tells it of data faults"),
)
LEARNER = JobKind(
    name="learner",
    wanted=learner_branch.is_wanted,
    missing=("it has no online trainer", "set `retrain.online` for the model"),
    job_name=learner_job.job_name,
    group=lambda opened, model: f"{job_settings.group(opened, model)}.learner",
    sources=lambda _: (),
    start=learner_job.start,
    replays=True,
    begins="from its first samples",
    beside=("leeway learner run", "ends it when a snapshot of it is rolled back"),
)
KINDS = {kind.name: kind for kind in (MONITOR, NEARLINE, SAMPLES, LEARNER)}
"""All kinds, by name."""
