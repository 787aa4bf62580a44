"""Number of examples of a property test, where it is not the default."""

from __future__ import annotations

from hypothesis import settings

DEFAULT = 100
"""Hypothesis's own number, which `make test-thorough` draws."""
LEAST = 5


def examples(full: int) -> int:
    """Return *full*, or as much less as the profile in use draws than Hypothesis does by default, five or more."""
    return min(full, max(LEAST, full * settings.default.max_examples // DEFAULT))
