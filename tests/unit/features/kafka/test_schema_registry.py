"""Schema registry client: no answer is an outage, and sets no record aside."""

from __future__ import annotations

import pytest

from features import errors
from features.events import decode
from features.kafka import avro, schema_registry
from features.kafka.records import Records
from features.schema import EventSchema, FeatureKind, Source, Task
from leeway.stack import ports
from tests.support.listening_server import named_as_proxy

SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC})


def batch(registry: str, value: bytes) -> Records:
    """Return one record."""
    return Records("t", "avro", [0], [0], [value], registry=registry)


def test_a_registry_that_is_away_is_an_outage() -> None:
    """The job fails and tries again; the record is not lost as a bad one. The password is told to nobody."""
    url = f"http://ann:secret@127.0.0.1:{ports.free()}"
    with named_as_proxy() as proxy, pytest.raises(errors.BrokerAway, match="does not answer") as told:
        decode.decode_records(SCHEMA, "predictions", batch(url, schema_registry.header(1) + b"x"))

    assert "secret" not in str(told.value)
    assert [] == proxy.requests


def test_a_variable_that_is_not_set_is_named() -> None:
    """With what to do."""
    with pytest.raises(errors.BrokerError, match="REGISTRY_URL, which is not set"):
        decode.decode_records(SCHEMA, "predictions", batch("env:REGISTRY_URL", schema_registry.header(1) + b"x"))


@pytest.mark.parametrize("value", [b"", b"\x00\x01", b"{}    ", b"\x01\x00\x00\x00\x01x"])
def test_a_record_without_a_number_in_front_is_set_aside(value: bytes) -> None:
    """Nobody is asked."""
    (reject,) = decode.decode_records(SCHEMA, "predictions", batch("http://127.0.0.1:9", value)).rejects

    assert reject.reason.startswith(("no schema id in front", "the record has no value"))


def test_a_number_that_is_not_there_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many records of a batch have it."""
    asked: list[int] = []

    def schema(registry: str, number: int) -> str:
        asked.append(number)
        msg = f"schema {number} is not in the registry"
        raise ValueError(msg)

    monkeypatch.setattr(schema_registry, "schema", schema)
    records = Records(
        "t", "avro", [0] * 3, [0, 1, 2], [schema_registry.header(n) + b"x" for n in (7, 7, 8)], registry="u"
    )
    rejects = decode.decode_records(SCHEMA, "predictions", records).rejects

    assert [7, 8] == asked
    assert [f"schema {n} is not in the registry" for n in (7, 7, 8)] == [r.reason for r in rejects]


def test_plain_avro_needs_no_registry() -> None:
    """A reader of a known schema asks nobody."""
    columns = decode.event_columns(SCHEMA, "predictions")
    event = {"id": "a", "time": 0, "model_version": "v1", "prediction": 0.5, "x": None}

    assert event == avro.reader(None, columns, None)(avro.write(event, avro.parse(avro.derive(columns))))


@pytest.mark.parametrize("url", ["localhost:8081", "ftp://host", "env:", "http://"])
def test_a_registry_is_a_url_or_a_variable(url: str) -> None:
    """Anything else is refused where the project file is read."""
    with pytest.raises(ValueError, match="schema_registry"):
        Source(topic="t", format="avro", schema_registry=url)


def test_a_registry_goes_with_avro() -> None:
    """Other formats name no schema."""
    with pytest.raises(ValueError, match="`schema_registry` goes with `format: avro`"):
        Source(topic="t", format="json", schema_registry="http://host:8081")
