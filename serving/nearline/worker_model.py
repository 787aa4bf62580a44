"""What a nearline worker needs of a model, whatever the requests come in and the answers go to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from features.facts.declaration import FactFeatures
from features.schema import EventSchema
from serving.nearline import fact_values
from serving.nearline.fact_values import NewestFacts, SetAside
from serving.nearline.loaded_champion import LoadedChampion


@dataclass(frozen=True, slots=True)
class WorkerModel:
    """A model as workers have it; it travels to them as a value.

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
    set_aside: SetAside
    clock: Callable[[], datetime]

    def loaded(self) -> LoadedChampion:
        """Load the champion, in a worker.

        Raises
        ------
        ArtifactError
            Its file is missing, altered or not trusted.
        """
        return LoadedChampion(self.schema, self.champion, self.store, self.trusted, time.monotonic)

    def newest_facts(self) -> NewestFacts | None:
        """Return the fact features in memory, in a worker; None where the model has none."""
        return fact_values.of(self.schema.model, self.facts, self.set_aside, self.clock)
