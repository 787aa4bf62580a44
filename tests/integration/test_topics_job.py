"""The profile job over Kafka topics: stream and batch, embedded and on a cluster, agree with the run over files."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from features.errors import EngineError
from features.events import publishing
from features.kafka import connections as kafka
from features.window import from_ms
from leeway import assembly, cli, context
from leeway.context import Context
from leeway.stack import cluster as stack_cluster
from leeway.stack import ports, processes
from leeway.stack.processes import Service
from leeway.streaming import consume_output, job_settings, lifecycle
from monitors.flink import deploy_job, run_job
from monitors.report import Report
from tests.support import topic_events as topic_world
from tests.support.topic_events import World

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 180
"""A killed TaskManager is missed after 12 s, and labels that do not come hold back outcomes for 30 s more."""


@pytest.fixture(scope="module")
def world(broker: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two topics full of events, two of which nobody can use."""
    made = topic_world.make(tmp_path_factory.mktemp("topics"), broker, "streamed")
    predictions, labels = topic_world.events()
    made.send("labels", labels)
    made.send("predictions", [*predictions[:1000], *predictions[1000:]])
    made.send_bad()
    made.send("predictions", [topic_world.last(p) for p in range(topic_world.PARTITIONS)])
    return made


@pytest.fixture(scope="module")
def opened(world: World) -> Iterator[Context]:
    """The project with a baseline, made from the topics."""
    with context.open(world.folder) as project:
        topic_world.register(project, project.model())
        yield project


@pytest.fixture(scope="module")
def expected(opened: Context, world: World) -> list[Report]:
    """What a batch run over the same events in files reports."""
    return topic_world.expected(opened, opened.model(), world)


@dataclass(frozen=True)
class Cluster:
    """A cluster whose worker can be killed and started again."""

    address: str
    worker: Service
    processes: list[subprocess.Popen[bytes]]

    def kill_worker(self) -> None:
        """SIGKILL the TaskManager with its Python workers, as on a machine that loses power."""
        os.killpg(self.processes[-1].pid, signal.SIGKILL)
        self.processes[-1].wait()

    def start_worker(self) -> None:
        """Start a TaskManager and wait until it offers its slots."""
        self.processes.append(processes.start(self.worker))
        processes.wait(self.worker, self.processes[-1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A session cluster with two slots."""
    folder = tmp_path_factory.mktemp("cluster")
    made = stack_cluster.Cluster(folder, rest=ports.free(), rpc=ports.free())
    manager, worker = stack_cluster.services(made, folder / "logs")
    with processes.running(manager):
        started = Cluster(made.address, worker, [])
        started.start_worker()
        yield started
        processes.stop(started.processes[-1])


def start(opened: Context, name: str, address: str | None, parallelism: int, **changed: Any) -> Any:
    """Start the job of the model with outputs of its own, over topics *changed* from the model's."""
    model = opened.model()
    out = job_settings.outputs(opened, model)
    names = {kind: f"{name}.{kind}" for kind in ("reports", "rejects", "progress")}
    job_settings.make_topics(out.bootstrap, names)
    how = job_settings.deployment(opened, model)
    engine = how.engine.model_copy(
        update={"address": address, "parallelism": parallelism, "checkpoint_interval": timedelta(milliseconds=500)}
    )
    rooms = (job_settings.pack_rooms(opened.dir / "jobs"),) if address else ()
    return deploy_job.start(
        assembly.spec(opened, model),
        replace(job_settings.input_topics(opened, model), subtasks=(parallelism, 1), **changed),
        replace(out, **names, prefix=name),
        replace(how, name=name, title=name, engine=engine, rooms=rooms),
    )


def closed(opened: Context, topic: str) -> list[Report]:
    """Return the reports in *topic* on windows that cannot grow any more."""
    model = opened.model()
    reports = [Report.model_validate_json(v) for _, v in read(model.events.predictions.bootstrap, topic)]
    newest = from_ms(topic_world.last(0)["time"])
    return [r for r in reports if run_job.is_closed(model.schema, r, newest)]


def stream(opened: Context, name: str, address: str | None, parallelism: int) -> list[Report]:
    """Return the reports of a run over what the topics hold, out of the topic of reports."""
    run_job.finish(start(opened, name, address, parallelism, bounded=True), opened.dir / "logs")
    return closed(opened, f"{name}.reports")


def read(bootstrap: str, topic: str) -> list[tuple[dict[str, str], bytes]]:
    """Return the headers and values of what was committed to *topic*."""
    with kafka.consumer(bootstrap, auto_offset_reset="earliest") as client:
        client.assign([kafka.partition(topic, 0)])
        end = client.end_offsets(client.assignment())[kafka.partition(topic, 0)]
        found: list[tuple[dict[str, str], bytes]] = []
        while (client.position(kafka.partition(topic, 0)) or 0) < end:
            for records in client.poll(timeout_ms=500).values():
                found += [({k: v.decode() for k, v in r.headers}, r.value) for r in records]
        return found


def test_the_stream_over_topics_reports_what_batch_runs_over_topics_and_files_report(
    opened: Context, expected: list[Report]
) -> None:
    """Three ways over the same events, late, repeated and out of order, give the same reports, each once."""
    over_topics = run_job.run_once(
        assembly.spec(opened, opened.model()), assembly.directories(opened.model()), opened.dir / "logs"
    )
    streamed = stream(opened, "embedded", None, 1)

    assert len(expected) > 200
    assert topic_world.digests(expected) == topic_world.digests(over_topics.reports)
    assert topic_world.digests(expected) == topic_world.digests(streamed)


def test_a_dead_letter_is_the_record_as_it_was_with_its_place_and_the_reason(opened: Context, expected: None) -> None:
    """Bytes that are no text come out as they went in; headers say where the record was and what is wrong."""
    letters = read(opened.model().events.predictions.bootstrap, "embedded.rejects")

    assert sorted(topic_world.BAD) == sorted(value for _, value in letters)
    assert {("predictions", "streamed.predictions", "1")} == {
        (h["role"], h["topic"], h["partition"]) for h, _ in letters
    }
    assert ["not JSON", "time is not a time"] == sorted(h["reason"].split(" (")[0].split(":")[0] for h, _ in letters)


def test_more_subtasks_on_a_cluster_report_the_same(opened: Context, expected: list[Report], cluster: Cluster) -> None:
    """Parallelism 2, each partition read by a subtask of its own, in processes of the cluster."""
    assert topic_world.digests(expected) == topic_world.digests(stream(opened, "parallel", cluster.address, 2))


@pytest.mark.faults
def test_a_killed_task_manager_loses_nothing_and_doubles_nothing(
    opened: Context, expected: list[Report], cluster: Cluster, world: World
) -> None:
    """SIGKILL in mid-replay, with transactions open: readers of what is committed see each report once."""
    killed = replace(world, name="killed")
    for topic, partitions in zip(killed.topics.values(), (topic_world.PARTITIONS, 1), strict=True):
        publishing.ensure(world.bootstrap, topic, partitions)
    sources = {
        role: getattr(opened.model().events, role).model_copy(update={"topic": topic})
        for role, topic in killed.topics.items()
    }
    predictions, labels = topic_world.events()
    half = len(predictions) // 2
    killed.send("labels", [*labels, topic_world.last_label()])
    killed.send("predictions", predictions[:half])
    job = start(opened, "killed", cluster.address, 2, **sources)
    try:
        wait_for(opened, "killed.reports", 40)
        killed.send("predictions", predictions[half : half + half // 2])
        cluster.kill_worker()
        killed.send("predictions", predictions[half + half // 2 :])
        killed.send("predictions", [topic_world.last(p) for p in range(topic_world.PARTITIONS)])
        cluster.start_worker()
        wait_for(opened, "killed.reports", len(expected))
    finally:
        job.get_job_client().cancel().result()

    assert topic_world.digests(expected) == topic_world.digests(closed(opened, "killed.reports"))


def wait_for(opened: Context, topic: str, reports: int) -> None:
    """Wait until *topic* has so many reports."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while (found := len(closed(opened, topic))) < reports:
        assert time.monotonic() < give_up, f"{found} of {reports} reports after {PATIENCE_SECONDS} s"
        time.sleep(0.3)


def stored(opened: Context) -> list[tuple[str, ...]]:
    """Return what identifies every report in the registry, its counts included, in order."""
    with sqlite3.connect(opened.dir / "leeway.db") as db:
        rows = db.execute(
            "SELECT window_end, stage, segment, version, evidence, revision FROM window_reports ORDER BY 1, 2, 3, 4, 6"
        ).fetchall()
    db.close()
    return rows


def take_in(take: Callable[[], int], tally: consume_output.Tally, reports: int) -> None:
    """Take in what comes until the registry has so many reports."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while tally.stored < reports:
        assert time.monotonic() < give_up, f"{tally.stored} of {reports} reports after {PATIENCE_SECONDS} s"
        take()
        time.sleep(0.2)


def test_a_job_is_submitted_listed_stopped_and_upgraded_while_its_reports_are_taken_in(
    opened: Context, expected: list[Report], cluster: Cluster, world: World
) -> None:
    """Stopped, started from its savepoint and upgraded with its state, it tells nothing that was not known."""
    world.send("labels", [topic_world.last_label()])
    world.write_project(f'flink: {{address: "{cluster.address}", checkpoint_interval: 500ms}}')
    with context.open(world.folder) as project:
        model = project.model()
        seen = consume_output.OutputConsumer(project, model, clock=lambda: topic_world.START)
        first = lifecycle.submit(project, model)
        with seen.ingesting() as take:
            take_in(take, seen.tally, len(expected))
            listed = CliRunner().invoke(
                cli.app, ["--project", str(world.folder), "job", "list"], env={"COLUMNS": "300"}
            )
            with pytest.raises(EngineError, match="running already"):
                lifecycle.submit(project, model)
            savepoint = lifecycle.stop(project, model)
            second = lifecycle.submit(project, model)
            upgraded = lifecycle.upgrade(project, model)
            take()

    assert first.begin is None
    assert savepoint == second.begin
    assert upgraded.begin is not None
    assert "running" in listed.stdout
    assert "unchanged" in listed.stdout
    assert sorted(r.evidence_digest for r in expected) == sorted(row[4] for row in stored(opened) if row[5] == 1)
    assert (2, 0) == (seen.tally.rejected, seen.tally.late)


def test_a_changed_model_is_another_job_and_reads_its_topics_anew(
    expected: list[Report], cluster: Cluster, world: World
) -> None:
    """An upgrade after a change of what is counted says so; its predecessor is gone."""
    world.write_project(f'flink: {{address: "{cluster.address}", checkpoint_interval: 500ms}}')
    text = (world.folder / "leeway.yaml").read_text()
    (world.folder / "leeway.yaml").write_text(text.replace("slide: 2h", "slide: 3h"))
    with context.open(world.folder) as project:
        model = project.model()
        with pytest.raises(EngineError, match="has changed"):
            lifecycle.current(project, model)
        upgraded = lifecycle.upgrade(project, model)
        at_work = lifecycle.current(project, model)
        lifecycle.stop(project, model, kill=True)

        assert upgraded.begin is None
        assert "read from the beginning" in upgraded.because
        assert at_work is not None
        assert [] == [job for job in lifecycle.all_of(project, model) if not job.ended]


def test_a_monitor_without_a_cluster_follows_topics_in_its_own_process(
    opened: Context, expected: list[Report], world: World
) -> None:
    """Without state it reads all of them; reports that are known change nothing; there is one monitor a model."""
    world.write_project()
    for kept in ("checkpoints", "savepoints"):
        shutil.rmtree(opened.dir / kept, ignore_errors=True)
    before = stored(opened)
    with context.open(world.folder) as project:
        seen = consume_output.OutputConsumer(project, project.model(), clock=lambda: topic_world.START)
        with seen.live() as take:
            give_up, parts = time.monotonic() + PATIENCE_SECONDS, 0
            while not parts or seen.tally.newest is None:  # reports and progress come in either order
                parts += take()
                assert time.monotonic() < give_up
                time.sleep(0.2)
            with pytest.raises(EngineError, match="already being monitored"), seen.live():
                pass

    assert {r.evidence_digest for r in expected} >= {row[4] for row in stored(opened)}
    assert set(before) <= set(stored(opened))
