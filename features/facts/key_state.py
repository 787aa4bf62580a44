"""The state of one key: which facts count at a time, and the values of features from them.

At time ``t`` of a row a fact counts in a feature with window ``w`` if and only if, with the cutoff ``c``, the last end
of a tile that lies at least the source's delay before ``t``,

- it happened in ``[c - w, c)``,
- it was known before ``c``, and
- no later version of it was known before ``c``.

So a value depends on the set of facts alone: not on the order in which they come, nor on how often, nor on when it is
computed, provided that what was known before ``c`` has come. That is what the delay is for. Batch, stream and online
hold this state and nothing else.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from features.facts.fact import Fact, Value, version_order
from features.facts.groups import Group, Spec
from features.facts.partials import RULES, Partial, merged

NEVER = 1 << 62
"""The time (ms) at which a fact that has no later version is replaced."""


@dataclass
class _Tile:
    """The versions of facts that happened in one tile.

    Parameters
    ----------
    replaced
        Each version, with the time (ms) from which a later one counts in its place.
    settled
        The moment (ms) after which nothing of it changes any more; -1 where that has to be found out.
    partials
        Its partial aggregates at any cutoff after that moment.
    """

    replaced: dict[Fact, int] = field(default_factory=dict)
    settled: int = -1
    partials: dict[Spec, Partial] = field(default_factory=dict)

    def put(self, fact: Fact, until: int) -> None:
        """Add a version, or change when it is replaced."""
        self.replaced[fact] = until
        self.settled = -1
        self.partials.clear()

    def visible(self, cutoff: int) -> Iterator[Fact]:
        """Yield the versions that count at a cutoff."""
        return (fact for fact, until in self.replaced.items() if fact.known_time < cutoff <= until)

    def partial(self, spec: Spec, cutoff: int) -> Partial:
        """Return the partial aggregate at a cutoff."""
        if self.settled < 0:
            last = max(fact.known_time for fact in self.replaced)
            self.settled = max(last, *(until for until in self.replaced.values() if until != NEVER), 0)
        if cutoff <= self.settled:
            return _aggregate(spec, self.visible(cutoff))
        if spec not in self.partials:
            self.partials[spec] = _aggregate(spec, self.visible(NEVER))
        return self.partials[spec]


def _aggregate(spec: Spec, facts: Iterable[Fact]) -> Partial:
    """Return the partial aggregate of facts: those without a value do not count."""
    aggregate, index = spec
    values, rules = ((fact, fact.values[index]) for fact in facts), RULES[aggregate]
    return merged(rules, [rules.of(fact, value) for fact, value in values if value is not None])


class KeyState:
    """The facts of one key of a group, in tiles.

    Parameters
    ----------
    group
        The group.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._versions: dict[str, list[Fact]] = {}
        self._tiles: dict[int, _Tile] = {}
        self._recent: dict[str, tuple[int, Partial]] = {}
        self._since = 0

    def __len__(self) -> int:
        """Return the number of versions of facts."""
        return sum(map(len, self._versions.values()))

    def add(self, fact: Fact) -> bool:
        """Add a version of a fact; return whether it was new."""
        self._recent.clear()
        if fact.id not in self._versions:  # most facts have one version
            self._versions[fact.id] = [fact]
            self._tile(fact.time).put(fact, NEVER)
            return True
        versions = self._versions[fact.id]
        if fact in versions:
            return False
        at = bisect.bisect([version_order(each) for each in versions], version_order(fact))
        versions.insert(at, fact)
        self._tile(fact.time).put(fact, versions[at + 1].known_time if at + 1 < len(versions) else NEVER)
        if at:
            self._tile(versions[at - 1].time).put(versions[at - 1], fact.known_time)
        return True

    def _tile(self, time: int) -> _Tile:
        return self._tiles.setdefault(time - time % self._group.tile, _Tile())

    def value(self, name: str, time: int) -> Value:
        """Return a feature's value at a time (ms); None where no fact counts."""
        cutoff = self._group.cutoff(time)
        before, partial = self._recent.get(name, (None, None))
        if before != cutoff:  # between two cutoffs nothing changes
            partial = self._partial(name, cutoff)
            self._recent[name] = (cutoff, partial)
        return None if partial is None else RULES[self._group.specs[name][0]].result(partial, time)

    def _partial(self, name: str, cutoff: int) -> Partial:
        spec, tiles = self._group.specs[name], self._tiles
        starts = range(cutoff - self._group.windows[name], cutoff, self._group.tile)
        return merged(RULES[spec[0]], [tiles[start].partial(spec, cutoff) for start in starts if start in tiles])

    def facts(self) -> list[Fact]:
        """Return all versions of facts."""
        return [fact for versions in self._versions.values() for fact in versions]

    def forget(self, before: int) -> None:
        """Drop the tiles that end by *before* (ms), with their facts; again for the same moment, it does nothing."""
        if before <= self._since:
            return
        self._since = before
        old = [start for start in self._tiles if start + self._group.tile <= before]
        for start in old:
            for fact in self._tiles.pop(start).replaced:
                versions = self._versions[fact.id]
                versions.remove(fact)
                if not versions:
                    del self._versions[fact.id]
        if old:
            self._recent.clear()


def state_of(group: Group, facts: Iterable[Fact]) -> KeyState:
    """Return the state of some facts of one key."""
    state = KeyState(group)
    for fact in facts:
        state.add(fact)
    return state
