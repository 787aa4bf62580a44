"""Deployment of the profile job over topics: on the embedded mini-cluster, or on a remote Flink cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyflink

from features import errors
from features.window import to_ms
from monitors.flink import environment_job, file_paths, kafka_source_job, profile_job, rest_address, run_job
from monitors.flink.config import Engine
from monitors.flink.sinks_job import OutputTopics
from monitors.job_spec import JobSpec

_MODE = "_python_worker_execution_mode"
"""PyFlink's variable of where Python workers run: on a cluster, in processes of the TaskManager, or the job would end
with the client that submitted it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """How one job is run.

    Parameters
    ----------
    name
        Identifies what the job computes: a job with another name does not use this one's checkpoints.
    title
        The job's name in Flink.
    engine
        Where Flink is, and its settings.
    state
        Directory of checkpoints; a cluster's machines must share it.
    jars
        Jars of the Kafka connector.
    rooms
        Archives of the Python code that is sent along.
    java_options
        Java's options of an embedded Flink.
    """

    name: str
    title: str
    engine: Engine
    state: Path
    jars: tuple[Path, ...]
    rooms: tuple[Path, ...] = ()
    java_options: str = environment_job.JAVA_OPTIONS

    @property
    def logs(self) -> Path:
        """Directory of an embedded Flink's log."""
        return self.state / "logs"

    @property
    def checkpoints(self) -> Path:
        """Directory of the job's checkpoints."""
        return self.state / "checkpoints" / self.name


def with_interval(deployment: Deployment, interval: timedelta) -> Deployment:
    """Return the deployment with another time between checkpoints."""
    return replace(deployment, engine=deployment.engine.model_copy(update={"checkpoint_interval": interval}))


def start(
    spec: JobSpec,
    topics: kafka_source_job.Topics,
    outputs: OutputTopics,
    deployment: Deployment,
    begin: Path | str | None = None,
) -> Any:
    """Start the job; return its ``TableResult``.

    Parameters
    ----------
    spec
        The job's specification.
    topics
        Where it reads events.
    outputs
        Where it writes its output.
    deployment
        How it is run.
    begin
        Savepoint or checkpoint to restore; without it, everything that the topics still have is read.

    Raises
    ------
    EngineError
        Java or Flink does not start.
    EngineAway
        Flink does not accept the job.
    """
    submit = partial(profile_job.submit, spec=spec, place=topics, outputs=outputs, follow=True)
    return launch(submit, deployment, options(deployment, topics), begin)


def launch(
    submit: Callable[[Any], Any], deployment: Deployment, settings: Mapping[str, str], begin: Path | str | None = None
) -> Any:
    """Start any job; return its ``TableResult``.

    Parameters
    ----------
    submit
        Starts the job in a table environment.
    deployment
        How it is run.
    settings
        Flink's configuration.
    begin
        Savepoint or checkpoint to restore.

    Raises
    ------
    EngineError
        Java or Flink does not start.
    EngineAway
        Flink does not accept the job.
    """
    checkpoints = environment_job.Checkpoints(deployment.checkpoints, deployment.engine.interval, begin)
    with _worker_mode("process" if deployment.engine.address else None):
        tables = environment_job.environment(
            deployment.logs, streaming=True, checkpoints=checkpoints, options=settings,
            java_options=deployment.java_options,
        )  # fmt: skip
        try:
            return submit(tables)
        except errors.LeewayError:
            raise
        except Exception as error:  # py4j wraps every Java exception in one type
            failure = run_job.engine_error(error, deployment.logs)
            raise errors.EngineAway(failure.message, hint=failure.hint) from error


def options(deployment: Deployment, topics: kafka_source_job.Topics) -> Mapping[str, str]:
    """Return Flink's configuration of the profile job."""
    # A bundle ends with a wait for what is under way; its batches let Java read on while Python decodes. A columnar
    # record holds many events: as many records as of JSON would not fit.
    bundle, batch = ("500", "100") if topics.predictions.format == "arrow" else ("40000", "10000")
    return {
        **engine_options(deployment),
        # Each watermark ends a batch in the worker: rarer ones make larger batches.
        "pipeline.auto-watermark-interval": "1 s",
        "python.fn-execution.bundle.size": bundle,
        "python.fn-execution.arrow.batch.size": batch,
        "python.fn-execution.bundle.time": "1000",
    }


def engine_options(deployment: Deployment) -> Mapping[str, str]:
    """Return Flink's configuration of any job: where and under which name it runs, its jars and its restarts."""
    engine, jars = deployment.engine, list(deployment.jars)
    cluster: dict[str, str] = {}
    if engine.address:
        jars += (Path(pyflink.__file__).parent / "opt").glob("flink-python-*.jar")
        cluster = {"execution.target": "remote", **rest_address.parse(engine.address).options()}
    if deployment.rooms:
        cluster["python.files"] = ",".join(file_paths.to_flink(path) for path in deployment.rooms)
    return {
        "pipeline.name": deployment.title,
        # These alone are URLs, which Java decodes.
        "pipeline.jars": ";".join(path.resolve().as_uri() for path in jars),
        "parallelism.default": str(engine.parallelism),
        "pipeline.object-reuse": "true",
        "state.backend.type": engine.state_backend,
        "restart-strategy.fixed-delay.attempts": str(engine.restart.attempts),
        "restart-strategy.fixed-delay.delay": f"{to_ms(engine.restart.delay)} ms",
        **cluster,
    }


@contextmanager
def _worker_mode(mode: str | None) -> Iterator[None]:
    """Set PyFlink's environment variable of where Python workers run, and restore it at the end."""
    before = os.environ.pop(_MODE, None)
    if mode:
        os.environ[_MODE] = mode
    try:
        yield
    finally:
        os.environ.pop(_MODE, None)
        if before is not None:
            os.environ[_MODE] = before
