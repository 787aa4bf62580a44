"""Profile cells and their layout: sparse integer counts by slice, version and segment that add up in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Cell:
    """A count of a profile.

    Parameters
    ----------
    start
        Start of the slice, in milliseconds since the epoch.
    version
        The model version.
    segment
        The segment, like ``origin=JFK``; empty for all traffic.
    cell
        Index in the :class:`Layout` of the stage.
    n
        Number of events, or a sum over them.
    """

    start: int
    version: str
    segment: str
    cell: int
    n: int


@dataclass(frozen=True)
class Layout:
    """The order of a stage's variables in one row of cells: each variable's cells follow those of the one before.

    Parameters
    ----------
    sizes
        Number of cells of each variable.
    """

    sizes: Mapping[str, int]
    offsets: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        starts = accumulate(self.sizes.values(), initial=0)
        object.__setattr__(self, "offsets", dict(zip(self.sizes, starts, strict=False)))

    @property
    def cells(self) -> int:
        """Length of the row."""
        return sum(self.sizes.values())

    def row(self, cells: Iterable[tuple[int, int]]) -> dict[str, list[int]]:
        """Return the counts by variable of sparse (cell, n) pairs; a cell that is not listed is 0.

        >>> Layout({"x": 2, "y": 3}).row([(1, 5), (4, 7)])
        {'x': [0, 5], 'y': [0, 0, 7]}
        """
        flat = [0] * self.cells
        for cell, n in cells:
            flat[cell] += n
        return {name: flat[at : at + self.sizes[name]] for name, at in self.offsets.items()}


def merge_cells(cells: Iterable[Cell]) -> list[Cell]:
    """Return the sum of *cells*: one for each key, in order."""
    total: dict[tuple[int, str, str, int], int] = {}
    for c in cells:
        key = (c.start, c.version, c.segment, c.cell)
        total[key] = total.get(key, 0) + c.n
    return [Cell(*key, n) for key, n in sorted(total.items())]
