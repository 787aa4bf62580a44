"""The champion as a file that workers read: written when a version was loaded and proved, and never before.

Workers know no registry. Whoever runs the job follows it, and puts a new champion into the file; a version that cannot
be loaded is not put there, so that the last good one answers on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from features import errors
from features.schema import EventSchema
from registry import queries
from registry.connection import Registry
from registry.files import artifacts
from serving.predictors import proved
from serving.predictors.backoff import Backoff


@dataclass(frozen=True, slots=True)
class Champion:
    """A version, the sha256 of its model file, and the features that it answers without."""

    version: str
    digest: str
    nullable: tuple[str, ...]


def read(path: Path) -> Champion:
    """Return the champion in the file."""
    own = json.loads(path.read_bytes())
    return Champion(own["version"], own["digest"], tuple(own["nullable"]))


class ChampionFollower:
    """Puts the registry's champion into the file when it has changed and can be loaded.

    Parameters
    ----------
    registry
        The registry.
    schema
        The model's events.
    trusted
        Types that model files may have (`retrain.trust`).
    path
        The file.
    note
        Says what happened: a new champion, or why it is not there.
    """

    def __init__(
        self, registry: Registry, schema: EventSchema, trusted: Sequence[str], path: Path, note: Callable[[str], None]
    ) -> None:
        self.current: Champion | None = None
        self.failing = ""
        self._registry, self._schema, self._trusted, self._path = registry, schema, trusted, path
        self._say = note
        self._backoff = Backoff()

    def begin(self) -> None:
        """Put the champion into the file, for a start.

        Raises
        ------
        NotFound
            There is no champion.
        ArtifactError
            It cannot be loaded.
        """
        self._publish(None)

    def resume(self, clock: float) -> None:
        """Go on with the version in the file, the last good one, and look for a newer; without a file, begin.

        Raises
        ------
        NotFound, ArtifactError
            As :meth:`begin`, where there is no file.
        """
        if not self._path.exists():
            self.begin()
            return
        self.current = read(self._path)
        self.look(clock)

    def look(self, clock: float) -> None:
        """Look for a new champion at a time (s of a monotonic clock); no error passes."""
        try:
            champion = queries.champion(self._registry, self._schema.model)
        except errors.Outage as error:
            self._note(f"the registry does not answer: {error.message}")
            return
        if champion is None or (self.current and champion.version == self.current.version):
            self._backoff, self.failing = Backoff(), ""
            return
        if self._backoff.is_early(champion.version, clock):
            return
        try:
            self._publish(champion.version)
        except Exception as error:  # a model file may fail in any way, and the last good version answers on
            self._fail(champion.version, error, clock)

    def _publish(self, version: str | None) -> None:
        loaded = proved.load(self._registry, self._schema, trusted=self._trusted, version=version)
        made = Champion(loaded.served.version, loaded.served.artifact, tuple(sorted(loaded.nullable)))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        artifacts.write_whole(self._path, json.dumps(asdict(made)).encode())
        self.current, self.failing, self._backoff = made, "", Backoff()
        self._say(f"the champion is {made.version}")

    def _fail(self, version: str, error: Exception, clock: float) -> None:
        self._backoff = self._backoff.after_failure(version, clock)
        self._note(f"{self._schema.model} {version} cannot be loaded: {errors.reason(error)}")

    def _note(self, reason: str) -> None:
        """Say why the file is not as the registry says, where that is new."""
        if reason != self.failing:
            self._say(f"{reason}; {self.current.version if self.current else 'nothing'} answers on")
        self.failing = reason
