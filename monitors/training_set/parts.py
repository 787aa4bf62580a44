"""Parts of a log that a training set needs: those whose events lie in its period, as far as that is known before.

Parquet tells the times of its row groups, and a topic where records of a time begin. Of text files it is known what an
earlier reading found, as long as a file has not changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from features.events import location
from features.files import file_chunks, parquet_times
from features.kafka import offset_ranges
from features.schema import EventSchema, Role, Source
from features.window import to_ms
from monitors.training_set.period import Interval, TrainingPeriod

Sources = Sequence[tuple[Role, location.Place]]
"""Places of events, each with the role that its records are decoded in."""
Part = tuple[Role, str]
"""A part of the log: the role of its events, and the reference to it as its ``encode()`` wrote it."""
PartTimes = Mapping[str, Interval | None]
"""Parts with their first and last event time, in milliseconds since the epoch; None where that is unknown."""
RECORD_AHEAD = to_ms(timedelta(days=1))
"""How far a record's timestamp may lie before the time of its event: clocks differ, and time zones are mistaken."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file of events as it was when its parts were listed; *changed* is the time of its last change (ns)."""

    role: Role
    size: int
    changed: int
    parts: PartTimes

    def is_same(self, path: Path) -> bool:
        """Return whether the file has not changed since."""
        state = path.stat()
        return (self.size, self.changed) == (state.st_size, state.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Survey:
    """The parts of a log.

    Parameters
    ----------
    files
        The files by role and path.
    records
        Ranges of offsets of topics.
    """

    files: Mapping[str, ReadFile] = field(default_factory=dict)
    records: tuple[Part, ...] = ()

    def needed(self, period: TrainingPeriod) -> list[Part]:
        """Return the parts that may have events of a period."""
        files = [(file.role, part) for file in self.files.values() for part, times in file.parts.items()
                 if overlaps(period, file.role, times)]  # fmt: skip
        return [*files, *self.records]

    def learned(self, read: Mapping[Part, Interval | None]) -> Survey:
        """Return the files with the times of the parts that were read."""

        def with_times(file: ReadFile) -> ReadFile:
            return replace(file, parts={part: read.get((file.role, part), old) for part, old in file.parts.items()})

        return Survey({name: with_times(file) for name, file in self.files.items()})

    def text(self) -> str:
        """Return the files as JSON."""
        return json.dumps({name: [file.role, file.size, file.changed, file.parts] for name, file in self.files.items()})

    @staticmethod
    def of(text: str) -> Survey:
        """Return the survey that :meth:`text` wrote."""
        files = {name: ReadFile(role, size, changed, {part: (times[0], times[1]) if times else None
                                                      for part, times in parts.items()})
                 for name, (role, size, changed, parts) in json.loads(text).items()}  # fmt: skip
        return Survey(files)


def overlaps(period: TrainingPeriod, role: Role, times: Interval | None) -> bool:
    """Return whether events of a role from a first to a last time may be in a period; None is any time."""
    first, last = period.labels if role == "labels" else period.predictions
    return times is None or (times[1] >= first and times[0] < last)


def survey(period: TrainingPeriod, sources: Sources, earlier: Survey) -> Survey:
    """Return the parts of a log; of files that have not changed since an earlier survey, those that it found.

    Raises
    ------
    DataError
        A directory does not exist.
    BrokerError
        A topic cannot be read.
    """
    files, records = dict[str, ReadFile](), list[Part]()
    for role, place in sources:
        if isinstance(place, Source) and place.path is None:
            since = (period.labels if role == "labels" else period.predictions)[0] - RECORD_AHEAD
            records += [(role, part.encode()) for part in offset_ranges.ranges(place, since=since)]
            continue
        for path in file_chunks.list_files(location.directory(place)):
            name = f"{role} {path}"
            before = earlier.files.get(name)
            files[name] = before if before and before.is_same(path) else _listed(period.schema, role, place, path)
    return Survey(files, tuple(records))


def _listed(schema: EventSchema, role: Role, place: location.Place, path: Path) -> ReadFile:
    """Return a file with its parts, and with their times where it is Parquet."""
    state = path.stat()
    chunks = [chunk.encode() for chunk in location.file_references(path, location.csv_format(place))]
    column = schema.columns.label_time if role == "labels" else schema.columns.time
    times = parquet_times.row_group_times(path, column, schema.times) if path.suffix == ".parquet" else []
    known = dict(zip(chunks, times, strict=True)) if len(times) == len(chunks) else dict.fromkeys(chunks)
    return ReadFile(role, state.st_size, state.st_mtime_ns, known)
