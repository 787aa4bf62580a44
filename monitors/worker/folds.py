"""Folds over the parts of a sample stream, without Flink: the parts in order, and a state from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from features.events import location
from monitors.samples.parts import SampleParts

AT_ONCE = 2
"""Parts that are listed at once: a checkpoint comes after all that were listed before it."""

Step = Callable[[bytes | None, str], bytes]
"""From the state (None at the beginning) and a part to the next state."""


class Fold(Protocol):
    """A fold that travels to workers."""

    def open(self) -> Step:
        """Return its step: called once in a worker."""
        ...


@dataclass(frozen=True, slots=True)
class SampleListing:
    """The parts of a sample stream, in order of time."""

    parts: SampleParts

    def waiting(self, done: frozenset[str]) -> list[tuple[str, Path]]:
        """Return (role, file) of the next parts that are not yet *done*."""
        new = [("samples", path) for path in self.parts.listed() if str(path) not in done]
        return new[:AT_ONCE]

    def all(self) -> list[tuple[str, str]]:
        """Return (role, reference) of all parts that are there."""
        paths = self.parts.listed()
        return [("samples", reference) for path in paths for reference in self.references(path)]

    def references(self, path: Path) -> list[str]:
        """Return the references to a part; it is one chunk."""
        return [r.encode() for r in location.file_references(path, location.csv_format(path))]

    def place(self, role: str) -> location.Place:
        """Return the folder."""
        return self.parts.folder


def in_order(step: Step, parts: Sequence[str]) -> bytes | None:
    """Return the state after parts in their order; None where there are none."""
    state = None
    for part in parts:
        state = step(state, part)
    return state
