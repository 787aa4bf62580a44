"""Features of facts in a worker: the newest facts, read before each batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from features.facts.declaration import FactFeatures
from features.facts.directory_feed import DirectoryFeed
from features.facts.lookup import FactValues
from features.facts.store import MemoryStore
from features.values.untyped import Reject
from serving.online.fact_feed import FactFeed

SetAside = Callable[[str, Sequence[Reject]], None]
"""Takes dead letters of a role."""


@dataclass(frozen=True, slots=True)
class NewestFacts:
    """Values of fact features, and the feed that adds new facts to them."""

    values: FactValues
    feed: FactFeed

    def newest(self) -> FactValues:
        """Return the values with the facts of now."""
        self.feed.look()
        return self.values


def of(model: str, declared: FactFeatures, set_aside: SetAside, clock: Callable[[], datetime]) -> NewestFacts | None:
    """Return the fact features of a model in memory; None where it has none."""
    if not declared:
        return None
    values = FactValues(declared, MemoryStore())
    feed = FactFeed(model, DirectoryFeed(values), lambda letters: set_aside("facts", letters), clock)
    return NewestFacts(values, feed)
