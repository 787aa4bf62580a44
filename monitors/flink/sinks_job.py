"""Sinks of a job in Flink: lines into files, or into Kafka topics, each committed exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from features.events.encode import DIGEST
from features.window import to_ms
from monitors.flink import file_paths, kafka_table
from monitors.flink.sql_job import field

KINDS = ("reports", "rejects", "progress")
"""Kinds of lines that a job writes: reports on windows, rejected records, and its progress."""


class Outputs(Protocol):
    """Where lines of each of :data:`KINDS` go."""

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table ``sink_<kind>``; return the columns to select for it from ``k`` (key) and ``line``."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Directories into which the job commits lines of JSON: one file per checkpoint, or one at the end of a batch."""

    reports: Path
    rejects: Path
    progress: Path

    @classmethod
    def under(cls, directory: Path) -> Folders:
        """Return the output directories under *directory*."""
        return cls(*(directory / kind for kind in KINDS))

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table of files; see :meth:`Outputs.sink`."""
        tables.execute_sql(
            f"CREATE TEMPORARY TABLE sink_{kind} (line STRING) WITH ('connector' = 'filesystem', "
            f"'path' = '{file_paths.in_sql(getattr(self, kind))}', 'format' = 'raw', "
            "'sink.rolling-policy.rollover-interval' = '200 ms', 'sink.rolling-policy.check-interval' = '100 ms')"
        )
        return "line"


_HEADERS = ("role", "topic", "partition", "offset", "reason")
"""Headers of a dead letter, as text; its value is the record's bytes."""
_LETTER = ", ".join(f"'{name}', ENCODE({field('line', i)}, 'UTF-8')" for i, name in enumerate(_HEADERS))


@dataclass(frozen=True, slots=True)
class OutputTopics:
    """Topics into which the job commits in transactions: readers of committed records see each line once.

    Parameters
    ----------
    bootstrap
        Kafka's address.
    reports
        Topic of reports.
    rejects
        Topic of dead letters.
    progress
        Topic of progress.
    prefix
        Prefix of the transactions' names.
    timeout
        How long a transaction may stay open. A job that is down for longer between a checkpoint and its commit loses
        that checkpoint's lines.
    """

    bootstrap: str
    reports: str
    rejects: str
    progress: str
    prefix: str
    timeout: timedelta = timedelta(minutes=15)

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table of a topic: reports keyed by version and segment, dead letters as bytes, or progress."""
        columns, selected = {
            "reports": ("k STRING, line STRING", "k, line"),
            "rejects": (
                "v BYTES, headers MAP<STRING, BYTES> METADATA",
                f"UNHEX({field('line', len(_HEADERS))}) AS v, MAP[{_LETTER}] AS headers",
            ),
            "progress": ("line STRING", "line"),
        }[kind]
        options = {**self._options(kind), **(_KEYED if kind == "reports" else {"format": "raw"})}
        where = kafka_table.options(self.bootstrap, getattr(self, kind), options)
        tables.execute_sql(f"CREATE TEMPORARY TABLE sink_{kind} ({columns}) WITH ({where})")
        return selected

    def _options(self, kind: str) -> Mapping[str, str]:
        return _exactly_once(f"{self.prefix}-{kind}", self.timeout)


@dataclass(frozen=True, slots=True)
class EventTopic:
    """A topic of events into which the job commits in transactions, beside its dead letters and its progress.

    Parameters
    ----------
    topic
        The topic of events.
    content
        Their MIME type, for the header ``content-type``.
    beside
        Topics of dead letters and progress; where events go is their broker, too.
    """

    topic: str
    content: str
    beside: OutputTopics

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table of a kind of lines; events (kind ``events``) are of k, v, at_ms (timestamp) and digest."""
        if kind != "events":
            return self.beside.sink(tables, kind)
        options = {**_exactly_once(f"{self.beside.prefix}-events", self.beside.timeout), **_KEYED}
        where = kafka_table.options(self.beside.bootstrap, self.topic, options)
        tables.execute_sql(
            "CREATE TEMPORARY TABLE sink_events (k STRING, v BYTES, "
            f"at_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', headers MAP<STRING, BYTES> METADATA) WITH ({where})"
        )
        headers = f"'content-type', ENCODE('{self.content}', 'UTF-8'), '{DIGEST}', ENCODE(digest, 'UTF-8')"
        return f"k, v, TO_TIMESTAMP_LTZ(at_ms, 3), MAP[{headers}]"


_KEYED = {"key.format": "raw", "key.fields": "k", "value.format": "raw", "value.fields-include": "EXCEPT_KEY"}


def _exactly_once(prefix: str, timeout: timedelta) -> Mapping[str, str]:
    """Return the options of a topic that is written in transactions, whose names begin with *prefix*."""
    return {
        # A request to the broker costs more than its bytes: by default it holds 16 kB, some thirty predictions.
        "properties.batch.size": str(256 << 10),
        "properties.linger.ms": "5",
        "properties.transaction.timeout.ms": str(to_ms(timeout)),
        "properties.max.request.size": str(16 << 20),
        "sink.delivery-guarantee": "exactly-once",
        "sink.transactional-id-prefix": prefix,
        "sink.transaction-naming-strategy": "POOLING",
    }


def insert(tables: Any, outputs: Outputs, queries: Mapping[str, str]) -> Any:
    """Start one job that writes the lines of *queries*, by kind; return its ``TableResult``."""
    statements = tables.create_statement_set()
    for kind, query in queries.items():
        statements.add_insert_sql(f"INSERT INTO sink_{kind} SELECT {outputs.sink(tables, kind)} FROM ({query})")
    return statements.execute()
