"""How far a source has been read, as its reader says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoFar:
    """How many rows or records have landed, and up to where as text: empty before the first, and where nothing orders.

    *set_aside* is how many records could not be used, where that is known when they land.
    """

    total: int
    cursor: str
    set_aside: int = 0
