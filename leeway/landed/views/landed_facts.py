"""Facts of a view that have landed in numbered files, and which parts of the files that it reads they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from leeway.landed import numbered_files

WHOLE = -1
"""In place of a number of parts: all of the file."""


@dataclass
class LandedFacts:
    """What has landed in *folder*.

    Parameters
    ----------
    folder
        The directory of files.
    number
        The number of the newest file, 0 where there is none.
    total
        How many facts have landed.
    set_aside
        How many records could not be used.
    parts
        How many parts of each file have been read, by the file's mark; :data:`WHOLE` for all.
    """

    folder: Path
    number: int = 0
    total: int = 0
    set_aside: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> LandedFacts:
        """Return what has landed in *folder*. Raises DataError if a file cannot be read."""
        landed = cls(folder)
        for path in numbered_files.paths(folder):
            place = numbered_files.place_of(path)
            try:
                landed.total, landed.set_aside = int(place["total"]), int(place["set_aside"])
                landed.parts |= {str(mark): int(parts) for mark, parts in place["parts"].items()}
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise numbered_files.unreadable(path, error) from error
            landed.number = numbered_files.number(path)
        return landed

    def is_current(self) -> bool:
        """Return whether no other process has landed facts since, or removed them."""
        return numbered_files.is_newest(self.folder, self.number)

    def add(self, facts: pa.Table, parts: Mapping[str, int], set_aside: int) -> None:
        """Land *facts* in one new file.

        Parameters
        ----------
        facts
            What the query made.
        parts
            How many parts of each file have been read then, by the file's mark.
        set_aside
            How many records of these could not be used.

        Raises
        ------
        OSError
            The file cannot be written, or another process has written it.
        """
        total, set_aside = self.total + facts.num_rows, self.set_aside + set_aside
        place = {"total": total, "set_aside": set_aside, "parts": dict(parts)}
        self.number = numbered_files.write(self.folder, self.number, facts, place)
        self.total, self.set_aside = total, set_aside
        self.parts |= parts
