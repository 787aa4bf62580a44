"""The job that publishes samples out of topics: its names, its settings, its start."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from features import errors
from features.files.whole_file import write_whole
from features.schema import Source
from features.security.file_names import file_name
from features.window import to_ms
from leeway import learner_branch
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings
from monitors.flink import deploy_job, samples_job
from monitors.flink.sinks_job import OutputTopics
from monitors.report import canonical
from monitors.samples.parts import SampleParts
from monitors.worker import sample_pieces
from monitors.worker.sample_pieces import SampleSpec
from registry.faulty_periods import faulty_periods


def spec(opened: Context, model: Model, target: SampleParts, since: int = 0) -> SampleSpec:
    """Return what the job's workers know; samples begin at *since* (ms)."""
    barred = opened.dir / "samples" / f"{file_name(model.name)}-barred.json"
    return SampleSpec(model.schema, target.folder, since, barred.resolve())


def write_barred(opened: Context, model: Model, path: Path) -> None:
    """Write the intervals under a data fault where workers read them, if they have changed.

    Without a registry those of before count.
    """
    with contextlib.suppress(errors.Outage):
        own = [(to_ms(fault.start), to_ms(fault.end)) for fault in faulty_periods(opened.registry, model.name)]
        if tuple(own) != sample_pieces.read_barred(path):
            write_whole(path, json.dumps(own).encode())


def wanted(model: Model) -> bool:
    """Return whether the model has such a job: its events are in topics, with labels, and something learns of them."""
    return learner_branch.is_wanted(model) and model.events.labels is not None and job_settings.follows_topics(model)


def sources(model: Model) -> tuple[Source, ...]:
    """Return the topics that the job reads."""
    return tuple(source for source in (model.events.predictions, model.events.labels) if source)


def job_name(opened: Context, model: Model) -> str:
    """Return the job's name, which depends on the events that it joins."""
    text = f"{canonical(model.schema)}\0{canonical(model.events)}"
    return f"{model.name}.samples-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def group(opened: Context, model: Model) -> str:
    """Return the consumer group under which the job commits its offsets."""
    return f"{job_settings.group(opened, model)}.samples"


def progress_topic(model: Model) -> str:
    """Return the topic of the job's progress: parts, events that came too late, records that could not be read."""
    return f"leeway.{model.name}.samples-progress"


def start(opened: Context, model: Model, name: str, begin: Path | str | None) -> Any:
    """Start the job into the model's folder of samples; return its ``TableResult``.

    Raises
    ------
    BrokerError
        Kafka does not answer, or a topic does not exist.
    DataError
        The folder holds samples of something else.
    """
    target = learner_branch.samples(opened, model)
    target.begin(model.schema)
    own = spec(opened, model, target)
    write_barred(opened, model, own.barred)
    how = job_settings.deployment(opened, model, name)
    topics = replace(job_settings.input_topics(opened, model), group=group(opened, model))
    bootstrap, progress = model.events.predictions.bootstrap, progress_topic(model)
    job_settings.make_topics(bootstrap, {"progress": progress})
    outputs = OutputTopics(bootstrap, "", "", progress, group(opened, model), opened.project.flink.transaction_timeout)
    submit = partial(samples_job.submit_topics, spec=own, topics=topics, outputs=outputs)
    return deploy_job.launch(submit, how, deploy_job.options(how, topics), begin)
