"""Outcome of a step of the reconciler; one that fails is an outcome too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from features import errors


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done about a subject (an incident, a decision, a run, a version), as a sentence."""

    subject: str
    result: str


def attempt(subject: str, step: Callable[[], Outcome | None]) -> Outcome | None:
    """Return the outcome of a step; one that fails is an outcome too, and keeps no incident waiting."""
    try:
        return step()
    except (errors.DataError, errors.Outage):  # without events or a registry nothing else can be done either
        raise
    except errors.LeewayError as error:
        return Outcome(subject, f"failed: {error.message}")
