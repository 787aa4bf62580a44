"""The nearline job over topics: its topics and names, and its start."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import features
import leeway
import monitors
import registry
import serving
from features.events import encode, publishing
from features.schema import Source
from features.window import UTC
from leeway import dead_letters, nearline_champion
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings
from monitors.flink import deploy_job, environment_job, record_answers_job
from monitors.flink.record_answers_job import PROMPT, Requests
from monitors.flink.sinks_job import EventTopic, OutputTopics
from serving.config import Nearline
from serving.nearline.champion_file import ChampionFollower
from serving.nearline.record_scoring import RecordScoring
from serving.nearline.worker_model import WorkerModel

_ROOMS = (features, monitors, registry, serving, leeway)
_PARTITIONS = 4
"""Partitions of a topic of predictions that has to be made."""


def section(model: Model) -> Nearline:
    """Return the model's `nearline` section, which must be there."""
    assert model.nearline is not None
    return model.nearline


def sources(model: Model) -> tuple[Source, ...]:
    """Return the topic that the job reads."""
    return (section(model).requests,)


def job_name(opened: Context, model: Model) -> str:
    """Return the job's name, which depends on its topics: its state is where it is in them.

    It does not depend on features: a changed model goes on where the one before was, and answers no request again.
    """
    places = [f"{source.bootstrap} {source.topic}" for source in (*sources(model), model.events.predictions)]
    text = "\0".join(places)
    return f"{model.name}.nearline-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def group(opened: Context, model: Model) -> str:
    """Return the consumer group under which the job commits its offsets."""
    return f"{job_settings.group(opened, model)}.nearline"


def progress_topic(model: Model) -> str:
    """Return the topic of the job's progress: rows, rejected rows and version of each batch."""
    return f"leeway.{model.name}.nearline-progress"


def outputs(opened: Context, model: Model) -> EventTopic:
    """Return the job's output topics, which are created where they are missing.

    Raises
    ------
    BrokerError
        Kafka does not answer, or refuses.
    """
    target = model.events.predictions
    names = {"rejects": job_settings.output_topic(model, "rejects"), "progress": progress_topic(model)}
    job_settings.make_topics(target.bootstrap, names)
    publishing.ensure(target.bootstrap, target.topic or "", _PARTITIONS)
    timeout = opened.project.flink.transaction_timeout
    # One prefix for all jobs of the model: the next one aborts transactions that a killed one left open.
    beside = OutputTopics(target.bootstrap, "", **names, prefix=group(opened, model), timeout=timeout)
    return EventTopic(target.topic or "", encode.CONTENT[target.format], beside)


def follower(opened: Context, model: Model, note: Callable[[str], None]) -> ChampionFollower:
    """Return what puts the registry's champion into the file that workers read; it has looked once.

    Raises
    ------
    NotFound, ArtifactError
        There is no champion, or it cannot be loaded, and no version has answered before.
    """
    path = nearline_champion.path(opened, model)
    made = ChampionFollower(opened.registry, model.schema, model.trusted, path, note)
    made.resume(time.monotonic())
    return made


def worker_model(opened: Context, model: Model) -> WorkerModel:
    """Return the model as the workers of nearline jobs have it, over topics and over files."""
    champion, store = nearline_champion.path(opened, model), opened.artifacts.root.resolve()
    set_aside = partial(dead_letters.append, opened.dir.resolve(), model.name)
    return WorkerModel(model.schema, model.facts, champion, store, model.trusted, set_aside, partial(datetime.now, UTC))


def scoring(opened: Context, model: Model) -> RecordScoring:
    """Return what the workers do with requests."""
    return RecordScoring(worker_model(opened, model), model.events.predictions, opened.project.folder)


def start(opened: Context, model: Model, name: str, begin: Path | str | None, *, bounded: bool = False) -> Any:
    """Start the job; return its ``TableResult``.

    Parameters
    ----------
    opened
        The project.
    model
        The model, with a `nearline` section.
    name
        The job's name.
    begin
        Savepoint or checkpoint to restore.
    bounded
        Whether the job ends where the topic of requests ends now.

    Raises
    ------
    BrokerError
        Kafka does not answer, or there is no topic of requests.
    NotFound, ArtifactError
        There is no champion, or it cannot be loaded.
    """
    own = section(model)
    how = job_settings.deployment(opened, model, name, _ROOMS)
    how = deploy_job.with_interval(how, own.checkpoint_interval)
    how = replace(how, java_options=environment_job.SERVICE_JAVA_OPTIONS)
    readers = job_settings.readers_of(how.engine.parallelism, own.requests)
    requests = Requests(own.requests, group(opened, model), readers, bounded)
    written = outputs(opened, model)
    follower(opened, model, lambda _: None)
    submit = partial(record_answers_job.submit, function=scoring(opened, model), requests=requests, outputs=written)
    return deploy_job.launch(submit, how, {**deploy_job.engine_options(how), **PROMPT}, begin)
