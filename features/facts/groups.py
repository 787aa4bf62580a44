"""Groups of fact features: those of one source by one key, which share the state of that key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from features.facts.declaration import FactFeature, FactFeatures, FactFiles
from features.facts.fact import Value
from features.facts.partials import Aggregate
from features.schema import FeatureKind
from features.window import to_ms

Column = tuple[str, FeatureKind]
"""A column of the facts, and how it is read."""
Spec = tuple[Aggregate, int]
"""An aggregate, and the index of the value that it is of."""
LARGEST_MOVE = timedelta(days=1)
"""How far a correction may move the time of a fact: so much longer than they can count are facts stored, so that a
version is there as long as those that it replaces."""


@dataclass(frozen=True)
class Group:
    """Fact features of one source by one key.

    Parameters
    ----------
    name
        Names source and key, and changes with whatever changes the stored facts.
    source
        Name of the source.
    keys
        Pairs of key columns: of the row, and of the facts.
    columns
        Columns of the facts that a fact's values are of, in their order.
    features
        The features by name.
    tile, delay
        Of the source, in milliseconds.
    """

    name: str
    source: str
    keys: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    features: Mapping[str, FactFeature]
    tile: int
    delay: int

    def cutoff(self, time: int) -> int:
        """Return the moment up to which facts count at *time*, both in milliseconds: the end of a tile.

        It is the last one that lies at least the source's delay before *time*.
        """
        end = time - self.delay
        return end - end % self.tile

    @cached_property
    def windows(self) -> Mapping[str, int]:
        """The window of each feature, in milliseconds."""
        return {name: to_ms(feature.window) for name, feature in self.features.items()}

    @cached_property
    def fallbacks(self) -> Mapping[str, Value]:
        """The value of each feature where no fact counts."""
        return {name: feature.fallback for name, feature in self.features.items()}

    @cached_property
    def specs(self) -> Mapping[str, Spec]:
        """The aggregate of each feature, and the index of its column among :attr:`columns`."""
        columns = {name: (feature.column, feature.column_kind) for name, feature in self.features.items()}
        return {name: (self.features[name].aggregate, self.columns.index(columns[name])) for name in columns}

    @cached_property
    def reach(self) -> int:
        """How far before a row's time facts must be stored, in milliseconds."""
        return max(self.windows.values()) + self.delay + self.tile + to_ms(LARGEST_MOVE)

    @property
    def row_columns(self) -> list[str]:
        """The key columns of rows."""
        return [row for row, _ in self.keys]


def groups(declared: FactFeatures) -> tuple[Group, ...]:
    """Return the groups of the declared features, in the order in which they are declared."""
    together: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, FactFeature]] = {}
    for name, feature in declared.features.items():
        together.setdefault((feature.source, feature.key), {})[name] = feature
    return tuple(_group(name, declared.sources[name], keys, features) for (name, keys), features in together.items())


def _group(name: str, source: FactFiles, keys: tuple[tuple[str, str], ...], of: Mapping[str, FactFeature]) -> Group:
    """Return the group of some features of a source by one key."""
    columns = tuple(sorted({(feature.column, feature.column_kind) for feature in of.values()}))
    stored = [source.model_dump(mode="json", exclude={"delay", "tile"}), keys, columns]
    digest = hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()[:12]
    title = f"{name} by {', '.join(column for _, column in keys)}"
    return Group(f"{title} ({digest})", name, keys, columns, dict(of), to_ms(source.tile), to_ms(source.delay))


def key_columns(group_list: Sequence[Group]) -> list[str]:
    """Return the columns of rows that are keys of any group, each once."""
    return list(dict.fromkeys(column for group in group_list for column in group.row_columns))
