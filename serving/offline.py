"""Offline scoring: prediction events for a file of events, written atomically to a file or sent to a topic."""

from __future__ import annotations

import io
from collections.abc import Callable
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
from features.facts.lookup import Filled
from features.schema import PREDICTION, EventSchema, Source
from features.values.untyped import Reject
from features.window import from_ms, to_ms
from registry.files import artifacts
from serving import model
from serving.model import Served

FORMATS = (".jsonl", ".parquet")
Fill = Callable[[pa.Table], Filled]
"""From decoded requests to the same with features of facts."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The number of scored events, and the records that could not be read."""

    rows: int
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class EventPeriod:
    """The period [start, end) of events to score, in event time; None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def in_period(self, requests: Decoded) -> Decoded:
        """Return *requests* with only the events of the period, and all rejects."""
        times, inside = requests.table[decode.TIME], pa.scalar(True)
        if self.start is not None:
            inside = pc.and_(inside, pc.greater_equal(times, to_ms(self.start)))
        if self.end is not None:
            inside = pc.and_(inside, pc.less(times, to_ms(self.end)))
        if self == EventPeriod():
            return requests
        return replace(requests, table=requests.table.filter(inside), lines=requests.lines[inside.to_numpy()])


ALL = EventPeriod()


def _as_they_are(rows: pa.Table) -> Filled:
    return Filled(rows, ())


def score(
    served: Served,
    source: Place,
    target: Path,
    *,
    wanted: EventPeriod = ALL,
    over: bool = False,
    fill: Fill = _as_they_are,
) -> Scored:
    """Score the *wanted* events of *source* and write prediction events to *target*.

    Columns are named as in the schema: id, time, model version, features, prediction; events keep their order. Monitors
    read exactly this file.

    Parameters
    ----------
    served
        The loaded version.
    source
        Events with id, time and features.
    target
        A ``.jsonl`` or ``.parquet`` file.
    wanted
        The period of events to score.
    over
        Whether an existing file is overwritten.
    fill
        Fills in features of facts.

    Raises
    ------
    DataError
        *source* does not exist, or *target* does and not *over*, or it has another ending.
    """
    if not over and target.exists():
        raise _taken(target)
    if target.suffix not in FORMATS:
        msg = f"{target} has an unknown format"
        raise errors.DataError(msg, hint=f"name it with one of {', '.join(FORMATS)}")
    requests = _filled(wanted.in_period(read_requests(served.schema, source)), fill)
    table = encode.renamed(columns(served.schema), answered(served, requests.table))
    target.parent.mkdir(parents=True, exist_ok=True)
    data = parquet(table) if target.suffix == ".parquet" else _json(table, served.schema.times.format)
    try:
        artifacts.write_whole(target, data, replace=over)
    except FileExistsError:
        raise _taken(target) from None
    return Scored(table.num_rows, requests.rejects)


def _taken(target: Path) -> errors.DataError:
    return errors.DataError(f"{target} exists already", hint="name another file, or overwrite it with --force")


def _filled(requests: Decoded, fill: Fill) -> Decoded:
    """Return requests with what *fill* fills in; facts that could not be used are among the rejects."""
    made = fill(requests.table)
    return replace(requests, table=made.rows, rejects=(*requests.rejects, *made.rejects))


def publish(  # noqa: PLR0913 - where to, which events, and when
    served: Served,
    source: Place,
    to: Source,
    *,
    now: datetime,
    partitions: int,
    wanted: EventPeriod = ALL,
    fill: Fill = _as_they_are,
) -> Scored:
    """Score the *wanted* events of *source* and send prediction events to the topic *to*, created if missing.

    Raises
    ------
    DataError
        *source* does not exist, or an event does not fit the topic's Avro schema.
    BrokerError
        Kafka does not answer, or the topic's retention would delete such old events at once.
    """
    requests = _filled(wanted.in_period(read_requests(served.schema, source)), fill)
    table = finite(answered(served, requests.table))
    topic = publishing.ensure(to.bootstrap, to.topic or "", partitions)
    if table.num_rows:
        publishing.check_retention(topic, from_ms(pc.min(table[decode.TIME]).as_py()), now)
    outlet = publishing.TopicFormat(topic, to.format)
    messages = publishing.messages(served.schema, "predictions", table, to)
    sent = sum(publishing.send(to.bootstrap, ((outlet, message) for message in messages)))
    return Scored(sent, requests.rejects)


def answered(served: Served, requests: pa.Table) -> pa.Table:
    """Return *requests* with the version and its predictions, as a decoded table.

    Whatever the model raises passes through.
    """
    answers = model.predict(served, scoring.inputs(served.schema, requests))
    versions = pa.array([served.version] * requests.num_rows, pa.string())
    table = requests.set_column(requests.column_names.index(decode.VERSION), decode.VERSION, versions)
    made = pa.array(answers, requests.schema.field(PREDICTION).type)
    return table.set_column(table.column_names.index(PREDICTION), PREDICTION, made)


def columns(schema: EventSchema) -> dict[str, str]:
    """Return the columns of a prediction event in a file: decoded name to the project's name."""
    c = schema.columns
    features = {name: name for name in schema.features}
    return {decode.ID: c.id, decode.TIME: c.time, decode.VERSION: c.version, **features, PREDICTION: c.prediction}


def parquet(table: pa.Table) -> bytes:
    """Return a table as a Parquet file: the same bytes for the same table."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def _json(table: pa.Table, way: str | None) -> bytes:
    return b"".join(line + b"\n" for line in encode.json_lines(finite(table), way))


def finite(table: pa.Table) -> pa.Table:
    """Return *table* with non-finite numbers as nulls: JSON has none, and a prediction must be a number."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type) and not pc.all(pc.is_finite(table[i])).as_py():
            none = pa.nulls(table.num_rows, field.type)
            table = table.set_column(i, field.name, pc.if_else(pc.is_finite(table[i]), table[i], none))
    return table
