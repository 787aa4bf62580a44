"""Where a job's lines go: files in a directory, or Kafka topics; either way each line is committed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from features.window import to_ms
from monitors.flink import kafka_table
from monitors.flink.sql_job import field

KINDS = ("reports", "rejects", "progress")
"""Kinds of lines that a job writes: windows, records that were set aside, and how far it has read."""


class Outputs(Protocol):
    """Where lines of each of :data:`KINDS` go."""

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table ``sink_<kind>``; return what to select into it of columns ``k`` (key) and ``line``."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Directories into which the job commits lines of JSON: one file a checkpoint, or one at the end of a batch."""

    reports: Path
    rejects: Path
    progress: Path

    @classmethod
    def under(cls, directory: Path) -> Folders:
        """Return the output directories under *directory*."""
        return cls(*(directory / kind for kind in KINDS))

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table of files."""
        path = getattr(self, kind).resolve().as_uri()
        tables.execute_sql(
            f"CREATE TEMPORARY TABLE sink_{kind} (line STRING) WITH ('connector' = 'filesystem', "
            f"'path' = '{path}', 'format' = 'raw', "
            "'sink.rolling-policy.rollover-interval' = '200 ms', 'sink.rolling-policy.check-interval' = '100 ms')"
        )
        return "line"


#: A dead letter's value is the record as it was; what is known of it is in the headers, as text.
_HEADERS = ("role", "topic", "partition", "offset", "reason")
_LETTER = ", ".join(f"'{name}', ENCODE({field('line', i)}, 'UTF-8')" for i, name in enumerate(_HEADERS))


@dataclass(frozen=True, slots=True)
class OutputTopics:
    """Topics into which the job commits with every checkpoint, in transactions whose names start with *prefix*.

    Readers that read what is committed see each line once, whatever dies. *timeout* is how long a transaction may stay
    open: a job that is down for longer between a checkpoint and its commit loses what that checkpoint holds.
    """

    bootstrap: str
    reports: str
    rejects: str
    progress: str
    prefix: str
    timeout: timedelta = timedelta(minutes=15)

    def sink(self, tables: Any, kind: str) -> str:
        """Create the table of a topic: reports by version and segment, dead letters as they were, lines of progress."""
        columns, selected = {
            "reports": ("k STRING, line STRING", "k, line"),
            "rejects": (
                "v BYTES, headers MAP<STRING, BYTES> METADATA",
                f"UNHEX({field('line', len(_HEADERS))}) AS v, MAP[{_LETTER}] AS headers",
            ),
            "progress": ("line STRING", "line"),
        }[kind]
        keyed = {"key.format": "raw", "key.fields": "k", "value.format": "raw", "value.fields-include": "EXCEPT_KEY"}
        options = {**self._options(kind), **(keyed if kind == "reports" else {"format": "raw"})}
        where = kafka_table.options(self.bootstrap, getattr(self, kind), options)
        tables.execute_sql(f"CREATE TEMPORARY TABLE sink_{kind} ({columns}) WITH ({where})")
        return selected

    def _options(self, kind: str) -> Mapping[str, str]:
        return {
            "properties.transaction.timeout.ms": str(to_ms(self.timeout)),
            "properties.max.request.size": str(16 << 20),
            "sink.delivery-guarantee": "exactly-once",
            "sink.transactional-id-prefix": f"{self.prefix}-{kind}",
            "sink.transaction-naming-strategy": "POOLING",
        }


def insert(tables: Any, outputs: Outputs, queries: Mapping[str, str]) -> Any:
    """Start one job that writes the lines of *queries* (by kind); return its ``TableResult``."""
    statements = tables.create_statement_set()
    for kind, query in queries.items():
        statements.add_insert_sql(f"INSERT INTO sink_{kind} SELECT {outputs.sink(tables, kind)} FROM ({query})")
    return statements.execute()
