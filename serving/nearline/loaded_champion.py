"""The champion that a worker has loaded: it follows the file that names it, and keeps the last good one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from features import errors
from features.schema import EventSchema
from registry.files import artifacts
from registry.files.artifacts import ArtifactStore
from serving.model import Served
from serving.nearline import champion_file
from serving.nearline.champion_file import Champion
from serving.predictors.backoff import Backoff

_LOG = logging.getLogger("leeway.nearline")


class LoadedChampion:
    """The version that answers in a worker.

    Parameters
    ----------
    schema
        The model's events.
    path
        The file that names the champion (:mod:`serving.nearline.champion_file`).
    store
        Folder of model files.
    trusted
        Types that model files may have.
    clock
        Returns seconds of a monotonic clock.

    Raises
    ------
    ArtifactError
        The champion's model file is missing, altered or not trusted.
    """

    def __init__(
        self, schema: EventSchema, path: Path, store: Path, trusted: tuple[str, ...], clock: Callable[[], float]
    ) -> None:
        self._schema, self._path, self._store, self._trusted, self._clock = schema, path, store, trusted, clock
        self._backoff = Backoff()
        self.champion, self.served = self._load(champion_file.read(path))

    def _load(self, champion: Champion) -> tuple[Champion, Served]:
        model = artifacts.load_model(ArtifactStore(self._store).get(champion.digest), self._trusted)
        return champion, Served(self._schema, champion.version, champion.digest, model)

    def follow(self) -> None:
        """Load the champion if it is another one; where that fails the last good one answers on, and it is retried."""
        champion = self._named()
        if champion is None or champion == self.champion:
            return
        if self._backoff.is_early(champion, self._clock()):
            return
        try:
            self.champion, self.served = self._load(champion)
            self._backoff = Backoff()
        except Exception as error:  # a model file may fail in any way
            self._fail(champion, error)

    def _named(self) -> Champion | None:
        """Return the champion that the file names; None while it cannot be read."""
        try:
            return champion_file.read(self._path)
        except (OSError, ValueError, KeyError):
            return None

    def _fail(self, champion: Champion, error: Exception) -> None:
        self._backoff = self._backoff.after_failure(champion, self._clock())
        _LOG.error(
            "%s cannot be loaded: %s; %s answers on", champion.version, errors.reason(error), self.champion.version
        )
