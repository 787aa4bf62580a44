"""Answers a file of events with prediction events: a file, which is there whole or not at all, or a topic's records."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import codec, encode, errors, sending
from features.raw import Reject
from features.requests import read_requests
from features.schema import PREDICTION, Source
from features.window import from_ms
from registry import artifacts
from serving import model
from serving.model import Served

FORMATS = (".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Scored:
    """How many events were answered, and the records that could not be read."""

    rows: int
    rejects: tuple[Reject, ...]


def score(served: Served, source: Path, target: Path) -> Scored:
    """Answer every event under *source* (id, time and features) and write prediction events to *target*.

    The suffix of *target* says how: ``.jsonl`` or ``.parquet``. Columns are named as the schema names them: id, time,
    model version, features, prediction; events keep their order. What monitors read later is exactly this.

    Raises:
        DataError: *source* is not there, or *target* has another suffix.
    """
    if target.suffix not in FORMATS:
        msg = f"{target} has no known format"
        raise errors.DataError(msg, hint=f"name it with one of {', '.join(FORMATS)}")
    asked = read_requests(served.schema, source)
    table = encode.renamed(_columns(served), _answered(served, asked.table))
    target.parent.mkdir(parents=True, exist_ok=True)
    artifacts.write_whole(target, _parquet(table) if target.suffix == ".parquet" else _json(table))
    return Scored(table.num_rows, asked.rejects)


def publish(served: Served, source: Path, to: Source, *, now: datetime, partitions: int) -> Scored:
    """Answer every event under *source* and send prediction events to the topic *to*, which is made if it is not there.

    Raises:
        DataError: *source* is not there, or an event does not fit the topic's Avro schema.
        BrokerError: Kafka does not answer, or would delete such old events at once.
    """
    asked = read_requests(served.schema, source)
    table = _finite(_answered(served, asked.table))
    topic = sending.ensure(to.bootstrap, to.topic or "", partitions)
    if table.num_rows:
        sending.check_retention(topic, from_ms(pc.min(table[codec.TIME]).as_py()), now)
    outlet = sending.Outlet(topic, to.format)
    messages = sending.messages(served.schema, "predictions", table, to)
    sent = sum(sending.send(to.bootstrap, ((outlet, message) for message in messages)))
    return Scored(sent, asked.rejects)


def _answered(served: Served, asked: pa.Table) -> pa.Table:
    """Return the events *asked* as a decoded predictions table."""
    answers = model.predict(served, asked.select(list(served.schema.features)).to_pandas())
    versions = pa.array([served.version] * asked.num_rows, pa.string())
    table = asked.set_column(asked.column_names.index(codec.VERSION), codec.VERSION, versions)
    made = pa.array(answers, asked.schema.field(PREDICTION).type)
    return table.set_column(table.column_names.index(PREDICTION), PREDICTION, made)


def _columns(served: Served) -> dict[str, str]:
    """Return the columns of a prediction event in a file: decoded name -> the user's."""
    c = served.schema.columns
    features = {name: name for name in served.schema.features}
    return {codec.ID: c.id, codec.TIME: c.time, codec.VERSION: c.version, **features, PREDICTION: c.prediction}


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _json(table: pa.Table) -> bytes:
    return "".join(f"{line}\n" for line in encode.json_lines(_finite(table))).encode()


def _finite(table: pa.Table) -> pa.Table:
    """Return *table* with what is not finite as missing: JSON has no word for it, and a prediction must be a number."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            none = pa.nulls(table.num_rows, field.type)
            table = table.set_column(i, field.name, pc.if_else(pc.is_finite(table[i]), table[i], none))
    return table
