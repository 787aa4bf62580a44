"""Fact features of requests: filled in where a request does not bring them, each value counted by its origin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from features.facts.declaration import FactFeatures as Declared
from features.facts.directory_feed import DirectoryFeed
from features.facts.fact import Fact
from features.facts.lookup import FactValues
from features.facts.reading import FactRows
from features.facts.sqlite_store import SqliteStore
from features.facts.store import MemoryStore
from features.window import to_ms
from serving.online import fact_feed, metrics, openapi
from serving.online.fact_features import FactFeatures
from serving.online.fact_feed import FactFeed
from serving.online.follower import Follower
from serving.online.service import ModelService
from serving.prediction_log.log import Limits, PredictionLog
from serving.requests.problems import InvalidRequest
from serving.requests.rows import RowReader
from tests.support import serving_world as world

NOW_MS = to_ms(world.NOW)
READER = RowReader(world.SCHEMA, frozenset("c"), "v1")


def declared(path: Path | str = "f", **changed: Any) -> Declared:
    """Return ``z`` as a feature of facts by ``c``."""
    z = {"type": "numeric", "from": "f", "key": "c", "mean": "delay", "window": "1h", **changed}
    return Declared.model_validate({"features": {"z": z}, "sources": {"f": {"path": str(path)}}})


def facts(**changed: Any) -> FactFeatures:
    """Return what fills in ``z``: 4.0 for ``a``, nothing for others."""
    values = FactValues(declared(**changed), MemoryStore())
    known = NOW_MS - 10 * 60_000
    values.add(FactRows({values.groups[0].name: [(("a",), Fact("1", known, known, (4.0,)))]}, ()))
    return FactFeatures(values)


@pytest.fixture(scope="module")
def follower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    """Yield what keeps the versions of a model that takes missing values."""
    with world.open_registry(tmp_path_factory.mktemp("registry")) as registry, ThreadPoolExecutor(1) as executor:
        world.add_version(registry, "v1", world.trees())
        world.promote(registry, "v1")
        made = Follower(registry, world.SCHEMA, world.TRUST, executor)
        asyncio.run(made.look())
        yield made


def service(follower: Follower, filling: FactFeatures, log: PredictionLog | None = None) -> ModelService:
    """Return a service whose present is the world's."""
    return ModelService(follower, log, None, lambda: world.NOW, filling)


def predictions(made: ModelService, *instances: dict[str, Any]) -> list[float]:
    """Return the answers to rows."""
    answer = asyncio.run(made.predict(orjson.dumps({"instances": instances})))
    return [row["prediction"] for row in answer["predictions"]]


def test_what_is_not_sent_is_filled_in(follower: Follower) -> None:
    """The answer is that to the same row with the value; rows of one request may differ in what they bring."""
    filling = facts(empty=-1)
    made = service(follower, filling)
    sent = predictions(made, *({"x": 0.5, "z": z, "c": c} for z, c in ((4.0, "a"), (-1.0, "b"), (7.0, "a"))))
    filled = predictions(made, {"x": 0.5, "c": "a"}, {"x": 0.5, "c": "b"}, {"x": 0.5, "z": 7.0, "c": "a"})

    assert sent == filled
    assert {("z", "request"): 4, ("z", "facts"): 1, ("z", "empty"): 1} == dict(filling.counts)


def test_null_is_a_value_that_was_sent(follower: Follower) -> None:
    """The caller says that there is none."""
    filling = facts()
    assert predictions(service(follower, facts()), {"x": 1, "z": None, "c": "a"}) == (
        predictions(service(follower, filling), {"x": 1, "c": "never"})
    )
    assert {("z", "empty"): 1} == dict(filling.counts)


def test_a_row_has_its_values_at_its_own_time(follower: Follower) -> None:
    """A request may have the time of its event."""
    made = service(follower, facts(empty=-1))
    early = "2025-12-31T23:40:00Z"
    answers = predictions(made, {"x": 0.5, "c": "a", "time": early}, {"x": 0.5, "z": -1.0, "c": "a"})

    assert answers[0] == answers[1]


def test_the_open_protocol_leaves_the_tensor_out(follower: Follower) -> None:
    """By tensors as by rows."""
    body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [0.5]},
                       {"name": "c", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}  # fmt: skip
    made = service(follower, facts())
    answer = asyncio.run(made.infer(orjson.dumps(body), None))

    assert predictions(made, {"x": 0.5, "z": 4.0, "c": "a"}) == answer["outputs"][0]["data"]


def test_a_model_that_needs_a_value_gets_none_made_up() -> None:
    """Without a declared value for nothing the request is refused, with the fix; with one it has its answer."""
    rows = READER.rows({"x": [1.0, 1.0], "c": ["b", "a"]}, 2, now=world.NOW, size=1, optional={"z"})
    with pytest.raises(InvalidRequest) as caught:
        facts().complete(rows, READER)

    (problem,) = caught.value.problems
    assert ("z", 0) == (problem.field, problem.row)
    assert "no fact counts for this row" in str(problem)
    assert "declare `empty` for the feature" in str(problem)
    assert [0.0, 4.0] == facts(empty=0).complete(rows, READER).features["z"]


def test_other_features_must_still_be_sent(follower: Follower) -> None:
    """Only what is declared may be left out."""
    with pytest.raises(InvalidRequest, match="x"):
        predictions(service(follower, facts()), {"c": "a"})


def test_a_store_that_fails_is_a_fallback_that_is_counted(follower: Follower) -> None:
    """The request has its answer; when the store is back, values are the facts' again."""
    filling = facts(empty=-1)
    made, good = service(follower, filling), filling.values.store
    filling.values.store = None  # type: ignore[assignment]
    before = predictions(made, {"x": 0.5, "c": "a"})
    broken = filling.failing
    filling.values.store = good

    assert predictions(made, {"x": 0.5, "z": -1.0, "c": "a"}) == before
    assert "AttributeError" in broken
    assert predictions(made, {"x": 0.5, "z": 4.0, "c": "a"}) == predictions(made, {"x": 0.5, "c": "a"})
    assert (1, 1, "") == (filling.counts["z", "unavailable"], filling.counts["z", "facts"], filling.failing)


def test_values_are_counted_for_prometheus(follower: Follower) -> None:
    """By feature and origin."""
    made = service(follower, facts())
    predictions(made, {"x": 0.5, "c": "a"})
    text = metrics.Metrics({"m": made}).text().decode()

    assert 'leeway_serve_fact_values_total{feature="z",model="m",origin="facts"} 1.0' in text
    assert 'leeway_serve_fact_values_total{feature="z",model="m",origin="unavailable"} 0.0' in text
    assert 'leeway_serve_facts_failing{model="m"} 0.0' in text


def test_the_description_says_what_may_be_left_out() -> None:
    """Clients are made from it."""
    paths = openapi.document([world.SCHEMA], {"m": {"z"}})["paths"]
    body = paths["/v1/models/m/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert ["x", "c"] == body["properties"]["instances"]["items"]["required"]


def test_the_log_has_the_values_that_were_used(follower: Follower, tmp_path: Path) -> None:
    """So that monitors, and training, see what the model saw."""
    log = PredictionLog(world.SCHEMA, tmp_path / "log", tmp_path / "journals", "p", Limits())
    made = service(follower, facts(), log)
    log.start()
    predictions(made, {"x": 0.5, "c": "a"}, {"x": 0.5, "z": 9.0, "c": "a"})
    asyncio.run(made.close())

    assert [4.0, 9.0] == world.logged(tmp_path / "log")["z"].tolist()


def test_new_facts_are_read_while_answers_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is not there yet is a failure that is over when it is; dead letters go where they belong."""
    monkeypatch.setattr(fact_feed, "EVERY_SECONDS", 0.01)
    values, letters = FactValues(declared(tmp_path / "facts"), MemoryStore()), list[Any]()
    feed = FactFeed("m", DirectoryFeed(values), letters.extend, _clock)
    feed.start()
    failing = feed.counts.failing
    (tmp_path / "facts").mkdir()
    lines = ['{"time": "2025-12-31T23:50:00Z", "c": "a", "delay": 3}', '{"time": "2099-01-01T00:00:00Z", "c": "a"}']
    (tmp_path / "facts" / ".a.tmp").write_text("\n".join(lines))
    (tmp_path / "facts" / ".a.tmp").rename(tmp_path / "facts" / "a.jsonl")
    end = time.monotonic() + 20
    while not (letters and not feed.counts.failing) and time.monotonic() < end:
        time.sleep(0.01)
    feed.close()

    assert "is not there" in failing
    assert (1, 1, "") == (feed.counts.stored, feed.counts.set_aside, feed.counts.failing)
    assert 3.0 == values.look("z", ("a",), NOW_MS).value
    assert ["time"] == [letter.column for letter in letters]


def test_a_service_that_ends_closes_its_store(follower: Follower, tmp_path: Path) -> None:
    """After the last answer has been written: the file may be moved, and its write-ahead log is gone."""
    store = SqliteStore(tmp_path / "facts.db")
    filling = FactFeatures(FactValues(declared(), store))
    store.mark_read(filling.values.groups[0], "a", "1 1")
    assert (tmp_path / "facts.db-wal").exists()
    asyncio.run(service(follower, filling).close())

    assert [tmp_path / "facts.db"] == list(tmp_path.iterdir())


def _clock() -> datetime:
    return world.NOW
