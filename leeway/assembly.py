"""Puts the rooms together for one model: what the Flink jobs, the flows and the audit are given to work with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from alerts.delivery import Delivered
from alerts.delivery import deliver as send
from features.errors import NotFound
from features.window import UTC, to_ms
from leeway import context
from leeway.context import Context
from leeway.project.load import Model
from monitors.error_stream import stream_findings
from monitors.flink import baseline_job, files_source_job, run_job
from monitors.job_spec import JobSpec
from monitors.report import Report, canonical
from registry import queries
from registry.files import published_baselines
from retrain_flows import reconcile
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration.model_jobs import Job


def baselines(opened: Context, model: Model) -> Path:
    """Return the folder of the model's published baselines, with a file for every one the registry knows.

    Raises:
        NotFound: the model has no baseline yet.
        ArtifactError: a file is not what the registry has.
    """
    folder = opened.dir / "baselines" / model.name
    for version, digest in digests(opened, model).items():
        if not published_baselines.is_published(folder, version, digest):
            published_baselines.publish(folder, version, queries.baseline_text(opened.registry, digest))
    if queries.champion(opened.registry, model.name) is None:
        msg = f"{model.name} has no baseline to compare with yet"
        raise NotFound(msg, hint="run `leeway baseline`, or `leeway retrain --first` to train a first version")
    return folder


def digests(opened: Context, model: Model) -> dict[str, str]:
    """Return the sha256 of each version's baseline, of those that have one."""
    return {v.version: v.baseline for v in queries.versions(opened.registry, model.name) if v.baseline}


def spec(opened: Context, model: Model, start: datetime | None = None, end: datetime | None = None) -> JobSpec:
    """Return what Flink's workers need to know, for all events or for those in [start, end)."""
    first, last = (None if at is None else to_ms(at) for at in (start, end))
    folder = str(baselines(opened, model))
    return JobSpec(model.schema, model.monitor, folder, start=first, end=last, digests=digests(opened, model))


def directories(model: Model) -> files_source_job.Directories:
    """Return where the model's events appear."""
    return files_source_job.Directories(model.events.predictions, model.events.labels)


#: How jobs lay out what they keep; a release that changes it gives another number, and starts jobs anew.
_STATE = "2"


def job_name(model: Model) -> str:
    """Return the name of the model's streaming job: another one whenever its state would mean something else."""
    text = _STATE + canonical(model.schema) + canonical(model.monitor) + canonical(model.events)
    return f"{model.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def workspace(opened: Context, model: Model) -> Workspace:
    """Return what retraining the model works with, the Flink baseline job included."""
    return Workspace(
        registry=opened.registry,
        schema=model.schema,
        events=model.events,
        monitor=model.monitor,
        signals=model.signals,
        retrain=model.retrain,
        project_dir=opened.project.folder,
        state=opened.dir,
        build_baseline=partial(baseline_job.run, logs=opened.dir / "logs"),
    )


def replay(opened: Context, model: Model, start: datetime, end: datetime) -> list[Report]:
    """Return the reports on every window inside [start, end), computed anew in batch."""
    begin = stream_findings.read_from(model.schema.windows, start) if model.monitor.error_stream else start
    outcome = run_job.run_once(spec(opened, model, begin), directories(model), opened.dir / "logs")
    return [r for r in outcome.reports if start <= r.window_start and r.window_end <= end]


def job(opened: Context, model: Model) -> Job:
    """Return what the flows of *model* work with."""
    again = partial(replay, opened, model)
    return Job(workspace(opened, model), again, opened.project.audit.period, partial(deliver, opened))


@contextmanager
def open_job(project: Path, model: str) -> Iterator[Job]:
    """Open the *project* for what the flows of its *model* work with. Raises NotFound if it has no such model."""
    with context.open(project) as opened:
        yield job(opened, opened.model(model))


def is_settled(project: Path, model: str) -> bool:
    """Send the alerts that are due, and say whether nothing waits for the reconciler of *model*."""
    with context.open(project) as opened:
        deliver(opened)
        return reconcile.idle(opened.registry, opened.model(model).name)


def deliver(opened: Context) -> Delivered:
    """Send every alert that is due to the endpoints that want it, and return what it came to."""
    total, alerts = Delivered(), opened.project.alerts
    while (batch := send(opened.registry, alerts, now=datetime.now(UTC), environ=os.environ)).total:
        total += batch
    return total
