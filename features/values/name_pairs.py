"""Pairs of names as a project file writes them: a list of names, each for itself, or a mapping of one to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def name_pairs(value: Any, otherwise: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of names that a value of the project file describes; pairs are returned as they are.

    Parameters
    ----------
    value
        A list of names, a mapping of names to names, or pairs; none may be empty.
    otherwise
        What the error says of anything else, and how to write it.

    Raises
    ------
    ValueError
        The value is none of these.

    Examples
    --------
    >>> name_pairs(["origin"], ""), name_pairs({"dest": "airport"}, "")
    ((('origin', 'origin'),), (('dest', 'airport'),))
    """
    if isinstance(value, tuple):
        return value
    pairs = value.items() if isinstance(value, Mapping) else ((v, v) for v in value) if isinstance(value, list) else ()
    named = tuple(pair for pair in pairs if all(isinstance(name, str) for name in pair))
    if named and len(named) == len(value):
        return named
    msg = f"{value!r} {otherwise}"
    raise ValueError(msg)
