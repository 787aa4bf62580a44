"""Records of a topic that have landed in numbered files, and up to which offsets it was read at each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.kafka import record_files
from features.kafka.records import Records
from leeway.landed import numbered_files


@dataclass
class LandedRecords:
    """What has landed in *folder*.

    Parameters
    ----------
    folder
        The directory of files.
    number
        The number of the newest file, 0 where there is none.
    total
        How many records have landed.
    lost
        How many offsets had been deleted before they were read.
    topic
        The identity of the topic that was read last: one that is made anew under the same name has another one.
    next
        The first offset that has not been read, by partition.
    """

    folder: Path
    number: int = 0
    total: int = 0
    lost: int = 0
    topic: str = ""
    next: dict[int, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> LandedRecords:
        """Return what has landed in *folder*. Raises DataError if the newest file cannot be read."""
        files = numbered_files.paths(folder)
        if not files:
            return cls(folder)
        place = numbered_files.place_of(files[-1])
        try:
            offsets = {int(partition): int(offset) for partition, offset in place["next"].items()}
            own = int(place["total"]), int(place["lost"]), str(place["topic"])
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise numbered_files.unreadable(files[-1], error) from error
        return cls(folder, numbered_files.number(files[-1]), *own, offsets)

    @property
    def cursor(self) -> str:
        """The next offset of each partition, for people."""
        return " ".join(f"{partition}:{offset}" for partition, offset in sorted(self.next.items()))

    def is_current(self) -> bool:
        """Return whether no other process has landed records since, or removed them."""
        return numbered_files.is_newest(self.folder, self.number)

    def add(self, records: Records, reached: Mapping[int, int], lost: int, topic: str) -> None:
        """Land *records* in one new file.

        Parameters
        ----------
        records
            Those after what has landed.
        reached
            The first offset that has not been read then, by partition.
        lost
            How many offsets before them had been deleted.
        topic
            The topic's identity.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        total, lost = self.total + len(records.values), self.lost + lost
        place = {"next": dict(sorted(reached.items())), "total": total, "lost": lost, "topic": topic}
        self.number = numbered_files.write(self.folder, self.number, record_files.table(records), place)
        self.total, self.lost, self.topic, self.next = total, lost, topic, dict(reached)
