"""The settings of a model's streaming job: input and output topics, names, deployment, checkpoints and savepoints."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import features
import monitors
from features.errors import ProjectError
from features.events import publishing
from features.files.whole_file import write_whole
from features.kafka import connections, offset_ranges
from features.schema import Source
from features.window import from_ms
from leeway import assembly
from leeway.context import Context
from leeway.project.load import Model
from leeway.stack import coordinates
from monitors.flink import committed_output, deploy_job
from monitors.flink.committed_output import CommittedTopics
from monitors.flink.kafka_source_job import Topics
from monitors.flink.sinks_job import OutputTopics

_RETENTION_MS = {"reports": publishing.RETAIN_FOREVER, "rejects": publishing.RETAIN_FOREVER, "progress": 7 * 86_400_000}
"""Retention of output topics (ms): reports and dead letters are kept for ever, progress for a week."""
ROOMS: tuple[ModuleType, ...] = (features, monitors)
"""The packages that workers of the job that monitors run."""
_NAMES = {"reports": "reports", "rejects": "dead-letters", "progress": "progress"}


def follows_topics(model: Model) -> bool:
    """Return whether the model's events are in topics.

    Raises
    ------
    ProjectError
        Its predictions are in a topic and its labels in a directory, or the other way round.
    """
    sources = [s for s in (model.events.predictions, model.events.labels) if s]
    kinds = {s.topic is not None for s in sources}
    if len(kinds) > 1:
        msg = f"{model.name} has one of predictions and labels in a topic, the other in a directory"
        raise ProjectError(msg, hint="put both in topics, or predictions in a directory")
    return kinds == {True}


def group(opened: Context, model: Model) -> str:
    """Return the consumer group under which the model's job commits its offsets."""
    return f"leeway.{opened.project.name}.{model.name}"


def name_on_cluster(opened: Context, name: str) -> str:
    """Return the name of a job of the project on a cluster."""
    return f"leeway.{opened.project.name}.{name}"


def output_topic(model: Model, kind: str) -> str:
    """Return the topic of the job's *kind* of lines: reports, rejects or progress."""
    return f"leeway.{model.name}.{_NAMES[kind]}"


def outputs(opened: Context, model: Model) -> OutputTopics:
    """Return the job's output topics, which are created where they are missing.

    Raises
    ------
    BrokerError
        Kafka does not answer, or refuses.
    """
    names = {kind: output_topic(model, kind) for kind in _NAMES}
    make_topics(model.events.predictions.bootstrap, names)
    return OutputTopics(
        model.events.predictions.bootstrap,
        **names,
        # The same for every job of the model: the next job then aborts the transactions that a killed one left open,
        # which would block consumers of committed records.
        prefix=group(opened, model),
        timeout=opened.project.flink.transaction_timeout,
    )


def make_topics(bootstrap: str, names: Mapping[str, str]) -> None:
    """Create missing topics of *names* (by kind of line). Raises BrokerError if Kafka refuses."""
    for kind, name in names.items():
        # One partition: the reports on a model come in the order in which they were made.
        publishing.ensure(bootstrap, name, 1, _RETENTION_MS[kind])


def input_topics(opened: Context, model: Model) -> Topics:
    """Return the model's input topics, with no more readers than partitions.

    Raises
    ------
    BrokerError
        Kafka does not answer, or a topic does not exist.
    """
    engine, events = opened.project.flink, model.events
    readers = [readers_of(engine.parallelism, s) if s else 1 for s in (events.predictions, events.labels)]
    return Topics(
        events.predictions, events.labels, group(opened, model), engine.idle_timeout, (readers[0], readers[1])
    )


def readers_of(parallelism: int, source: Source) -> int:
    """Return how many subtasks read a topic: no more than it has partitions.

    Raises
    ------
    BrokerError
        Kafka does not answer, or there is no such topic.
    """
    return min(parallelism, len(offset_ranges.offsets_by_partition(source.bootstrap, source.topic or "")))


def deployment(
    opened: Context, model: Model, name: str = "", rooms: Sequence[ModuleType] = ROOMS
) -> deploy_job.Deployment:
    """Return a job's deployment, by default of the model's monitoring.

    Parameters
    ----------
    opened
        The project.
    model
        The model.
    name
        The job's name in this project; by default that of the job that monitors.
    rooms
        The packages that its workers run.

    Raises
    ------
    ProjectError
        Flink's address is not set.
    EngineError
        The connector is missing.
    """
    engine, name = opened.project.engine(), name or assembly.job_name(model)
    packed = (pack_rooms(opened.dir / "jobs", rooms),) if engine.address else ()
    jars = tuple(coordinates.jars("flink-kafka"))
    return deploy_job.Deployment(name, name_on_cluster(opened, name), engine, opened.dir, jars, packed)


def start(opened: Context, model: Model, name: str, begin: Path | str | None) -> Any:
    """Start the model's job, from the savepoint or checkpoint *begin* if there is one; return its ``TableResult``."""
    how = deployment(opened, model, name)
    return deploy_job.start(
        assembly.spec(opened, model), input_topics(opened, model), outputs(opened, model), how, begin
    )


def committed(opened: Context, model: Model) -> AbstractContextManager[CommittedTopics]:
    """Open the job's committed output that is not in the registry yet."""
    out = outputs(opened, model)
    return committed_output.topics(out.bootstrap, f"{group(opened, model)}.ingest", out.reports, out.progress)


def behind(group_name: str, sources: Iterable[Source]) -> int:
    """Return the number of records between a job's last checkpoint and the ends of its topics."""
    total = 0
    for source in sources:
        ends = offset_ranges.offsets_by_partition(source.bootstrap, source.topic or "")
        with connections.consumer(source.bootstrap, group_id=group_name) as client:
            for number, (start, end) in ends.items():
                total += end - max(start, client.committed(connections.partition(source.topic or "", number)) or 0)
    return total


def newest_event(source: Source) -> datetime | None:
    """Return the timestamp of the newest record of a topic; None while it is empty."""
    last = []
    with connections.consumer(source.bootstrap) as client:
        for number, (start, end) in offset_ranges.offsets_by_partition(source.bootstrap, source.topic or "").items():
            client.assign([part := connections.partition(source.topic or "", number)])
            client.seek(part, max(start, end - 1))
            polled = client.poll(timeout_ms=2000).values() if end > start else ()
            last += [record.timestamp for records in polled for record in records]
    return from_ms(max(last)) if last else None


def pack_rooms(folder: Path, rooms: Sequence[ModuleType] = ROOMS) -> Path:
    """Return a zip of the packages that Flink's workers run, named after the hash of its content."""
    files = {f"{room.__name__}/{p.relative_to(root)}": p.read_bytes() for room, root, p in _sources(rooms)}
    text = hashlib.sha256()
    for name, content in sorted(files.items()):
        text.update(name.encode() + b"\0" + content)
    archive = folder / f"rooms-{text.hexdigest()[:12]}.zip"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(packed := io.BytesIO(), "w") as made:
            for name, content in sorted(files.items()):
                made.writestr(name, content)
        write_whole(archive, packed.getvalue())
    return archive


def _sources(rooms: Iterable[ModuleType]) -> Iterator[tuple[ModuleType, Path, Path]]:
    for room in rooms:
        root = Path(str(room.__file__)).parent
        yield from ((room, root, path) for path in sorted(root.rglob("*.py")))
