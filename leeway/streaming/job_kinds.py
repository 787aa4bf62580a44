"""The kinds of streaming jobs that a model may have on a cluster, in one table: what `leeway job` manages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.schema import Source
from leeway import assembly
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings, nearline_job
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
        The topics that it reads; event time is that of the first.
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
    job_name: Callable[[Model], str]
    group: Callable[[Context, Model], str]
    sources: Callable[[Model], Sequence[Source]]
    start: Callable[[Context, Model, str, Path | str | None], Any]
    replays: bool
    begins: str
    beside: tuple[str, str]

    def cluster_name(self, opened: Context, model: Model) -> str:
        """Return the job's name on a cluster."""
        return job_settings.name_on_cluster(opened, self.job_name(model))

    def newest_state(self, opened: Context, model: Model) -> Path | None:
        """Return the newest checkpoint or savepoint that the job can resume from; None if there is none."""
        name = self.job_name(model)
        roots = (opened.dir / "checkpoints" / name, opened.dir / "savepoints" / name)
        states = [state for root in roots if (state := environment_job.newest_checkpoint(root))]
        return max(states, key=lambda p: (p / "_metadata").stat().st_mtime_ns, default=None)


MONITOR = JobKind(
    name="monitor",
    wanted=job_settings.follows_topics,
    missing=("its events are in directories", "`leeway monitor` reads directories; jobs on a cluster read topics"),
    job_name=assembly.job_name,
    group=job_settings.group,
    sources=lambda model: [s for s in (model.events.predictions, model.events.labels) if s],
    start=job_settings.start,
    replays=True,
    begins="from the beginning of its topics",
    beside=("leeway ingest", "stores its reports in the registry"),
)
NEARLINE = JobKind(
    name="nearline",
    wanted=lambda model: model.nearline is not None,
    missing=("it has no topic of requests", "set `nearline: {requests: {topic: ...}}` for the model"),
    job_name=lambda model: f"{model.name}.nearline-{nearline_job.identity(model)}",
    group=nearline_job.group,
    sources=nearline_job.sources,
    start=nearline_job.start,
    replays=False,
    begins="from the offsets of its group",
    beside=("leeway nearline", "has it follow promotions"),
)
KINDS = {kind.name: kind for kind in (MONITOR, NEARLINE)}
"""All kinds, by name."""
