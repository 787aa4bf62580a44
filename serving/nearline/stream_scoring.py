"""The function of the streaming job: each new chunk is scored once, by the champion of that moment.

A chunk is a part as in batch scoring: it leaves a receipt and its predictions, and after a failure or a kill one that
lacks either is done again. The version of a chunk whose predictions can be seen does not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.events import location
from features.files.file_chunks import Chunk
from features.security.file_names import file_name
from serving import offline
from serving.batch import part_scoring
from serving.batch.part_scoring import PartScoring
from serving.batch.run_plan import Part
from serving.nearline.worker_model import WorkerModel


@dataclass(frozen=True, slots=True)
class StreamScoring:
    """What a worker needs for any chunk.

    Parameters
    ----------
    model
        The model.
    target
        Directory of predictions.
    """

    model: WorkerModel
    target: Path

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
        self._model, self._target = task.model, task.target
        self._own, self._facts = task.model.loaded(), task.model.newest_facts()

    def __call__(self, reference: str) -> None:
        """Score a chunk by the champion of now, with the facts of now."""
        if not reference:
            return
        self._own.follow()
        values = self._facts.newest() if self._facts else None
        model, champion = self._model, self._own.champion
        run = PartScoring(
            model.schema, model.facts, champion.version, champion.digest, model.store, model.trusted,
            frozenset(champion.nullable), offline.ALL, model.clock(), self._target,
        )  # fmt: skip
        part_scoring.score(
            run, self._own.served, values, part_of(reference), lambda letters: model.set_aside("requests", letters)
        )


def part_of(reference: str) -> Part:
    """Return the part of a chunk that appeared; its name depends on file and place alone."""
    chunk = location.decode(reference)
    assert isinstance(chunk, Chunk)  # directories are followed
    place = hashlib.sha256(f"{chunk.path}\0{chunk.start}".encode(errors="surrogatepass")).hexdigest()[:12]
    return Part(f"{file_name(Path(chunk.path).stem.lower())}-{place}.parquet", reference)
