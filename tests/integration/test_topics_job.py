"""The profile job over Kafka topics: stream and batch, embedded and on a cluster, agree with the run over files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from features import broker as kafka
from leeway import context, jobs, wiring
from leeway.context import Context
from monitors import deploy_job, run_job
from monitors.report import Report
from tests.integration import topic_world
from tests.integration.topic_world import World

pytestmark = pytest.mark.slow


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


def stream(opened: Context, address: str | None, parallelism: int) -> list[Report]:
    """Return the reports of a run over what the topics hold, out of the topic of reports."""
    model, name = opened.model(), f"run-{parallelism}-{'cluster' if address else 'embedded'}"
    out = jobs.outputs(opened, model)
    names = {kind: f"{name}.{kind}" for kind in ("reports", "rejects", "progress")}
    jobs.make_topics(out.bootstrap, names)
    how = jobs.deployment(opened, model)
    engine = how.engine.model_copy(update={"address": address, "parallelism": parallelism})
    rooms = (jobs.pack_rooms(opened.dir / "jobs"),) if address else ()
    followed = replace(jobs.followed(opened, model), bounded=True, subtasks=(parallelism, 1))
    result = deploy_job.start(
        wiring.spec(opened, model), followed, replace(out, **names, prefix=name),
        replace(how, name=name, title=name, engine=engine, rooms=rooms),
    )  # fmt: skip
    run_job.finish(result, opened.dir / "logs")
    lines = [value.decode() for _, value in read(out.bootstrap, names["reports"])]
    reports = [Report.model_validate_json(line) for line in lines]
    newest = topic_world.START.fromtimestamp(topic_world.last(0)["time"] / 1000, tz=topic_world.START.tzinfo)
    return [r for r in reports if run_job.is_closed(model.schema, r, newest)]


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
        wiring.spec(opened, opened.model()), wiring.directories(opened.model()), opened.dir / "logs"
    )
    streamed = stream(opened, None, 1)

    assert len(expected) > 200
    assert topic_world.digests(expected) == topic_world.digests(over_topics.reports)
    assert topic_world.digests(expected) == topic_world.digests(streamed)


def test_a_dead_letter_is_the_record_as_it_was_with_its_place_and_the_reason(opened: Context, expected: None) -> None:
    """Bytes that are no text come out as they went in; headers say where the record was and what is wrong."""
    letters = read(opened.model().events.predictions.bootstrap, "run-1-embedded.rejects")

    assert sorted(topic_world.BAD) == sorted(value for _, value in letters)
    assert {("predictions", "streamed.predictions", "1")} == {
        (h["role"], h["topic"], h["partition"]) for h, _ in letters
    }
    assert ["not JSON", "time is not a time"] == sorted(h["reason"].split(" (")[0].split(":")[0] for h, _ in letters)


def test_more_subtasks_on_a_cluster_report_the_same(
    opened: Context, expected: list[Report], flink_cluster: str
) -> None:
    """Parallelism 2, each partition read by a subtask of its own, in processes of the cluster."""
    assert topic_world.digests(expected) == topic_world.digests(stream(opened, flink_cluster, 2))
