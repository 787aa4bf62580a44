"""Facts to test with: declared features of every aggregate, a naive definition of their values, and messy histories."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from features.facts.declaration import FactFeatures
from features.facts.fact import Fact, Key, Value, version_order
from features.facts.groups import Group, groups
from features.schema import EventSchema, Task

MINUTE = 60_000
BEGIN = 1_704_067_200_000
"""2024-01-01, in milliseconds."""


def declared(path: Path | str = "landings", **source: Any) -> FactFeatures:
    """Return a feature of each aggregate by carrier, one of an earlier window, and one by two keys."""
    window = {"type": "numeric", "from": "landings", "key": "carrier", "window": "20m"}
    numbers = {name: {**window, name: "delay"} for name in ("sum", "mean", "min", "max", "std", "last", "age")}
    others = {"count": {**window, "count": "delay"}, "distinct": {**window, "distinct": "plane"}}
    text = {"plane": {**window, "type": "categorical", "last": "plane", "empty": "none"}}
    short = {"short": {**window, "mean": "delay", "window": "5m", "empty": -1}}
    pair = {"pair": {**window, "key": {"carrier": "carrier", "origin": "airport"}, "sum": "delay"}}
    features = {**numbers, **others, **text, **short, **pair}
    landings = {"path": str(path), "id": "flight", "known_time": "reported", "delay": "2m", "tile": "5m", **source}
    return FactFeatures.model_validate({"features": features, "sources": {"landings": landings}})


def by_carrier(of: FactFeatures | None = None) -> Group:
    """Return the group of the features by carrier."""
    return groups(of or declared())[0]


VALUES = st.sampled_from([None, 0.0, 1.0, -2.5, 0.1, 0.2, 1e17, 3e-300]) | st.floats(-1e150, 1e150).map(
    lambda value: value + 0.0  # as they are read: -0.0 is 0.0
)
MOMENTS = st.integers(0, 60).map(lambda minute: BEGIN + minute * MINUTE) | st.integers(BEGIN, BEGIN + 60 * MINUTE)


LAGS = st.integers(-5, 30).map(lambda minute: minute * MINUTE) | st.integers(-5 * MINUTE, 30 * MINUTE)


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Draw facts, some of which are corrected, also in their time."""
    group = by_carrier()
    assert [name for name, _ in group.columns] == ["delay", "delay", "plane"]
    fact = st.builds(
        lambda number, time, lag, delay, plane: Fact(
            str(number), time, time + lag, (None if delay is None else str(delay), delay, plane)
        ),
        st.integers(0, 8), MOMENTS, LAGS, VALUES, st.sampled_from([None, "N1", "N2"]),
    )  # fmt: skip
    return draw(st.lists(fact, max_size=25))


def naive(group: Group, facts: Iterable[Fact], name: str, time: int) -> Value:
    """Return a feature's value by its definition, with fractions, looking at all facts."""
    cutoff = (time - group.delay) // group.tile * group.tile
    newest: dict[str, Fact] = {}
    for fact in sorted(set(facts), key=version_order):
        if fact.known_time < cutoff:
            newest[fact.id] = fact
    feature = group.features[name]
    index = group.columns.index((feature.column, feature.column_kind))
    begin = cutoff - int(feature.window.total_seconds() * 1000)
    counted = [f for f in newest.values() if begin <= f.time < cutoff and f.values[index] is not None]
    if not counted:
        return None
    values: list[Any] = [fact.values[index] for fact in counted]
    last = max(counted, key=lambda fact: (fact.time, fact.id))
    return _of(feature.aggregate.value, values, last.values[index], (time - last.time) / 1000)


def _of(aggregate: str, values: Sequence[Any], last: Value, age: float) -> Value:
    if aggregate in ("count", "distinct"):
        return float(len(values) if aggregate == "count" else len(set(values)))
    if aggregate in ("last", "age"):
        return last if aggregate == "last" else age
    if aggregate in ("min", "max"):
        return min(values) if aggregate == "min" else max(values)
    exact = [Fraction(value) for value in values]
    total = sum(exact)
    if aggregate in ("sum", "mean"):
        return float(total if aggregate == "sum" else total / len(exact))
    if len(exact) < 2:
        return None
    mean = total / len(exact)
    return math.sqrt(float(sum((value - mean) ** 2 for value in exact) / (len(exact) - 1)))


def bits(value: Value) -> Any:
    """Return a value so that equal means bit for bit."""
    return struct.pack("<d", value) if isinstance(value, float) else value


def messy(facts: Sequence[tuple[Key, Fact]], seed: int) -> list[tuple[Key, Fact]]:
    """Return facts shuffled, with a third of them twice."""
    rng = random.Random(seed)
    twice = [*facts, *rng.sample(list(facts), len(facts) // 3)]
    rng.shuffle(twice)
    return twice


SCHEMA = EventSchema(model="late", task=Task.BINARY, features={"carrier": "categorical", "origin": "categorical"})
"""The rows' events: both keys come with the request."""


def records(facts: int, seed: int) -> list[dict[str, Any]]:
    """Return records of facts of two hours: a fifth of them corrected later, a tenth twice, in any order."""
    rng, out = random.Random(seed), []
    for number in range(facts):
        time = BEGIN + rng.randrange(120 * MINUTE)
        fact = {"flight": f"f{number}", "carrier": rng.choice("ABC"), "airport": rng.choice(("EWR", "JFK")),
                "time": time, "reported": time + rng.randrange(-MINUTE, 20 * MINUTE),
                "delay": rng.choice((None, round(rng.gauss(0, 30), 2), rng.random() * 1e9)),
                "plane": rng.choice((None, "N1", "N2", "N3"))}  # fmt: skip
        out.append(fact)
        if rng.random() < 0.2:
            moved, later = rng.randrange(-10, 10) * MINUTE, rng.randrange(1, 40) * MINUTE
            out.append({**fact, "time": time + moved, "reported": fact["reported"] + later, "delay": rng.gauss(0, 9)})
    out += rng.sample(out, len(out) // 10)
    rng.shuffle(out)
    return out


def requests(rows: int, seed: int) -> list[dict[str, Any]]:
    """Return rows to predict of the same two hours, some with keys of which there are no facts."""
    rng = random.Random(seed)
    times = [BEGIN + rng.randrange(140 * MINUTE) for _ in range(rows)]
    return [
        {"id": f"r{i}", "time": time, "carrier": rng.choice(("A", "B", "C", "Z", None)),
         "origin": rng.choice(("EWR", "JFK", "XXX"))}
        for i, time in enumerate(times)
    ]  # fmt: skip


def write(folder: Path, rows: Sequence[dict[str, Any]], files: int) -> None:
    """Write records in turn into so many files of *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        lines = (f"{json.dumps(row)}\n" for row in rows[number::files])
        (folder / f"{number:03}.jsonl").write_text("".join(lines))
