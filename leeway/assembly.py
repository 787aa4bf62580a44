"""Assembles for one model what Flink jobs, flows and audits need: job spec, workspace, baselines, alert delivery."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from alerts.delivery import Delivered
from alerts.delivery import deliver as send
from features.errors import LeewayError, NotFound
from features.window import UTC, to_ms
from leeway import context
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model, Project
from monitors.baseline import published
from monitors.error_stream import stream_findings
from monitors.flink import baseline_job, files_source_job, run_job
from monitors.job_spec import JobSpec
from monitors.report import Report, canonical
from registry import baseline_plan, queries
from registry.files import published_baselines
from registry.incidents.ingest import Rules
from retrain_flows.config import Limits
from retrain_flows.data.event_log import StoredEvents
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import reconcile_state
from retrain_flows.orchestration.model_jobs import Job
from retrain_flows.training import trainer_process


def baselines(opened: Context, model: Model) -> Path:
    """Return the folder of the model's published baselines, with a file for each one in the registry.

    Raises
    ------
    NotFound
        The model has no baseline yet.
    ArtifactError
        A file differs from the registry's baseline.
    """
    folder = opened.dir / "baselines" / model.name
    for version, own in digests(opened, model).items():
        for revision, digest in enumerate(own, start=1):
            if not published_baselines.is_published(folder, version, digest, revision):
                published_baselines.publish(folder, version, queries.baseline_text(opened.registry, digest), revision)
        _require_no_later(folder, version, len(own))
    if queries.champion(opened.registry, model.name) is None:
        msg = f"{model.name} has no baseline to compare with yet"
        raise NotFound(msg, hint="run `leeway baseline`, or `leeway retrain --first` to train a first version")
    return folder


def _require_no_later(folder: Path, version: str, revisions: int) -> None:
    """Raise ArtifactError if a baseline of a version is published beyond the *revisions* that the registry has."""
    path = published.baseline_path(folder, version, revisions + 1)
    if path.is_file():
        raise published.altered_error(str(path), "the registry has no such revision")


def digests(opened: Context, model: Model) -> dict[str, list[str]]:
    """Return the sha256 of each revision of the baseline of each version that has one, the first one first."""
    versions = [v.version for v in queries.versions(opened.registry, model.name) if v.baseline]
    return {version: baseline_plan.digests(opened.registry, model.name, version) for version in versions}


def spec(opened: Context, model: Model, start: datetime | None = None, end: datetime | None = None) -> JobSpec:
    """Return the specification of a Flink job over all events, or over those in [start, end)."""
    first, last = (None if at is None else to_ms(at) for at in (start, end))
    folder = str(baselines(opened, model))
    return JobSpec(model.schema, model.monitor, folder, start=first, end=last, digests=digests(opened, model))


def incident_rules(model: Model) -> Rules:
    """Return by what the incidents of the model are counted."""
    return Rules(model.incidents, model.signals.ignored, awaits_decision=model.retrain is not None)


def directories(model: Model) -> files_source_job.Directories:
    """Return the directories of the model's events."""
    return files_source_job.Directories(model.events.predictions, model.events.labels)


_STATE_OF_FILES, _STATE_OF_TOPICS = "3", "2"
"""Versions of the layout of job state; a release that changes the layout changes it, and jobs start without state."""


def job_name(model: Model) -> str:
    """Return the name of the model's streaming job, which ends with a hash of everything its state depends on."""
    state = _STATE_OF_FILES if model.events.predictions.topic is None else _STATE_OF_TOPICS
    text = state + canonical(model.schema) + canonical(model.monitor) + canonical(model.events)
    return f"{model.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def workspace(opened: Context, model: Model) -> Workspace:
    """Return the workspace for retraining the model, including the Flink baseline job."""
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
        run_training=partial(_run_training, limits=model.retrain.limits if model.retrain else Limits()),
        incidents=model.incidents,
        facts=model.facts,
    )


def stored_events(opened: Context, model: Model) -> StoredEvents:
    """Return the model's event log as it is stored."""
    ws = workspace(opened, model)
    return StoredEvents(model.schema, model.events, ws.sets, facts=model.facts)


def _run_training(training: Callable[[Any], Any], order: Any, *, limits: Limits) -> Any:
    """Call a training in a process of its own, with limits of time and memory."""
    return trainer_process.run_limited(training, order, limits=limits)


def replay(opened: Context, model: Model, start: datetime, end: datetime) -> list[Report]:
    """Return the reports on every window inside [start, end), recomputed in batch."""
    begin = stream_findings.read_from(model.schema.windows, start) if model.monitor.error_stream else start
    outcome = run_job.run_once(spec(opened, model, begin), directories(model), opened.dir / "logs")
    return [r for r in outcome.reports if start <= r.window_start and r.window_end <= end]


def job(opened: Context, model: Model) -> Job:
    """Return the job that the flows of *model* run, on what its tables have by now."""
    landing.land(model.landed, datetime.now(UTC))
    again = partial(replay, opened, model)
    return Job(
        workspace(opened, model), again, opened.project.audit.period, partial(deliver, opened), pages(opened.project)
    )


PAGES = "LEEWAY_PAGES"
"""Environment variable with the address of Leeway's pages as others reach them, for links to them."""


def pages(project: Project) -> str:
    """Return the address of Leeway's pages, for links: of the variable, or the stack's port of this machine."""
    return os.environ.get(PAGES) or f"http://127.0.0.1:{project.stack.ports.dashboard}"


@contextmanager
def open_job(project: Path, model: str) -> Iterator[Job]:
    """Open the *project* and yield the job of its *model*. Raises NotFound if it has no such model."""
    with context.open(project) as opened:
        yield job(opened, opened.model(model))


def waiting(project: Path, models: Sequence[str]) -> dict[str, str | LeewayError]:
    """Send due alerts; return for each of *models* the digest of what its reconciler would act on, or an error.

    A digest is "" where there is nothing to do. All models are looked after with the project opened once.

    Raises
    ------
    ProjectError
        The project file cannot be read.
    RegistryError
        The registry cannot be opened.
    """
    with context.open(project) as opened:
        deliver(opened)
        policy = opened.project.path.read_text(encoding="utf-8")
        return {name: _waiting(opened, name, policy) for name in models}


def _waiting(opened: Context, name: str, policy: str) -> str | LeewayError:
    try:
        model = opened.model(name)
        return reconcile_state.digest(opened.registry, model.name, policy, retrain=model.retrain)
    except LeewayError as error:
        return error


def deliver(opened: Context) -> Delivered:
    """Send every due alert to the endpoints that subscribe to it, and return the totals."""
    total, alerts = Delivered(), opened.project.alerts
    while (batch := send(opened.registry, alerts, now=datetime.now(UTC), environ=os.environ)).total:
        total += batch
    return total
