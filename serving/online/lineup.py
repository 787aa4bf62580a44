"""The versions that answer for one model: its champion, the one before, and those on trial, exchanged as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features import errors
from serving.online.batching import Batcher
from serving.requests.rows import RowReader


@dataclass(frozen=True, eq=False)
class Loaded:
    """A version ready to answer: its batches, and the reader of its requests' rows."""

    batcher: Batcher
    reader: RowReader

    @property
    def version(self) -> str:
        """The version's name."""
        return self.batcher.proved.served.version

    @property
    def digest(self) -> str:
        """The sha256 of its model file."""
        return self.batcher.proved.served.artifact


@dataclass(frozen=True, eq=False)
class Lineup:
    """The loaded versions of a model.

    Parameters
    ----------
    champion
        Answers requests that name no version; None before the first could be loaded.
    previous
        The champion before, for callers that still name it.
    trials
        Versions held on trial, which answer in shadow; never the champion.
    """

    champion: Loaded | None = None
    previous: Loaded | None = None
    trials: tuple[Loaded, ...] = ()

    @property
    def versions(self) -> Sequence[Loaded]:
        """The versions that a request may name, the champion first, each once."""
        loaded = (self.champion, self.previous, *self.trials)
        return list(dict.fromkeys(each for each in loaded if each is not None))

    def named(self, model: str, version: str | None) -> Loaded:
        """Return the version of this name, the champion without one.

        Raises
        ------
        NotFound
            The version is not loaded.
        NotReady
            There is no champion yet.
        """
        if version is None:
            if self.champion is None:
                msg = f"{model} has no champion that could be loaded"
                raise errors.NotReady(msg, hint="see the server's log; `leeway retrain --first` trains a first version")
            return self.champion
        for each in self.versions:
            if each.version == version:
                return each
        names = ", ".join(each.version for each in self.versions) or "none"
        msg = f"{model} {version} is not served"
        raise errors.NotFound(msg, hint=f"served are {names}; leave the version out for the champion")
