"""A fact: one version of something that happened, with when it happened and when that became known."""

from __future__ import annotations

from typing import Any, NamedTuple

Value = float | str | None
"""A value of a fact or of a feature: a finite number, a text, or nothing."""
Key = tuple[str | None, ...]
"""The values of a group's key columns, in their order."""


class Fact(NamedTuple):
    """One version of a fact, as one group of features reads it.

    Parameters
    ----------
    id
        Identifies the fact; a later version with the same id is a correction.
    time
        When it happened, in milliseconds since the epoch.
    known_time
        When this version became known, in milliseconds since the epoch.
    values
        The group's value columns, in their order.
    """

    id: str
    time: int
    known_time: int
    values: tuple[Value, ...]


def version_order(fact: Fact) -> tuple[Any, ...]:
    """Return the key by which versions of one fact are ordered: the last one counts.

    By when they became known; versions of one moment by their content, so that the order of arrival decides nothing.

    >>> version_order(Fact("a", 1, 5, (None, 2.0))) < version_order(Fact("a", 1, 5, (1.0, 0.0)))
    True
    """
    return fact.known_time, fact.time, tuple((value is not None, value) for value in fact.values)
