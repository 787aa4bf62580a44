"""Facts in a topic on a real broker: formats, transactions, retention, compaction, and a topic that is made anew."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from features.facts import lookup
from features.kafka import connections, offset_ranges, schema_registry
from features.window import UTC, from_ms
from leeway.check import landed as checks
from leeway.landed import progress
from leeway.project.load import Project
from monitors.flink import fact_features_run
from monitors.worker.fact_messages import FactSpec
from tests.integration.test_fact_features import by_id, in_process
from tests.support import fact_worlds
from tests.support import schema_registry_server as registry_server
from tests.support import serving_world as world
from tests.support.command_line import document, invoke
from tests.support.topic_of_facts import NOW, TopicOfFacts

pytestmark = pytest.mark.slow
names = (f"facts-{n}" for n in itertools.count())
FORMS = ("json", "avro", "registered", "arrow")
AVRO = json.dumps({"type": "record", "name": "Fact", "fields": [
    {"name": "flight", "type": "string"}, {"name": "carrier", "type": "string"}, {"name": "airport", "type": "string"},
    {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "reported", "type": "long"},
    {"name": "delay", "type": ["null", "double"]}, {"name": "plane", "type": ["null", "string"]},
]})  # fmt: skip


@pytest.fixture
def topic(broker: str, tmp_path: Path) -> TopicOfFacts:
    """Return a topic that is created."""
    made = TopicOfFacts(broker, next(names), tmp_path)
    made.create()
    return made


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a real schema registry."""
    with registry_server.running(tmp_path_factory.mktemp("registry")) as url:
        yield url


def encoded(form: str, rows: Sequence[dict[str, Any]], header: bytes = b"") -> list[bytes]:
    """Return facts as another program writes them: a record each, but for Arrow."""
    if form == "json":
        return [json.dumps(row).encode() for row in rows]
    if form == "arrow":
        table, sink = pa.Table.from_pylist(list(rows)), io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return [sink.getvalue()]
    out, schema = [], fastavro.parse_schema(json.loads(AVRO))
    for row in rows:
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, row)
        out.append(header + stream.getvalue())
    return out


@pytest.mark.parametrize("form", FORMS)
def test_each_format_gives_the_values_of_files(
    request: pytest.FixtureRequest, broker: str, tmp_path: Path, form: str
) -> None:
    """Bit for bit, also once schema file and registry are gone; what is no record is named by partition and offset."""
    files, rows = fact_worlds.declared(tmp_path / "files"), fact_worlds.records(100, 3)
    fact_worlds.write(tmp_path / "files", rows, 3)
    header = b""
    settings: dict[str, Any] = {"format": form}
    if form in ("avro", "registered"):
        (tmp_path / "fact.avsc").write_text(AVRO)
        settings = {"format": "avro", "avro_schema": str(tmp_path / "fact.avsc")}
    topic = TopicOfFacts(broker, next(names), tmp_path, settings)
    if form == "registered":
        registry = request.getfixturevalue("registry")
        header = schema_registry.header(schema_registry.schema_id(registry, topic.topic, AVRO))
        topic.settings = {"format": "avro", "schema_registry": registry}
    topic.create()
    topic.send([*encoded(form, rows, header), b"\xff", None], partition=1)
    last = topic.land() - 1
    (tmp_path / "fact.avsc").unlink(missing_ok=True)
    schema_registry.schema.cache_clear()

    source = files.sources["landings"].model_copy(update={"path": str(topic.source().folder)})
    there = files.model_copy(update={"sources": {"landings": source}})
    end = from_ms(fact_worlds.BEGIN + 200 * fact_worlds.MINUTE)
    requests = pa.Table.from_pylist(fact_worlds.requests(50, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema_registry, "_ask", lambda *_: pytest.fail("the registry is gone"))
        loaded = [lookup.load(d, start=from_ms(fact_worlds.BEGIN), end=end, now=NOW) for d in (files, there)]
    of_files, of_topic = (lookup.add_columns(requests, one.values) for one in loaded)
    assert of_files.equals(of_topic)
    place = f"{topic.topic}/1"
    assert [(place, last - 1), (place, last)] == sorted((one.path, one.line) for one in loaded[1].rejects)


def test_three_ways_give_the_same_bits(topic: TopicOfFacts, tmp_path: Path) -> None:
    """On Flink in batch and as a stream, and in process, of records that landed in many files, one of them no fact."""
    rows = fact_worlds.requests(100, seed=2)
    topic.insert_rows(fact_worlds.records(200, seed=1))
    topic.send([b"no json"], partition=0)
    topic.reader(page_rows=30).land(NOW)
    fact_worlds.write(tmp_path / "rows", rows, files=2)
    of = fact_worlds.declared(topic.source().folder)
    expected = in_process(of, rows)
    runs = [fact_features_run.run_once(FactSpec(fact_worlds.SCHEMA, of), tmp_path / "rows", tmp_path / "logs",
                                       streaming=streaming) for streaming in (False, True)]  # fmt: skip
    assert any(row["mean"] is not None for row in expected.values())
    assert [expected] * 2 == [by_id(run.rows) for run in runs]
    assert [[f"{topic.topic}/0"]] * 2 == [[one["path"] for one in run.rejects] for run in runs]


def test_only_what_is_committed_lands(topic: TopicOfFacts) -> None:
    """An open transaction waits, and what comes after it in its partition; an aborted one never lands."""
    with connections.producer(topic.bootstrap, transactional_id=topic.topic) as client:
        client.init_transactions()
        for prefix, end in (("kept", client.commit_transaction), ("dropped", client.abort_transaction)):
            client.begin_transaction()
            client.send(topic.topic, json.dumps({"id": prefix}).encode(), partition=0)
            client.flush()
            if prefix == "kept":
                topic.insert("a", prefix="")
                assert 0 == topic.land()
            end()
        client.begin_transaction()
        client.send(topic.topic, json.dumps({"id": "last"}).encode(), partition=0)
        client.commit_transaction()
    topic.land()
    assert ["a", "kept", "last"] == sorted(topic.rows())
    assert 0 == progress.read(topic.source(), NOW).waiting
    assert 0 == topic.land()


def test_partitions_that_are_added_are_read_from_their_beginning(topic: TopicOfFacts) -> None:
    """Whatever has landed of the others."""
    topic.insert(*range(4))
    topic.land()
    with connections.admin(topic.bootstrap) as client:
        client.create_partitions({topic.topic: 3})
    topic.send([b'{"id": "new"}'], partition=2)
    assert 1 == topic.land()
    assert "new" in topic.rows()


def found(topic: TopicOfFacts) -> list[tuple[str, str]]:
    """Return result and message of each check of the topic."""
    (topic.folder / "leeway.yaml").write_text(PROJECT.format(topic=topic))
    model = Project.load(topic.folder).model()
    return [(check.result, check.message) for check in checks.landed(model, NOW)]


PROJECT = """
project: p
kafka: {{bootstrap: "{topic.bootstrap}"}}
facts: {{f: {{topic: {topic.topic}, id: n, tile: 1s, delay: 1s, poll: 1s}}}}
models:
  m:
    task: binary
    events: {{predictions: {{path: events}}}}
    features: {{c: categorical, z: {{type: numeric, from: f, key: c, mean: delay, window: 30m, empty: -1}}}}
"""


def test_what_the_broker_deleted_before_it_was_read_is_counted(topic: TopicOfFacts) -> None:
    """What is left lands, and the check says how many are gone; the beginning of a topic may be gone at the start."""
    topic.send([b"{}"] * 4, partition=0)
    delete(topic, 2)
    assert [("ok", f"2 records of topic {topic.topic} read, up to 0:4 1:0")] == found(topic)
    topic.send([b"{}"] * 6, partition=0)
    delete(topic, 7)
    ((result, message),) = found(topic)
    assert "error" == result
    assert f"3 offsets of topic {topic.topic} had been deleted before they were read: raise its retention.ms" in message
    assert [("error", message)] == found(topic)


def delete(topic: TopicOfFacts, until: int) -> None:
    """Delete the first records of partition 0, as retention does."""
    with connections.admin(topic.bootstrap) as client:
        client.delete_records({connections.partition(topic.topic, 0): until})


def test_a_compacted_topic_is_warned_of(broker: str, tmp_path: Path) -> None:
    """Versions of a fact may be gone before they are read."""
    topic = TopicOfFacts(broker, next(names), tmp_path)
    topic.create(cleanup_policy="compact")
    ((result, message),) = found(topic)
    assert "warning" == result
    assert "is compacted: a version of a fact that is replaced before it is read is missing" in message


def test_a_topic_that_is_made_anew_is_read_from_its_beginning(topic: TopicOfFacts) -> None:
    """Even if it is longer by now; what landed of the one before stays."""
    topic.insert(1, 2)
    topic.land()
    topic.delete()
    TopicOfFacts.create(topic)
    topic.insert(3, 4, 5, 6, 7, 8)
    assert 6 == topic.land()
    assert [f"r{n}" for n in range(1, 9)] == sorted(topic.rows())


def test_a_partition_that_lost_its_newest_records_is_read_again(
    topic: TopicOfFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an election of a broker that was behind: its offsets mean other records now."""
    topic.insert(1, 2, 3)
    topic.land()
    monkeypatch.setattr(offset_ranges, "offsets_by_partition", lambda *_: {0: (0, 1), 1: (0, 1)})
    assert 1 == topic.land()
    assert ["r1", "r1", "r2", "r3"] == sorted(topic.rows())
    assert 0 == topic.land()


def test_facts_of_a_topic_reach_answers_and_the_log(topic: TopicOfFacts, tmp_path: Path) -> None:
    """What is there at the start and what comes while it answers; offline as online; a bad record costs itself."""
    world.project(tmp_path)
    source = f"facts: {{f: {{topic: {topic.topic}, id: n, tile: 1s, delay: 1s, poll: 1s}}}}\n"
    feature = "z: {type: numeric, from: f, key: c, mean: delay, window: 30m, empty: -1}"
    text = world.PROJECT.replace("models:\n", f'kafka: {{bootstrap: "{topic.bootstrap}"}}\n{source}models:\n')
    (tmp_path / "leeway.yaml").write_text(text.replace("z: numeric", feature))
    ago = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    topic.insert_rows([{"n": 1, "time": ago, "c": "a", "delay": 4}])
    row = {"x": 0.5, "c": "a"}
    with world.serving(tmp_path) as server:
        assert_equal(server.predict(row, {**row, "z": 4.0}))
        topic.send([json.dumps({"n": 2, "time": ago, "c": "a", "delay": 8}).encode(), b"no json"], partition=1)
        world.wait_for(server, lambda: server.ask("/health")[1]["m"]["facts"]["set_aside"] == 1, "it reads new facts")
        assert_equal(answer := server.predict(row, {**row, "z": 6.0}))
        assert 0 == server.stop()
    (letter,) = map(json.loads, (tmp_path / "dead_letters" / "m" / "facts.jsonl").read_text().splitlines())
    assert ("facts", f"{topic.topic}/1", 1) == (letter["role"], letter["path"], letter["line"])
    assert letter["reason"].startswith("not JSON")

    request = {**row, "id": "r", "time": datetime.now(UTC).isoformat()}
    (tmp_path / "requests.jsonl").write_text(f"{json.dumps(request)}\n")
    invoke(tmp_path, "score", str(tmp_path / "requests.jsonl"), str(tmp_path / "out.jsonl"), code=1)
    offline = json.loads((tmp_path / "out.jsonl").read_text())
    assert (6.0, answer[1]["predictions"][0]["prediction"]) == (offline["z"], offline["prediction"])
    (source_status,) = document(tmp_path, "status")["models"][0]["landed"]
    assert (f"topic {topic.topic}", 3, 0) == tuple(source_status[key] for key in ("source", "rows", "waiting"))


def assert_equal(answer: tuple[int, Any]) -> None:
    """Check that both rows got one answer."""
    status, body = answer
    first, second = (one["prediction"] for one in body["predictions"])
    assert (200, first) == (status, second)
