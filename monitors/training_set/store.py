"""Store of training sets: the last ones that were built, each found again by its period and the state of its log.

A decision counts the rows that the retrain after it trains on, perhaps in another process: they are read once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import pyarrow as pa

from features.events import location
from features.facts import reading
from features.facts.declaration import NO_FACTS, FactFeatures
from features.files import file_chunks
from features.files.whole_file import write_whole
from features.kafka import offset_ranges
from features.schema import Source
from features.transforms import apply as transforms
from monitors.report import canonical
from monitors.training_set import built
from monitors.training_set.buckets import event_times, read_part
from monitors.training_set.built import BuiltSet, Run
from monitors.training_set.parts import Part, Sources, Survey, survey
from monitors.training_set.period import Interval, TrainingPeriod, within

KEPT_SETS = 3
"""Sets that stay on disk, those used last: of a retrain, of the labels since, and of a comparison."""
_LAYOUT = "2"
"""Version of what is in a set's folder."""


@dataclass(frozen=True, slots=True)
class SetStore:
    """The sets in a folder.

    Parameters
    ----------
    folder
        The folder.
    facts
        The model's fact features, which are computed where the log has no value.
    """

    folder: Path
    facts: FactFeatures = NO_FACTS

    def built(self, period: TrainingPeriod, sources: Sources, run: Run, *, counted: bool = False) -> BuiltSet:
        """Return the training set of a period, built unless it is there and the log is as it was then.

        With *counted*, one that is there is taken also where the log has grown since: it is the one that was counted.

        Raises
        ------
        DataError
            A directory does not exist.
        BrokerError
            A topic cannot be read.
        EngineError
            The Flink job fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self._key(period, sources)
        with filelock.FileLock(self.folder / ".lock"):
            before = sorted(self.folder.glob(f"{key}-*"), key=_last_used) if counted else []
            final = before[-1] if before else self.folder / f"{key}-{self._state(sources)}"
            if not final.is_dir():
                self._remove(self.folder.glob("building-*"))  # of a process that was killed
                draft = self.folder / f"building-{final.name}"
                self.build(period, sources, draft, run)
                draft.rename(final)
            os.utime(final)
            newest = sorted(self.folder.glob("set-*"), key=_last_used, reverse=True)
            self._remove(newest[KEPT_SETS:])
        return built.load(period, final)

    def build(
        self, period: TrainingPeriod, sources: Sources, folder: Path, run: Run, *, by_slice: bool = False
    ) -> BuiltSet:
        """Build a set in a folder of its own; parts of the log that are known to lie elsewhere in time are not read.

        With *by_slice*, each slice is joined by itself (:mod:`monitors.training_set.slice_join`).

        Raises
        ------
        DataError
            A directory does not exist.
        BrokerError
            A topic cannot be read.
        EngineError
            The Flink job fails.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        index, parts = self._index(period, sources), self.survey(period, sources)
        found = built.build(period, parts.needed(period), folder, run, facts=self.facts, by_slice=by_slice)
        write_whole(index, parts.learned(found.part_times()).text().encode())
        return found

    def tables(self, period: TrainingPeriod, sources: Sources) -> Iterator[pa.Table]:
        """Yield the decoded events of a period, part by part and in no order; the parts' times are remembered.

        Raises
        ------
        DataError
            A directory does not exist.
        BrokerError
            A topic cannot be read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        index, parts = self._index(period, sources), self.survey(period, sources)
        times = dict[Part, Interval | None]()
        for role, part in parts.needed(period):
            decoded = read_part(period.schema, role, part)
            times[role, part] = event_times(decoded)
            yield within(decoded.table, period.predictions)
        write_whole(index, parts.learned(times).text().encode())

    def survey(self, period: TrainingPeriod, sources: Sources) -> Survey:
        """Return the parts of a log, with what earlier sets have found of their times; errors as of :meth:`build`."""
        index = self._index(period, sources)
        return survey(period, sources, Survey.of(index.read_text()) if index.is_file() else Survey())

    def _index(self, period: TrainingPeriod, sources: Sources) -> Path:
        """Return the file of what is known of a log's times, which depends on how its events are written."""
        dialects = [location.csv_format(place).model_dump_json() for _, place in sources]
        return self.folder / f"times-{_digest(json.dumps([canonical(period.schema), dialects]))}.json"

    def _key(self, period: TrainingPeriod, sources: Sources) -> str:
        """Return the first part of the name of a set's folder: a hash of its period and of where events are.

        What transforms made is in a set, so it is of their code, too; the name of a set without any is as it was.
        """
        request = {**asdict(period), "schema": canonical(period.schema)}
        places = [(role, location.name(place), location.csv_format(place).model_dump_json()) for role, place in sources]
        code = transforms.code(self.facts.transforms)
        parts = [_LAYOUT, request, places, canonical(self.facts), *([code] if code else [])]
        return f"set-{_digest(json.dumps(parts, sort_keys=True))}"

    def _state(self, sources: Sources) -> str:
        """Return the second part of the name: a hash of the state of the log and of the facts."""
        places = [*(place for _, place in sources), *map(reading.place, self.facts.sources.values())]
        return _digest(json.dumps([list(_place_state(place)) for place in places]))

    @staticmethod
    def _remove(folders: list[Path] | Iterator[Path]) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _last_used(folder: Path) -> int:
    return folder.stat().st_mtime_ns


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _place_state(place: location.Place) -> Iterator[tuple[object, ...]]:
    """Yield the files of a place with size and time of the last change, or a topic's offsets by partition."""
    if isinstance(place, Source) and place.path is None:
        offsets = offset_ranges.offsets_by_partition(place.bootstrap, place.topic or "")
        yield place.model_dump_json(), sorted(offsets.items())
        return
    for path in file_chunks.list_files(location.directory(place)):
        state = path.stat()
        yield str(path), state.st_size, state.st_mtime_ns
