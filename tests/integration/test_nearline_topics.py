"""`leeway nearline` over topics: promotions, a store that is away, bad records, and a kill while requests come."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import EngineError
from features.events import publishing
from features.events.encode import DIGEST
from features.kafka import connections
from features.window import to_ms
from tests.support import serving_world as world
from tests.support.command_line import invoke, leeway
from tests.support.running_command import Running

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 240


@dataclass
class Requests:
    """Requests that were sent to the topic, by id."""

    address: str
    topic: str
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)

    def send(self, name: str, n: int = 20) -> None:
        """Send *n* requests whose ids begin with *name*."""
        rows = world.rows(n, len(self.sent))[0]
        rows = rows.assign(id=[f"{name}-{i}" for i in range(n)], time=[to_ms(world.NOW) + i for i in range(n)])
        with connections.producer(self.address) as client:
            for row in rows.to_dict("records"):
                client.send(self.topic, json.dumps(row).encode(), key=str(row["id"]).encode(), timestamp_ms=row["time"])
                self.sent[str(row["id"])] = row

    @contextmanager
    def coming(self, name: str) -> Iterator[None]:
        """Send requests all the time until the block ends."""
        over = threading.Event()

        def send() -> None:
            for i in itertools.count():
                if over.is_set():
                    return
                self.send(f"{name}{i}")
                time.sleep(0.1)

        sending = threading.Thread(target=send)
        sending.start()
        try:
            yield
        finally:
            over.set()
            sending.join()


def committed(address: str, topic: str) -> list[Any]:
    """Return the committed records of a topic."""
    with connections.consumer(address, auto_offset_reset="earliest", isolation_level="read_committed") as client:
        parts = [connections.partition(topic, n) for n in connections.partitions(client, address, topic)]
        client.assign(parts)
        ends, read = client.end_offsets(parts), list[Any]()
        while any((client.position(part) or 0) < ends[part] for part in parts):
            for records in client.poll(timeout_ms=500).values():
                read += records
        return read


def project(folder: Path, address: str, name: str, flink: str = "") -> Requests:
    """Write a project *name* whose requests and predictions are in topics; make these, and return the requests."""
    world.project(folder)
    text = world.PROJECT.replace("project: served", f"project: {name}")
    text = text.replace("state: .\n", f"state: .\nkafka: {{bootstrap: '{address}'}}\n{flink}")
    text = text.replace("predictions: {path: predictions}", f"predictions: {{topic: {name}-predictions}}")
    text = text.replace("labels: {path: labels}", f"labels: {{topic: {name}-labels}}")
    text = text.replace("    label_delay", f"    nearline: {{requests: {{topic: {name}-requests}}}}\n    label_delay")
    (folder / "leeway.yaml").write_text(text)
    for topic, partitions in (("requests", 2), ("predictions", 4), ("labels", 1)):
        publishing.ensure(address, f"{name}-{topic}", partitions)
    return Requests(address, f"{name}-requests")


def promote(folder: Path, version: str, seed: int) -> None:
    """Register a version and make it the champion."""
    with world.open_registry(folder) as registry:
        world.add_version(registry, version, world.linear(seed))
        world.promote(registry, version)


def test_requests_of_a_topic_are_answered_once_whatever_happens(tmp_path: Path, broker: str) -> None:
    """Each request has one committed answer, by the champion of its time, equal to `leeway score`'s."""
    requests = project(tmp_path, broker, "alone")

    def answers() -> dict[str, dict[str, Any]]:
        return {
            row["id"]: row for row in (json.loads(record.value) for record in committed(broker, "alone-predictions"))
        }

    def answered(name: str) -> bool:
        return f"{name}-19" in answers()

    requests.send("first")
    with connections.producer(broker) as client:
        client.send(requests.topic, b"oops", partition=0)
    one = Running(tmp_path, "nearline")
    try:
        one.wait(lambda: answered("first"), 0.5)
        promote(tmp_path, "v2", 2)
        one.wait(lambda: "the champion is v2" in one.log())
        requests.send("second")
        one.wait(lambda: answered("second"), 0.5)
        (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
        promote(tmp_path, "v3", 3)  # its file is put into a folder of its own, which goes, too
        (tmp_path / "artifacts").rename(tmp_path / "third")
        one.wait(lambda: "v3 cannot be loaded" in one.log())
        requests.send("third")
        one.wait(lambda: answered("third"), 0.5)
        (tmp_path / "elsewhere").rename(tmp_path / "artifacts")
        for path in (p for p in (tmp_path / "third").rglob("*") if p.is_file()):
            place = tmp_path / "artifacts" / path.relative_to(tmp_path / "third")
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
        one.wait(lambda: "the champion is v3" in one.log())
        with requests.coming("load"):
            one.wait(lambda: answered("load2"), 0.5)
            time.sleep(0.7)  # a checkpoint is half way, more or less
            one.kill()
            time.sleep(1.0)
    finally:
        one.kill()
    two = Running(tmp_path, "nearline")
    try:
        two.wait(lambda: len(answers()) == len(requests.sent), 0.5)
        code = two.stop()
    finally:
        two.kill()
    records = committed(broker, "alone-predictions")
    rows = pd.DataFrame([json.loads(record.value) for record in records]).set_index("id").sort_index()
    by_version = rows["model_version"].groupby(rows.index.str.split("-").str[0]).unique()

    assert code == 0
    assert set(requests.sent) == set(rows.index)
    assert Counter(rows.index).most_common(1)[0][1] == 1
    assert (["v1"], ["v2"], ["v2"]) == tuple(by_version[name].tolist() for name in ("first", "second", "third"))
    assert {"v3"} == {version for name, of in by_version.items() if name.startswith("load") for version in of}
    assert rows.groupby("model_version")[DIGEST].nunique().tolist() == [1, 1, 1]
    assert {record.timestamp for record in records} == {row["time"] for row in requests.sent.values()}
    assert [b"oops"] == [record.value for record in committed(broker, "leeway.m.dead-letters")]
    (tmp_path / "clean").mkdir()
    (tmp_path / "clean" / "all.jsonl").write_text("".join(json.dumps(r) + "\n" for r in requests.sent.values()))
    for version in ("v1", "v2", "v3"):
        invoke(tmp_path, "score", str(tmp_path / "clean"), str(tmp_path / f"{version}.parquet"), "--version", version)
        scored = pd.read_parquet(tmp_path / f"{version}.parquet").set_index("id")
        mine = rows[rows["model_version"] == version]
        pd.testing.assert_series_equal(scored.loc[mine.index, "prediction"], mine["prediction"], rtol=1e-12)


def test_the_job_on_a_cluster_is_stopped_upgraded_and_started_and_answers_once(
    tmp_path: Path, broker: str, flink_cluster: str
) -> None:
    """It goes on from its savepoint; a replay, which would answer again, is refused."""
    requests = project(tmp_path, broker, "far", f"flink: {{address: '{flink_cluster}'}}\n")

    def job(*words: str) -> Any:
        # In a process of its own: one that has had an embedded Flink lends its Python to jobs that it submits.
        return json.loads(leeway(tmp_path, "job", *words, "--json"))

    def wait_for(name: str) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while f"{name}-19" not in {record.key.decode() for record in committed(broker, "far-predictions")}:
            assert time.monotonic() < end, f"no answer to {name}"
            time.sleep(0.5)

    requests.send("first")
    started = job("submit", "--kind", "nearline")
    wait_for("first")
    (listed,) = (row for row in job("list") if row["kind"] == "nearline")
    upgraded = job("upgrade", "--kind", "nearline")
    with pytest.raises(EngineError, match="would write again"):
        invoke(tmp_path, "job", "restart", "--kind", "nearline", "--replay")
    requests.send("second")
    wait_for("second")
    stopped = job("stop", "--kind", "nearline")
    requests.send("third")
    again = job("submit", "--kind", "nearline")
    wait_for("third")
    job("stop", "--kind", "nearline", "--kill")
    ids = [record.key.decode() for record in committed(broker, "far-predictions")]

    assert started["begin"] is None
    assert ("running", "unchanged") == (listed["state"], listed["file"])
    assert upgraded["begin"] is not None
    assert stopped["savepoint"] == again["begin"]
    assert sorted(requests.sent) == sorted(ids)
