"""Topics as event sources: the same suite as for directories, and errors with a message and a hint."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from features import errors
from features.events import decode, location, publishing
from features.kafka import avro, connections, offset_ranges, schema_registry
from features.kafka.records import Records
from features.schema import EventSchema, FeatureKind, Source, Task
from features.window import to_ms
from leeway import assembly, context
from leeway.project.load import Project
from leeway.stack import broker as kafka
from monitors.baseline import freeze
from registry import queries
from retrain_flows.data import dataset
from tests.support import event_files as eventful
from tests.support import schema_registry_server as registry_server

pytestmark = pytest.mark.slow
FORMS = ("json", "avro", "registered", "arrow")
SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL})
names = (f"topic-{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the events in files."""
    where = tmp_path_factory.mktemp("events")
    eventful.write(where)
    return where


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a real schema registry."""
    with registry_server.running(tmp_path_factory.mktemp("registry")) as url:
        yield url


def in_topics(folder: Path, where: Path, bootstrap: str, form: str, *options: object, registry: str = "") -> Project:
    """Produce *folder*'s events into new topics of the format *form*, and return the project that reads them.

    *Registered* is Avro whose schemas are in the *registry*.
    """
    name = next(names)
    kind = f"avro, schema_registry: {registry}" if form == "registered" else form
    sources = [f"{{topic: {name}.{role}, format: {kind}}}" for role in ("predictions", "labels")]
    path = eventful.project(where, bootstrap, *sources)
    done = eventful.run(path, "produce", "--predictions", folder / "predictions", "--labels", folder / "labels",
                        "--partitions", 3, *options)  # fmt: skip
    assert (0 if form == "json" else 1) == done.exit_code, done.output
    return Project.load(path)


@pytest.fixture(scope="module", params=["directory", *FORMS])
def project(
    request: pytest.FixtureRequest, folder: Path, broker: str, registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Yield the same events as every kind of source."""
    where = tmp_path_factory.mktemp("project")
    if request.param == "directory":
        return Project.load(
            eventful.project(where, broker, f"{{path: {folder}/predictions}}", f"{{path: {folder}/labels}}")
        )
    return in_topics(folder, where, broker, request.param, "--batch", 30, registry=registry)


def avro_of(*features: str) -> str:
    """Return the Avro schema of predictions with *features*."""
    kinds = {"c": FeatureKind.CATEGORICAL}
    schema = EventSchema(
        model="m", task=Task.BINARY, features={name: kinds.get(name, FeatureKind.NUMERIC) for name in features}
    )
    return avro.derive(decode.event_columns(schema, "predictions"))


def by_id(schema: EventSchema, role: Any, place: location.Place) -> list[dict[str, Any]]:
    """Return the decoded events in the order of their ids."""
    return sorted(decode.read_events(schema, role, place).table.to_pylist(), key=lambda row: str(row["id"]))


def test_a_source_gives_all_its_events(project: Project, folder: Path) -> None:
    """To the last bit, whatever kind of source it is and in whatever format."""
    model = project.model()
    assert model.events.labels is not None

    assert eventful.N == len(by_id(model.schema, "predictions", model.events.predictions))
    assert by_id(model.schema, "predictions", folder / "predictions") == by_id(
        model.schema, "predictions", model.events.predictions
    )
    assert by_id(model.schema, "labels", folder / "labels") == by_id(model.schema, "labels", model.events.labels)


def test_references_travel_as_text_and_are_read_where_they_arrive(project: Project) -> None:
    """Each part can be read by itself from its text, and the parts together are the source."""
    model = project.model()
    texts = [reference.encode() for reference in location.references(model.events.predictions)]
    parts = [decode.decode(model.schema, "predictions", location.decode(text)) for text in texts]

    assert 2 <= len(parts)
    assert {f"f{i}" for i in range(eventful.N)} == {i for part in parts for i in part.table["id"].to_pylist()}


def test_commands_take_any_source(project: Project) -> None:
    """`leeway check` finds nothing wrong, and `leeway compat` compares the same rows."""
    checked = eventful.run(project.path, "check")
    compared = eventful.run(project.path, "compat", "--as", "evidently", "--start", "2013-01-04", "--end", "2013-01-05",
                            "--json")  # fmt: skip

    assert 0 == checked.exit_code, checked.output
    assert "200 rows" in checked.output
    found = json.loads(compared.output)
    assert (48, 144) == (found["current"]["rows"], found["reference"]["rows"])


def test_a_baseline_of_a_topic_is_that_of_its_events(folder: Path, broker: str, tmp_path: Path) -> None:
    """Rows come in another order than from files: bins and counts are the same to the last bit."""
    path = in_topics(folder, tmp_path, broker, "json").path
    done = eventful.run(path, "baseline")
    with context.open(path) as opened:
        made, model = queries.baseline_of(opened.registry, "late", "v1"), opened.model()
    files = decode.read_events(model.schema, "predictions", folder / "predictions").table
    rows = files.filter(pc.less(files["time"], to_ms(eventful.START + timedelta(days=3))))
    truth = decode.read_events(model.schema, "labels", folder / "labels").table

    assert 0 == done.exit_code, done.output
    assert made is not None
    assert (144, 12) == (made.rows, len({s.start for s in made.inputs}))
    frozen = freeze.freeze_bins(model.schema, model.monitor, rows, truth)
    assert frozen == {name: made.bins[name] for name in frozen}  # the others are derived
    assert 144 == sum(sum(s.counts["prediction"]) for s in made.inputs)


def test_training_data_of_a_topic_have_the_same_digest(folder: Path, broker: str, tmp_path: Path) -> None:
    """What a challenger learns from does not depend on where its events are."""
    files = eventful.project(tmp_path / "a", broker, f"{{path: {folder}/predictions}}", f"{{path: {folder}/labels}}")
    span = eventful.START, eventful.START + timedelta(days=4)
    digests, later = [], []
    for path in (files, in_topics(folder, tmp_path / "b", broker, "json").path):
        with context.open(path) as opened:
            ws = assembly.workspace(opened, opened.model())
            read = dataset.read(ws.log, ws.schema, as_of=span[1], start=span[0], end=span[1])
            part = dataset.read(ws.log, ws.schema, as_of=span[1], start=span[0] + timedelta(days=3), end=span[1])
        digests.append((len(read.rows), read.rejected, read.rows.digest))
        later.append((len(part.rows), part.rows.digest))

    assert digests[0] == digests[1]
    assert (181, 1) == digests[0][:2]
    assert (later[0], True) == (later[1], 0 < later[0][0] < 60)


def test_a_topic_is_read_from_where_its_period_begins(folder: Path, broker: str, tmp_path: Path) -> None:
    """All records from a time on are in the ranges, and few from before it."""
    model = in_topics(folder, tmp_path, broker, "json").model()
    wanted = to_ms(eventful.START + timedelta(days=2))
    parts = offset_ranges.ranges(model.events.predictions, since=wanted)
    tables = [decode.decode(model.schema, "predictions", part).table for part in parts]
    times = [time for table in tables for time in table["time"].to_pylist()]
    everything = decode.read_events(model.schema, "predictions", model.events.predictions).table["time"].to_pylist()

    assert sorted(t for t in everything if t >= wanted) == sorted(t for t in times if t >= wanted)
    assert len(times) < len(everything)
    assert [] == offset_ranges.ranges(model.events.predictions, since=to_ms(eventful.START + timedelta(days=3650)))


def test_check_says_what_is_wrong_with_a_topic(folder: Path, broker: str, tmp_path: Path) -> None:
    """An empty topic, a column that no record has, and records of another format than declared."""
    project = in_topics(folder, tmp_path / "good", broker, "json")
    name = project.model().events.predictions.topic
    publishing.ensure(broker, f"{name}-empty", 1)
    path = eventful.project(tmp_path / "bad", broker, f"{{topic: {name}, format: avro}}", f"{{topic: {name}-empty}}")
    other = eventful.run(path, "check").output
    path.write_text(path.read_text().replace(", format: avro", "").replace("temp: numeric", "tmp: numeric"))
    lacking = eventful.run(path, "check").output

    assert "200 of 200 rows are set aside" not in lacking
    assert "201 of 201 rows are set aside" in " ".join(other.split())
    assert re.search(rf"{name}/\d offset 0: not Avro", " ".join(other.split()))
    assert "not Avro of the expected schema" in " ".join(other.split())
    assert f"topic {name}-empty has no events yet; events are read as they arrive" in " ".join(other.split())
    assert f"no column `tmp` in {name}; did you mean `temp`?" in " ".join(lacking.split())


def test_a_bad_record_goes_along_and_is_named_by_its_offset(folder: Path, broker: str, tmp_path: Path) -> None:
    """JSON Lines are sent as they are; what cannot be read then is a reject of the topic with its bytes' beginning."""
    project = in_topics(folder, tmp_path, broker, "json")
    source = project.model().events.predictions
    (reject,) = decode.read_events(project.model().schema, "predictions", source).rejects
    (found,) = [r for r in offset_ranges.newest_records(broker, source.topic or "", 300) if r.value == eventful.BAD]

    assert (f"{source.topic}/{found.partition}", found.offset) == (reject.path, reject.line)
    assert reject.reason.startswith("not JSON")


def test_records_carry_event_time_and_id(folder: Path, broker: str, tmp_path: Path) -> None:
    """In each partition timestamps rise, an id is always in the same one, and the topic is kept for ever."""
    project = in_topics(folder, tmp_path, broker, "json")
    source = project.model().events.predictions
    found = [r for r in offset_ranges.newest_records(broker, source.topic or "", 300) if r.key]
    times = {row["id"]: row["time"] for row in by_id(project.model().schema, "predictions", source)}

    assert times == {r.key.decode(): r.timestamp for r in found}
    assert {("content-type", b"application/json")} == {header for r in found for header in r.headers}
    assert {0, 1, 2} == {r.partition for r in found}
    for number in range(3):
        stamps = [r.timestamp for r in sorted(found, key=lambda r: r.offset) if r.partition == number]
        assert sorted(stamps) == stamps
    assert publishing.Topic(source.topic or "", 3, None) == publishing.ensure(broker, source.topic or "", 9)


def test_a_columnar_record_is_as_new_as_its_newest_event(folder: Path, broker: str, tmp_path: Path) -> None:
    """Records of 30 events go round the partitions in the order of time."""
    project = in_topics(folder, tmp_path, broker, "arrow", "--batch", 30)
    model = project.model()
    found = offset_ranges.newest_records(broker, model.events.predictions.topic or "", 300)
    times = [
        row["time"] for row in decode.read_events(model.schema, "predictions", folder / "predictions").table.to_pylist()
    ]

    assert [sorted(times)[min(at + 29, 199)] for at in range(0, 200, 30)] == [r.timestamp for r in found]
    assert [0, 1, 2, 0, 1, 2, 0] == [r.partition for r in found]


def test_what_comes_later_is_not_in_a_bounded_read(folder: Path, broker: str, tmp_path: Path) -> None:
    """The offsets are fixed when the references are made."""
    project = in_topics(folder, tmp_path, broker, "json")
    model = project.model()
    before = list(location.references(model.events.predictions))
    eventful.run(project.path, "produce", "--predictions", folder / "predictions")

    assert 200 == sum(decode.decode(model.schema, "predictions", part).table.num_rows for part in before)
    assert 400 == decode.read_events(model.schema, "predictions", model.events.predictions).table.num_rows


def test_only_what_was_committed_is_read(broker: str) -> None:
    """Aborted records and the markers of transactions are passed over, also at the end of a range."""
    name = next(names)
    publishing.ensure(broker, name, 1)
    with connections.producer(broker, transactional_id=name) as client:
        client.init_transactions()
        for commit in (True, False, True, False):
            client.begin_transaction()
            client.send(name, b'{"commit": %d}' % commit)
            client.flush()
            (client.commit_transaction if commit else client.abort_transaction)()
    ranges = offset_ranges.ranges(Source(topic=name, bootstrap=broker), size=3)

    assert [(0, 3), (3, 6), (6, 8)] == [(r.start, r.stop) for r in ranges]
    values = [value for r in ranges for value in offset_ranges.fetch(r).values]
    assert [b'{"commit": 1}'] * 2 == values


def test_an_empty_topic_gives_no_events(broker: str, project: Project) -> None:
    """It is there, and nothing is in it yet."""
    name = next(names)
    publishing.ensure(broker, name, 2)
    place = Source(topic=name, bootstrap=broker)

    assert 0 == decode.read_events(project.model().schema, "predictions", place).table.num_rows


def test_a_topic_that_is_not_there_is_named_with_its_neighbour(broker: str) -> None:
    """A slip of the pen is found at once, and no topic is made by asking for it."""
    publishing.ensure(broker, "flights.predictions", 1)
    for _ in range(2):
        with pytest.raises(
            errors.BrokerError, match=r"no topic flight.predictions .* did you mean `flights.predictions`"
        ):
            list(location.references(Source(topic="flight.predictions", bootstrap=broker)))


def test_records_that_are_gone_are_an_error(broker: str, folder: Path, tmp_path: Path) -> None:
    """What retention has deleted between listing and reading is not passed over in silence."""
    project = in_topics(folder, tmp_path, broker, "json")
    source = project.model().events.predictions
    before = list(location.references(source))
    with connections.admin(broker) as client:
        client.delete_records({connections.partition(source.topic or "", n): 5 for n in range(3)})

    with pytest.raises(errors.BrokerError, match=r"has lost the records from offset 0 up to 5.*\n.*retention.ms=-1"):
        decode.decode(project.model().schema, "predictions", before[0])


def test_old_events_are_not_sent_to_a_topic_that_would_delete_them(broker: str, folder: Path, tmp_path: Path) -> None:
    """A topic with a retention loses events of 2013 within minutes: it is refused, and the fix is named."""
    name = next(names)
    with connections.admin(broker) as client:
        config = {"num_partitions": 1, "replication_factor": 1, "configs": {"retention.ms": "604800000"}}
        client.create_topics({name: config}, wait_for_metadata=True)
    path = eventful.project(tmp_path, broker, f"{{topic: {name}}}", "{path: labels}")
    refused = eventful.run(path, "produce", "--predictions", folder / "predictions")

    assert f"topic {name} deletes what is 7 days old; the events begin in January 2013" in str(refused.exception)
    assert {0: (0, 0)} == offset_ranges.offsets_by_partition(broker, name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a broker for two seconds only."""
    monkeypatch.setattr(connections, "TIMEOUT_MS", 2000)


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Nobody listens on port 1; the error says where was asked, and how to start a broker."""
    path = eventful.project(tmp_path, "127.0.0.1:1", "{topic: a}", "{topic: b}")
    checked = eventful.run(path, "check")

    assert 1 == checked.exit_code
    assert "Kafka at 127.0.0.1:1 does not answer" in checked.output
    assert "leeway up" in checked.output


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_goes_away_ends_a_bounded_read(tmp_path: Path) -> None:
    """In the middle of a range it stops: an error comes after the patience, not never."""
    with kafka.running(tmp_path / "broker") as address:
        publishing.ensure(address, "t", 1)
        outlet = publishing.TopicFormat(publishing.Topic("t", 1, None), "json")
        messages = ((outlet, publishing.Message(i, None, b"x" * 10_000)) for i in range(2000))
        assert 2000 == sum(publishing.send(address, messages))
        (wanted,) = offset_ranges.ranges(Source(topic="t", bootstrap=address))
        reading: Iterator[Any] = offset_ranges.stream(wanted)
        assert 0 == next(reading).offset

    with pytest.raises(errors.BrokerError, match=f"Kafka at {address} (sends nothing more|does not answer)"):
        list(reading)


@pytest.mark.parametrize("codec_name", ["gzip", "lz4", "snappy", "zstd"])
def test_compressed_topics_are_read(broker: str, codec_name: str) -> None:
    """Whatever codec a producer has chosen."""
    name = next(names)
    publishing.ensure(broker, name, 1)
    with connections.producer(broker, compression_type=codec_name) as client:
        for n in range(50):
            client.send(name, b"x" * n)
    (wanted,) = offset_ranges.ranges(Source(topic=name, bootstrap=broker))

    assert list(range(50)) == [len(value or b"") for value in offset_ranges.fetch(wanted).values]


def test_each_record_is_read_with_the_schema_that_it_names(registry: str) -> None:
    """A producer whose schema has changed is read along with those that write as before; others are named."""
    old, new = (avro_of("x", "c"), avro_of("c", "x", "more"))
    first, second = (schema_registry.schema_id(registry, "changing", text) for text in (old, new))
    event = {"id": "a", "time": 1704067200000, "model_version": "v1", "prediction": 0.5, "x": 1.5, "c": "red"}
    values = [
        schema_registry.header(first) + avro.write(event, avro.parse(old)),
        schema_registry.header(second) + avro.write({**event, "id": "b", "more": 1.0}, avro.parse(new)),
        schema_registry.header(99) + avro.write(event, avro.parse(old)),
        avro.write(event, avro.parse(old)),
    ]
    batch = Records("changing", "avro", [0] * 4, list(range(4)), values, registry=registry)
    decoded = decode.decode_records(SCHEMA, "predictions", batch)

    assert ["a", "b"] == decoded.table["id"].to_pylist()
    assert [1.5, 1.5] == decoded.table["x"].to_pylist()
    assert [(2, "schema 99 is not in the registry"), (3, "no schema id in front")] == [
        (r.line, r.reason.split(":")[0]) for r in decoded.rejects
    ]


def test_an_address_that_is_no_registry_is_told(registry: str) -> None:
    """A wrong path is a mistake in the project file: no reason to set every record aside."""
    astray = Records("t", "avro", [0], [0], [schema_registry.header(1) + b"x"], registry=f"{registry}/astray")
    with pytest.raises(errors.BrokerError, match=r"/astray refuses /schemas/ids/1: 404"):
        decode.decode_records(SCHEMA, "predictions", astray)


def test_a_registry_that_does_not_take_a_schema_is_told(registry: str) -> None:
    """What is no schema is refused, with the registry's own words, and nothing is sent."""
    with pytest.raises(errors.BrokerError, match="refuses"):
        schema_registry.schema_id(registry, "odd", '{"type": "nothing"}')
