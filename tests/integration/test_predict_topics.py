"""`leeway predict --to-topic` on a real broker: each answer is committed once, wherever a run ends."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import kafka
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.events import publishing, sent_parts
from features.events.encode import DIGEST
from features.kafka import connections, offset_ranges
from features.schema import Source
from monitors.flink import parts_job
from tests.support import serving_world as world
from tests.support import without_engine
from tests.support.command_line import document, invoke, leeway
from tests.support.running_command import Running

pytestmark = pytest.mark.slow

BEGIN = 1_704_067_200_000  # 2024-01-01
HOUR = 3_600_000
ROWS = 300
PERIOD = ("--from", "2024-01-01", "--to", "2024-01-03")


def topic_project(folder: Path, address: str, name: str) -> None:
    """Write a project *name* whose requests and predictions are in topics, and three files of events."""
    world.project(folder)
    text = world.PROJECT.replace("predictions: {path: predictions}", f"predictions: {{topic: {name}.p}}")
    text = text.replace("labels: {path: labels}", f"labels: {{topic: {name}.l}}")
    text = text.replace("    label_delay", f"    nearline: {{requests: {{topic: {name}.r}}}}\n    label_delay")
    (folder / "leeway.yaml").write_text(f"kafka: {{bootstrap: '{address}'}}\n{text}")
    (folder / "events").mkdir()
    for number in range(3):
        frame, _ = world.rows(ROWS, number)
        at = [BEGIN + number * HOUR + 3000 * i for i in range(ROWS)]
        events = frame.assign(id=[f"{number}-{i}" for i in range(ROWS)], time=at)
        events.to_json(folder / "events" / f"{number}.jsonl", orient="records", lines=True)


def sent(address: str, topic: str) -> list[Any]:
    """Return the committed records of a topic."""
    return [record for part in offset_ranges.ranges(Source(topic=topic, bootstrap=address))
            for record in offset_ranges.stream(part)]  # fmt: skip


def check_sent(folder: Path, records: list[Any]) -> None:
    """Check that each event of the files has one committed prediction, that of `leeway score`, by its own time."""
    rows = pa.Table.from_pylist([json.loads(record.value) for record in records]).sort_by("id")
    invoke(folder, "score", str(folder / "events"), str(folder / "scored.parquet"))
    scored = pq.read_table(folder / "scored.parquet").sort_by("id")

    assert scored["id"].to_pylist() == rows["id"].to_pylist()
    assert scored["prediction"].to_pylist() == rows["prediction"].to_pylist()
    assert {DIGEST: 1} == {DIGEST: len(set(rows[DIGEST].to_pylist()))}
    assert scored["time"].cast(pa.int64()).to_pylist() == [
        record.timestamp for record in sorted(records, key=lambda record: record.key)
    ]


class Ended(Exception):
    """The end of a process at a moment that a test chose."""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit", "while sending"])
def test_a_part_is_sent_once_wherever_the_run_ended(
    tmp_path: Path, broker: str, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The second part's transaction is open, committed and not marked, or half sent when the run ends; it goes on."""
    monkeypatch.setattr(parts_job, "run", without_engine.run)
    name = f"once-{moment.split()[0]}"
    topic_project(tmp_path, broker, name)
    command = ("predict", str(tmp_path / "out"), *PERIOD, "--source", str(tmp_path / "events"), "--to-topic")
    with monkeypatch.context() as patched:
        _end(patched, moment)
        with pytest.raises(Ended):
            invoke(tmp_path, *command)
    at_the_end = sent(broker, f"{name}.p")
    again = document(tmp_path, *command)
    records = sent(broker, f"{name}.p")
    once_more = document(tmp_path, *command)

    assert (2 if moment == "after the commit" else 1) * ROWS == len(at_the_end)
    assert (3, 1, 3 * ROWS) == tuple(again[key] for key in ("parts", "parts_before", "rows"))
    assert (3, len(records)) == (once_more["parts_before"], len(sent(broker, f"{name}.p")))
    assert 3 == len({dict(record.headers)[sent_parts.PART] for record in records})
    check_sent(tmp_path, records)


def _end(patched: pytest.MonkeyPatch, moment: str) -> None:
    """Have the second part's sending end at a moment."""
    producer, commits, sends = kafka.KafkaProducer, itertools.count(1), itertools.count(1)
    commit, send = producer.commit_transaction, producer.send

    def committed(self: Any) -> None:
        number = next(commits)
        if number == 2 and moment == "before the commit":
            raise Ended
        commit(self)
        if number == 2 and moment == "after the commit":
            raise Ended

    def sending(self: Any, *args: Any, **named: Any) -> Any:
        if moment == "while sending" and next(sends) == ROWS + ROWS // 2:
            self.flush()
            raise Ended
        return send(self, *args, **named)

    patched.setattr(producer, "commit_transaction", committed)
    patched.setattr(producer, "send", sending)


def test_a_killed_run_over_topics_sends_each_answer_once(tmp_path: Path, broker: str) -> None:
    """Requests of a topic into a topic, on Flink: killed once some answers are committed, it goes on to the end."""
    topic_project(tmp_path, broker, "killed")
    publishing.ensure(broker, "killed.r", 6)
    with connections.producer(broker) as client:
        for path in sorted((tmp_path / "events").glob("*.jsonl")):
            for line in path.read_bytes().splitlines():
                client.send("killed.r", line, key=str(json.loads(line)["id"]).encode())
    out, options = tmp_path / "out", (*PERIOD, "--requests", "--to-topic")
    one = Running(tmp_path, "predict", str(out), *options)
    one.wait(lambda: any(out.glob("_run/parts/*.sent.json")), 0.002)
    one.kill()
    before = len(list(out.glob("_run/parts/*.sent.json")))
    done = json.loads(leeway(tmp_path, "predict", str(out), *options, "--json"))

    assert 0 < before < 6
    assert (6, 3 * ROWS, "topic killed.p") == tuple(done[key] for key in ("parts", "rows", "to"))
    assert before <= done["parts_before"]
    check_sent(tmp_path, sent(broker, "killed.p"))
