"""A topic of facts, and what of it has landed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from features.files import file_chunks
from features.kafka import connections, record_files
from features.schema import Source
from features.window import UTC
from leeway.landed.topics.topic_reader import TopicReader
from leeway.project.landed import LandedTopic
from tests.support import killed_landing

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)


@dataclass
class TopicOfFacts:
    """A topic with a name of its own, and the folder in which its records land."""

    bootstrap: str
    topic: str
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    def create(self, partitions: int = 2, **configs: str) -> None:
        """Create the topic."""
        kept = {"retention.ms": "-1", **{key.replace("_", "."): value for key, value in configs.items()}}
        wanted = {"num_partitions": partitions, "replication_factor": 1, "configs": kept}
        with connections.admin(self.bootstrap) as client:
            client.create_topics({self.topic: wanted}, wait_for_metadata=True)

    def delete(self) -> None:
        """Delete the topic."""
        with connections.admin(self.bootstrap) as client:
            client.delete_topics([self.topic])

    def send(self, values: Sequence[bytes | None], partition: int | None = None) -> None:
        """Send records, to the partitions in turn where none is named."""
        with connections.producer(self.bootstrap) as client:
            for number, value in enumerate(values):
                client.send(self.topic, value, key=str(number).encode(),
                            partition=number % 2 if partition is None else partition)  # fmt: skip

    def insert(self, *keys: Any, prefix: str = "r") -> None:
        """Send a record for each key."""
        self.insert_rows([{"id": f"{prefix}{key}", "time": "2024-01-01T00:00:00Z", "label": 1} for key in keys])

    def insert_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send records in JSON."""
        self.send([json.dumps(row).encode() for row in rows])

    def source(self) -> LandedTopic:
        """Return the topic as a project file declares it, looked at each second."""
        source = Source(topic=self.topic, bootstrap=self.bootstrap, **self.settings)
        return LandedTopic(name="facts f", key="facts.f", label=f"topic {self.topic}", unit="records",
                           folder=self.folder / "state" / "landed" / "facts.f-1", poll=timedelta(seconds=1),
                           source=source)  # fmt: skip

    def reader(self, page_rows: int = 3) -> TopicReader:
        """Return a reader as a new process has it, of small pages."""
        return TopicReader(self.source(), page_rows)

    def land(self) -> int:
        """Land what is new with a new reader."""
        return self.reader().land(NOW)

    def land_and_die(self, writes: int, *, before: bool) -> int | None:
        """Land records in a process that kills itself at one of its files; return its exit code."""
        own = (self.bootstrap, self.topic, self.folder, dict(self.settings))
        return killed_landing.land_and_die(_land, own, writes, before=before)

    def values(self) -> list[bytes | None]:
        """Return the records that have landed, in the order in which they did."""
        files = file_chunks.list_files(self.source().folder)
        return [
            value for path in files for chunk in file_chunks.chunks(path) for value in record_files.read(chunk).values
        ]

    def rows(self) -> list[Any]:
        """Return the ids of all records that have landed."""
        return [json.loads(value or b"")["id"] for value in self.values()]


def _land(bootstrap: str, topic: str, folder: Path, settings: Mapping[str, Any]) -> None:
    TopicOfFacts(bootstrap, topic, folder, settings).land()
