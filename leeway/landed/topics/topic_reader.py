"""Reads the records of a topic that have not landed yet, in the order of their offsets, and lands them.

Each look goes from the offsets that the newest file names to the end of what is committed. So records are neither lost
nor read twice, whatever ends the process. What the broker has deleted before it was read is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from features.kafka import connections, offset_ranges, spans, stored_schemas, topic_state
from features.kafka.records import Records
from leeway.landed import numbered_files
from leeway.landed.so_far import SoFar
from leeway.landed.topics.landed_records import LandedRecords
from leeway.project.landed import LandedTopic

PAGE_RECORDS = 20_000
"""Records of a file at most."""
PAGE_BYTES = 32 << 20
"""Bytes of records after which a file ends."""
_POLLED = 5000
"""Records that are polled at once, at most."""


class TopicReader:
    """The reader of one topic. Several may be used at once, in any process: one reads, the others wait."""

    def __init__(self, topic: LandedTopic, page_records: int = PAGE_RECORDS) -> None:
        self.topic = topic
        self._page_records = page_records
        self._landed: LandedRecords | None = None
        topic.folder.mkdir(parents=True, exist_ok=True)

    @property
    def source(self) -> LandedTopic:
        """The topic."""
        return self.topic

    def land(self, now: datetime, *, most: int | None = None) -> int:
        """Land the committed records that are there and have not landed yet; return how many they were.

        Parameters
        ----------
        now
            The present, which other readers need.
        most
            After how many records to stop, about; what is left is read the next time.

        Raises
        ------
        LandingBusy
            Another process reads the topic for long.
        BrokerAway
            Kafka does not answer, or its schema registry.
        BrokerError
            There is no such topic, or Kafka refuses.
        DataError
            The Avro schema cannot be read, or a file that landed.
        """
        with numbered_files.turn(self.topic):
            return self._land(most)

    def so_far(self) -> SoFar:
        """Return what has landed, also by other processes."""
        landed = self.landed()
        return SoFar(landed.total, landed.cursor)

    def waiting(self, most: int) -> int:
        """Return how many offsets wait behind what has landed, counted up to *most*.

        Raises what :meth:`land` raises.
        """
        return min(sum(stop - start for start, stop in self._new().wanted.values()), most)

    def landed(self) -> LandedRecords:
        """Return what has landed, with what other processes have landed since."""
        if self._landed is None or not self._landed.is_current():
            self._landed = LandedRecords.load(self.topic.folder)
        return self._landed

    def compacted(self) -> bool:
        """Return whether the broker deletes records of which there is a newer one with the same key.

        Raises what :meth:`land` raises.
        """
        return topic_state.is_compacted(self.topic.source.bootstrap, self._name)

    @property
    def _name(self) -> str:
        return self.topic.source.topic or ""

    def _new(self) -> _New:
        """Return which offsets have not landed yet, and how many of them are gone."""
        landed, bootstrap = self.landed(), self.topic.source.bootstrap
        there = offset_ranges.offsets_by_partition(bootstrap, self._name)
        identity = topic_state.identity(bootstrap, self._name)
        # Of a topic that was made anew all records are new: offsets of the one before say nothing of it. So it is where
        # a partition ends before what was read, as after an election of a broker that was behind.
        read = landed.next if landed.topic == identity else {}
        wanted, lost = dict[int, tuple[int, int]](), 0
        for partition, (first, end) in there.items():
            start = read.get(partition, first)
            start = first if start > end else start
            lost += max(first - start, 0)
            wanted[partition] = max(start, first), end
        return _New(wanted, lost, identity)

    def _land(self, most: int | None) -> int:
        """Land new records page by page, and return how many they were; no other process reads meanwhile."""
        new, landed, total = self._new(), self.landed(), 0
        lost = new.lost
        for page, reached in self._pages(new.wanted):
            landed.add(self._records(page), reached, lost, new.topic)
            total, lost = total + len(page), 0
            if most is not None and total >= most:
                break
        return total

    def _pages(self, wanted: Mapping[int, tuple[int, int]]) -> Iterator[tuple[list[Any], dict[int, int]]]:
        """Yield records in pages, each with the offsets that are reached by it: with the last one the ends.

        The caller writes outside of the connection, whose errors of a socket would else be those of a disk.
        """
        if all(start == stop for start, stop in wanted.values()):
            return
        bootstrap, page, size = self.topic.source.bootstrap, list[Any](), 0
        reached = {partition: start for partition, (start, _) in wanted.items()}
        with connections.consumer(bootstrap, max_poll_records=_POLLED) as client:
            for record in spans.read(client, bootstrap, self._name, wanted):
                if len(page) >= self._page_records or size >= PAGE_BYTES:
                    yield page, dict(reached)
                    page, size = [], 0
                page.append(record)
                reached[record.partition], size = record.offset + 1, size + len(record.value or b"")
        if page:
            yield page, {partition: stop for partition, (_, stop) in wanted.items()}

    def _records(self, page: list[Any]) -> Records:
        """Return polled records with the schemas by which they are read."""
        source, values = self.topic.source, [record.value for record in page]
        is_avro = source.format == "avro"
        schemas = stored_schemas.of(values, source.avro_schema, source.schema_registry) if is_avro else None
        partitions, offsets = [record.partition for record in page], [record.offset for record in page]
        return Records(self._name, source.format, partitions, offsets, values, schemas=schemas)


@dataclass(frozen=True, slots=True)
class _New:
    """What has not landed yet: offsets by partition, how many before them are gone, and the topic's identity."""

    wanted: Mapping[int, tuple[int, int]]
    lost: int
    topic: str
