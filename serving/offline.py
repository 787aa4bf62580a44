"""Answers a file of events with prediction events: a file, which is there whole or not at all, or a topic's records."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import errors, scoring
from features.events import decode, encode, publishing
from features.events.decode import Decoded
from features.events.location import Place
from features.events.requests import read_requests
from features.schema import PREDICTION, Source
from features.values.untyped import Reject
from features.window import from_ms, to_ms
from registry.files import artifacts
from serving import model
from serving.model import Served

FORMATS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Scored:
    """How many events were answered, and the records that could not be read."""

    rows: int
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class EventPeriod:
    """Which events are to be answered: those of [start, end) in event time; None is without end."""

    start: datetime | None = None
    end: datetime | None = None

    def in_period(self, requests: Decoded) -> Decoded:
        """Return *asked* with the events of the period; what could not be read stays told."""
        times, inside = requests.table[decode.TIME], pa.scalar(True)
        if self.start is not None:
            inside = pc.and_(inside, pc.greater_equal(times, to_ms(self.start)))
        if self.end is not None:
            inside = pc.and_(inside, pc.less(times, to_ms(self.end)))
        return requests if self == EventPeriod() else replace(requests, table=requests.table.filter(inside))


ALL = EventPeriod()


def score(served: Served, source: Place, target: Path, *, wanted: EventPeriod = ALL, over: bool = False) -> Scored:
    """Answer the *wanted* events of *source* (id, time and features) and write prediction events to *target*.

    A file that is there is written *over* only if that is said.

    The suffix of *target* says how: ``.jsonl`` or ``.parquet``. Columns are named as the schema names them: id, time,
    model version, features, prediction; events keep their order. What monitors read later is exactly this.

    Raises:
        DataError: *source* is not there, or *target* is, or has another suffix.
    """
    if not over and target.exists():
        raise _taken(target)
    if target.suffix not in FORMATS:
        msg = f"{target} has no known format"
        raise errors.DataError(msg, hint=f"name it with one of {', '.join(FORMATS)}")
    requests = wanted.in_period(read_requests(served.schema, source))
    table = encode.renamed(_columns(served), _answered(served, requests.table))
    target.parent.mkdir(parents=True, exist_ok=True)
    data = _parquet(table) if target.suffix == ".parquet" else _json(table, served.schema.times.format)
    try:
        artifacts.write_whole(target, data, replace=over)
    except FileExistsError:
        raise _taken(target) from None
    return Scored(table.num_rows, requests.rejects)


def _taken(target: Path) -> errors.DataError:
    return errors.DataError(f"{target} is there already", hint="name another file, or write over it with --force")


def publish(
    served: Served, source: Place, to: Source, *, now: datetime, partitions: int, wanted: EventPeriod = ALL
) -> Scored:
    """Answer the *wanted* events of *source* and send prediction events to the topic *to*, which is made if absent.

    Raises:
        DataError: *source* is not there, or an event does not fit the topic's Avro schema.
        BrokerError: Kafka does not answer, or would delete such old events at once.
    """
    requests = wanted.in_period(read_requests(served.schema, source))
    table = _finite(_answered(served, requests.table))
    topic = publishing.ensure(to.bootstrap, to.topic or "", partitions)
    if table.num_rows:
        publishing.check_retention(topic, from_ms(pc.min(table[decode.TIME]).as_py()), now)
    outlet = publishing.TopicFormat(topic, to.format)
    messages = publishing.messages(served.schema, "predictions", table, to)
    sent = sum(publishing.send(to.bootstrap, ((outlet, message) for message in messages)))
    return Scored(sent, requests.rejects)


def _answered(served: Served, requests: pa.Table) -> pa.Table:
    """Return the events *asked* as a decoded predictions table."""
    answers = model.predict(served, scoring.inputs(served.schema, requests))
    versions = pa.array([served.version] * requests.num_rows, pa.string())
    table = requests.set_column(requests.column_names.index(decode.VERSION), decode.VERSION, versions)
    made = pa.array(answers, requests.schema.field(PREDICTION).type)
    return table.set_column(table.column_names.index(PREDICTION), PREDICTION, made)


def _columns(served: Served) -> dict[str, str]:
    """Return the columns of a prediction event in a file: decoded name -> the user's."""
    c = served.schema.columns
    features = {name: name for name in served.schema.features}
    return {decode.ID: c.id, decode.TIME: c.time, decode.VERSION: c.version, **features, PREDICTION: c.prediction}


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _json(table: pa.Table, way: str | None) -> bytes:
    return "".join(f"{line}\n" for line in encode.json_lines(_finite(table), way)).encode()


def _finite(table: pa.Table) -> pa.Table:
    """Return *table* with what is not finite as missing: JSON has no word for it, and a prediction must be a number."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            none = pa.nulls(table.num_rows, field.type)
            table = table.set_column(i, field.name, pc.if_else(pc.is_finite(table[i]), table[i], none))
    return table
