"""Encoding of events: what is written to a topic decodes to the same table, and a replay is in order of time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from features import errors, spelling
from features.conventions import Times
from features.events import decode, encode, publishing
from features.kafka import avro
from features.kafka.records import Records
from features.schema import Columns, EventSchema, FeatureKind, Role, Source, Task
from features.topic import RecordFormat
from features.values import typed_columns
from features.window import from_ms
from leeway import cli
from leeway.project.load import Project
from leeway.topics import produce_files, tail_records
from leeway.topics.produce_files import Stream
from tests.support.example_counts import examples

SCHEMA = EventSchema(
    model="m", task=Task.MULTICLASS, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL},
    columns=Columns(id="key", time="at", version="by", prediction="answer", label_time="known"),
    times=Times(earliest=from_ms(0), latest=from_ms(4_000_000_000_001)),
)  # fmt: skip
FORMS: tuple[RecordFormat, ...] = ("json", "avro", "arrow")
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).map(spelling.canonical)
_FLOATS = st.floats(-typed_columns.LARGEST_FINITE, typed_columns.LARGEST_FINITE) | st.sampled_from([np.inf, -np.inf])
_TIMES = st.integers(0, 4_000_000_000_000)


def table(rows: Sequence[tuple[str, int, str, str, float | None, str | None]]) -> pa.Table:
    """Return decoded predictions."""
    columns = list(zip(*rows, strict=True)) or [()] * 6
    kinds = pa.string(), pa.int64(), pa.string(), pa.string(), pa.float64(), pa.string()
    names = decode.ID, decode.TIME, decode.VERSION, "prediction", "x", "c"
    return pa.table({n: pa.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)})


def topic(form: RecordFormat) -> Source:
    """Return a topic of that format."""
    return Source(topic="t", format=form)


def back(schema: EventSchema, role: Role, form: RecordFormat, values: Sequence[bytes]) -> decode.Decoded:
    """Return what records decode to."""
    n = len(values)
    return decode.decode_records(schema, role, Records("t", form, [0] * n, list(range(n)), values))


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=examples(60))
@given(rows=st.lists(st.tuples(_TEXTS, _TIMES, _TEXTS, _TEXTS, st.none() | _FLOATS, st.none() | _TEXTS), max_size=6))
def test_what_is_encoded_decodes_to_itself(form: RecordFormat, rows: list[Any]) -> None:
    """Infinite and missing numbers, odd texts and all, under the columns' own names."""
    made = table(rows)
    decoded = back(SCHEMA, "predictions", form, encode.records(SCHEMA, "predictions", made, topic(form)))

    assert () == decoded.rejects
    x = made["x"].to_numpy(), decoded.table["x"].to_numpy()
    np.testing.assert_array_equal(*x)
    assert made.drop(["x"]).equals(decoded.table.drop(["x"]))


@pytest.mark.parametrize("form", FORMS)
def test_labels_and_requests_are_encoded_too(form: RecordFormat) -> None:
    """Each with its own columns: a label's time is when it became known; a request has no answer."""
    label = pa.table({"id": ["a"], "time": [7], "label": ["yes"]})
    asked = table([("a", 7, "", "", 1.5, "red")]).select(["id", "time", "x", "c"])

    assert label.equals(back(SCHEMA, "labels", form, encode.records(SCHEMA, "labels", label, topic(form))).table)
    assert asked.equals(back(SCHEMA, "requests", form, encode.records(SCHEMA, "requests", asked, topic(form))).table)


def test_an_event_that_does_not_fit_an_avro_schema_is_an_error(tmp_path: Path) -> None:
    """A schema of one's own may ask for more than the features give."""
    path = tmp_path / "own.avsc"
    fields = [{"name": "key", "type": "string"}, {"name": "region", "type": "string"}]
    path.write_text(json.dumps({"type": "record", "name": "E", "fields": fields}))
    source = Source(topic="t", format="avro", avro_schema=str(path))

    with pytest.raises(errors.DataError, match="does not fit the Avro schema"):
        encode.records(SCHEMA, "predictions", table([("a", 1, "v1", "yes", 1.0, "red")]), source)


def test_times_go_into_an_avro_schema_in_its_own_unit(tmp_path: Path) -> None:
    """Microseconds come out as microseconds, and are read back as the same moment."""
    fields = json.loads(avro.derive(decode.event_columns(SCHEMA, "predictions")))
    fields["fields"][1]["type"]["logicalType"] = "timestamp-micros"
    path = tmp_path / "micros.avsc"
    path.write_text(json.dumps(fields))
    source = Source(topic="t", format="avro", avro_schema=str(path))
    made = table([("a", 1_704_067_200_123, "v1", "yes", 1.0, "red")])
    values = encode.records(SCHEMA, "predictions", made, source)
    decoded = decode.decode_records(SCHEMA, "predictions", Records.of(source, [0], [0], values))

    assert made.equals(decoded.table)


_EVENTS = st.lists(st.lists(st.integers(0, 50), max_size=7), max_size=4)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=examples(40))
@given(files=_EVENTS)
def test_a_replay_is_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, form: RecordFormat, files: list[list[int]]
) -> None:
    """However files overlap, each event is sent once, by its time, and those of one time as the files have them."""
    folder = tmp_path_factory.mktemp("replay")
    ids = iter(range(1000))
    rows = [[{"key": str(next(ids)), "at": 10**12 + t, "by": "v", "answer": "yes", "x": t, "c": "d"} for t in some]
            for some in files]  # fmt: skip
    for i, some in enumerate(rows):
        (folder / f"{i}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in some))
    found = produce_files.plan(Stream(SCHEMA, "predictions", folder, topic(form), batch=3))
    sent = list(produce_files.messages(found))
    decoded = back(SCHEMA, "predictions", form, [message.value for message in sent]).table

    expected = sorted((row for some in rows for row in some), key=lambda row: (row["at"], int(row["key"])))
    assert [row["key"] for row in expected] == decoded["id"].to_pylist()
    assert found.events == len(expected) == sum(message.events for message in sent)
    assert sorted(m.time for m in sent) == [m.time for m in sent]
    if form != "arrow":
        assert [(row["key"].encode(), row["at"]) for row in expected] == [(m.key, m.time) for m in sent]


def test_json_lines_are_sent_as_they_are(tmp_path: Path) -> None:
    """Also the bad ones, without a key, where they stood; other formats leave them out and count them."""
    lines = [b"not json", b'{"key": "a", "at": 1000000005, "by": "v", "answer": "y",  "more": 1}', b"", b"[1]",
             b'{"key": "b", "at": 1000000009, "by": "v", "answer": "y"}']  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    at = 1000000005
    as_they_are = produce_files.plan(Stream(SCHEMA, "predictions", tmp_path, topic("json")))
    typed = produce_files.plan(Stream(SCHEMA, "predictions", tmp_path, topic("avro")))

    assert [(at, None, lines[0]), (at, b"a", lines[1]), (at, None, lines[3]), (at + 4, b"b", lines[4])] == [
        (m.time, m.key, m.value) for m in produce_files.messages(as_they_are)
    ]
    assert ((4, 0), (2, 2)) == ((as_they_are.events, as_they_are.lost), (typed.events, typed.lost))
    assert 2 == len(list(produce_files.messages(typed)))


def test_streams_are_merged_and_paced() -> None:
    """A second of the clock is so much event time; who is late does not wait."""
    a, b = (publishing.TopicFormat(publishing.Topic(name, 1, None), "json") for name in "ab")
    items = [(a, publishing.Message(1000, None, b"")), (b, publishing.Message(61_000, None, b"")),
             (a, publishing.Message(121_000, None, b""))]  # fmt: skip
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds + 1.5  # a slow sleeper

    paced = produce_files.paced(items, timedelta(minutes=1), clock=lambda: now[0], sleep=sleep)

    assert (items, [1.0]) == (list(paced), slept)
    assert items == list(produce_files.paced(items, None, clock=lambda: 0, sleep=sleep))


PROJECT = """\
project: p
kafka: {bootstrap: "h:1"}
models:
  m:
    task: binary
    events: {predictions: {topic: m.made, format: arrow}, labels: {path: labels}}
    features: {x: numeric}
"""


def test_a_topic_is_found_by_stream_or_name(tmp_path: Path) -> None:
    """The streams of the model, what its job writes, or any topic; a source's own format goes with it."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    project = Project.load(tmp_path)

    assert ("m.made", "arrow") == _where(tail_records.target(project, "predictions", None))
    assert ("m.made", "arrow") == _where(tail_records.target(project, "m.made", None))
    assert ("leeway.m.dead-letters", None) == _where(tail_records.target(project, "dead-letters", "m"))
    assert ("other", None) == _where(tail_records.target(project, "other", None))
    with pytest.raises(errors.NotFound, match=r"events.labels of m is not in a topic"):
        tail_records.target(project, "labels", None)


def test_streams_may_be_in_clusters_of_their_own(tmp_path: Path) -> None:
    """What the job writes is where the predictions are; events are produced into one cluster at a time."""
    other = PROJECT.replace("format: arrow", "bootstrap: 'b:2'").replace("path: labels", "topic: m.labels")
    (tmp_path / "leeway.yaml").write_text(other)
    project = Project.load(tmp_path)
    streams = ("predictions", "labels", "reports", "anything")
    options = ["--predictions", str(tmp_path), "--labels", str(tmp_path)]
    done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "produce", *options])

    assert ["b:2", "h:1", "b:2", "h:1"] == [tail_records.target(project, name, None).bootstrap for name in streams]
    assert 2 == done.exit_code
    assert "these streams are in different clusters" in done.output


def _where(found: tail_records.Target) -> tuple[str, str | None]:
    return found.topic, found.format


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"x": 1}', {"x": 1}),
        (b"plain", "plain"),
        (b"\xff\xfe", "base64://4="),
        (None, None),
        (b"[" * 100_000, "[" * 100_000),
        (encode.arrow(pa.table({"c": ["a", "a"]})), [{"c": "a"}, {"c": "a"}]),
    ],
    ids=["json", "text", "bytes", "tombstone", "deep", "arrow"],
)
def test_any_value_can_be_shown(value: bytes | None, shown: object) -> None:
    """By what it looks like, where nobody has said what it is."""
    assert shown == tail_records.value(value, tail_records.Target("h:1", "t"), {})


def test_the_avro_schema_of_a_stream_is_printed(tmp_path: Path) -> None:
    """What producers in other languages need; it parses, and has the model's columns."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    done = CliRunner().invoke(cli.app, ["--project", str(tmp_path), "schema", "--avro", "predictions"])

    names = [field["name"] for field in avro.parse(done.output)["fields"]]
    assert ["id", "time", "model_version", "prediction", "x"] == names
