"""How far a source has been read, as its reader says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoFar:
    """How many rows or records have landed, and up to where as text: empty before the first."""

    total: int
    cursor: str
