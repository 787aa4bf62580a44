"""Fact features of requests: values that a request does not bring are filled in from the store, each counted by origin.

A value is never silently missing: where no fact counts, the value is the one declared for that; where the store cannot
be read, it is the same, and counted apart.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from features.errors import RequestError, TransformError
from features.facts.fact import Key, Value
from features.facts.lookup import FactValues, Origin
from features.schema import FeatureKind
from features.transforms import apply as transforms
from features.transforms.declaration import Call
from features.values.scalars import NAN
from serving.online.fact_feed import FactFeed
from serving.requests.problems import Problem, Problems
from serving.requests.rows import ABSENT, RowReader, Rows

REQUEST, UNAVAILABLE = "request", "unavailable"
"""Origins of values beside those of :class:`features.facts.lookup.Origin`: sent by the caller; the store failed."""
ORIGINS = (REQUEST, *(origin.value for origin in Origin), UNAVAILABLE)
_LOG = logging.getLogger("leeway.serve")


@dataclass
class FactFeatures:
    """Fills in the fact features of one model's requests.

    Parameters
    ----------
    values
        Their values from the store.
    feed
        Takes new facts into the store; None where somebody else does.
    counts
        Values by feature and origin.
    failing
        Why the store cannot be read; empty while it can.
    """

    values: FactValues
    feed: FactFeed | None = None
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failing: str = ""
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> frozenset[str]:
        """The features that a request may leave out."""
        return self.values.declared.computed

    def close(self) -> None:
        """End the feed, then the store: a request that is still being answered has the declared values."""
        if self.feed is not None:
            self.feed.close()
        self.values.store.close()

    def complete(self, rows: Rows, reader: RowReader) -> Rows:
        """Return rows with all features.

        Raises
        ------
        InvalidRequest
            A value is missing, and the version has no answer without it.
        """
        features, problems, counts = dict(rows.features), Problems(), Counter[tuple[str, str]]()
        for name in self.values.declared.features:
            if ABSENT in features[name]:
                features[name], origins = self._column(name, rows, reader, problems)
            else:
                origins = Counter({REQUEST: len(rows)})
            counts += Counter({(name, origin): n for origin, n in origins.items()})
        for call in self.values.declared.transforms.calls():
            features |= self._transformed(call, features, len(rows), reader, problems)
        with self._counting:
            self.counts += counts
        problems.check()
        return replace(rows, features=features)

    def _column(
        self, name: str, rows: Rows, reader: RowReader, problems: Problems
    ) -> tuple[Sequence[Any], Counter[str]]:
        """Return the values of one feature, those that were sent and those of the store, and how many of each."""
        keys, origins = self._keys(name, rows.features), Counter[str]()
        column = list(rows.features[name])
        for row, (key, time) in enumerate(zip(keys, rows.times, strict=True)):
            if column[row] is not ABSENT:
                origins[REQUEST] += 1
                continue
            value, origin = self._look(name, key, time)
            origins[origin] += 1
            if value is None and name not in reader.nullable:
                problems.add(_nothing, name, origin, row)
            column[row] = self._typed(name, value)
        return column, origins

    def _transformed(
        self, call: Call, features: Mapping[str, Sequence[Any]], n: int, reader: RowReader, problems: Problems
    ) -> dict[str, Sequence[Any]]:
        """Return the features of a transform, computed where the request leaves them out.

        Raises
        ------
        RequestError
            The function fails on these rows.
        """
        if not any(ABSENT in features[name] for name in call.features):
            return {}
        given = {name: [None if value is NAN else value for value in features[name]] for _, name in call.inputs}
        try:
            made = transforms.values(call, self.values.declared.transforms, given, n)
        except TransformError as error:
            raise RequestError(error.message, hint=error.hint) from error
        out = dict[str, Sequence[Any]]()
        for name, one in call.features.items():
            for row, (sent, value) in enumerate(zip(features[name], made[name], strict=True)):
                if sent is ABSENT and value is None and name not in reader.nullable:
                    problems.add(_nothing, name, f"{call.function} gives no value", row)
            absent = NAN if one.type is FeatureKind.NUMERIC else None
            out[name] = [(absent if value is None else value) if sent is ABSENT else sent
                         for sent, value in zip(features[name], made[name], strict=True)]  # fmt: skip
        return out

    def _keys(self, name: str, features: Mapping[str, Sequence[Any]]) -> Sequence[Key]:
        columns = (features[column] for column in self.values.group_of(name).row_columns)
        return list(zip(*columns, strict=True))

    def _look(self, name: str, key: Key, time: int) -> tuple[Value, str]:
        """Return a value and its origin; the declared one where the store cannot be read."""
        try:
            looked = self.values.look(name, key, time)
        except Exception as error:  # whatever a database raises, the request has its answer
            reason = f"{type(error).__name__}: {error}"
            if self.failing != reason:
                _LOG.error("the store of facts cannot be read: %s; features have what `empty` declares", reason)
            self.failing = reason
            return self.values.group_of(name).fallbacks[name], UNAVAILABLE
        self.failing = ""
        return looked.value, looked.origin.value

    def _typed(self, name: str, value: Value) -> Any:
        numeric = self.values.declared.features[name].type is FeatureKind.NUMERIC
        return NAN if numeric and value is None else value


_REASONS = {
    Origin.EMPTY.value: "no fact counts for this row",
    Origin.EXPIRED.value: "the facts of the row's time are no longer stored",
    UNAVAILABLE: "the store of facts cannot be read",
}


def _nothing(name: str, origin: str, row: int) -> Problem:
    fix = "and the model has no answer without it: send a value, or declare `empty` for the feature"
    return Problem(name, "", f"{_REASONS.get(origin, origin)}, {fix}", row)
