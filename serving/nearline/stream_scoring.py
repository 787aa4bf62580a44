"""The function of the streaming job: each new chunk is scored once, by the champion of that moment.

A chunk is a part as in batch scoring: it leaves a receipt and its predictions, and after a failure or a kill one that
lacks either is done again. The version of a chunk whose predictions can be seen does not change.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.events import location
from features.facts.declaration import FactFeatures
from features.files.file_chunks import Chunk
from features.schema import EventSchema
from features.security.file_names import file_name
from features.values.untyped import Reject
from serving import offline
from serving.batch import part_scoring
from serving.batch.part_scoring import PartScoring
from serving.batch.run_plan import Part
from serving.nearline import fact_values
from serving.nearline.loaded_champion import LoadedChampion


@dataclass(frozen=True, slots=True)
class StreamScoring:
    """What a worker needs for any chunk.

    Parameters
    ----------
    schema
        The model's events.
    facts
        Its fact features.
    champion
        The file that names the champion (:mod:`serving.nearline.champion_file`).
    store
        Folder of model files.
    trusted
        Types that model files may have.
    target
        Directory of predictions.
    set_aside
        Takes dead letters of a role, ``requests`` or ``facts``.
    clock
        Returns the present, which times of events and facts are compared with.
    """

    schema: EventSchema
    facts: FactFeatures
    champion: Path
    store: Path
    trusted: tuple[str, ...]
    target: Path
    set_aside: Callable[[str, Sequence[Reject]], None]
    clock: Callable[[], datetime]

    def open(self) -> Callable[[str], None]:
        """Load the champion, and return what scores a chunk.

        Raises
        ------
        ArtifactError
            Its file is missing, altered or not trusted.
        """
        return _Scorer(self)


class _Scorer:
    """Scores chunks in one worker, by the champion that it has loaded."""

    def __init__(self, task: StreamScoring) -> None:
        self._task = task
        self._own = LoadedChampion(task.schema, task.champion, task.store, task.trusted, time.monotonic)
        self._facts = fact_values.of(task.schema.model, task.facts, task.set_aside, task.clock)

    def __call__(self, reference: str) -> None:
        """Score a chunk by the champion of now, with the facts of now."""
        if not reference:
            return
        self._own.follow()
        values = self._facts.newest() if self._facts else None
        task, champion, now = self._task, self._own.champion, self._task.clock()
        run = PartScoring(
            task.schema, task.facts, champion.version, champion.digest, task.store, task.trusted,
            frozenset(champion.nullable), offline.ALL, now, task.target,
        )  # fmt: skip
        part_scoring.score(
            run, self._own.served, values, part_of(reference), lambda letters: task.set_aside("requests", letters)
        )


def part_of(reference: str) -> Part:
    """Return the part of a chunk that appeared; its name depends on file and place alone."""
    chunk = location.decode(reference)
    assert isinstance(chunk, Chunk)  # directories are followed
    place = hashlib.sha256(f"{chunk.path}\0{chunk.start}".encode(errors="surrogatepass")).hexdigest()[:12]
    return Part(f"{file_name(Path(chunk.path).stem.lower())}-{place}.parquet", reference)
