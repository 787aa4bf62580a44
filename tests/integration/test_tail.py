"""`leeway tail` and `leeway produce` with a real broker: output, rate, and refusals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.events import decode, publishing
from features.kafka import connections
from features.schema import Source
from features.topic import RecordFormat
from features.window import UTC
from leeway.project.load import Project
from serving import offline
from serving.model import Served
from tests.support import event_files as eventful

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def path(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose predictions are columnar and whose labels are Avro, with the events in the topics."""
    folder = tmp_path_factory.mktemp("tail")
    eventful.write(folder)
    path = eventful.project(folder, broker, "{topic: tail.p, format: arrow}", "{topic: tail.l, format: avro}")
    done = eventful.run(path, "produce", "--predictions", folder / "predictions", "--labels", folder / "labels",
                        "--partitions", 2, "--batch", 64)  # fmt: skip
    assert "200 events of 2013-01-01 00:00 to 2013-01-05 03:30 to topic tail.p" in done.output
    assert "1 records could not be read and were not sent" in done.output
    return path


def test_records_are_shown_decoded_with_their_places(path: Path) -> None:
    """Avro and columnar values are JSON for programs; offsets and headers stand beside them."""
    labels = json.loads(eventful.run(path, "tail", "labels", "-n", 2, "--json").output)
    made = json.loads(eventful.run(path, "tail", "tail.p", "--json").output)

    assert 200 == sum(part["next"] - part["first"] for part in labels["partitions"].values())
    assert [{"id": f"f{i}", "time": 1357002000000 + 1800_000 * i, "label": float(i % 2)} for i in (198, 199)] == [
        record["value"] for record in labels["records"]
    ]
    assert ["f198", "f199"] == [record["key"] for record in labels["records"]]
    assert {"content-type": "avro/binary"} == labels["records"][0]["headers"]
    assert [64, 64, 64, 8] == [len(record["value"]) for record in made["records"]]
    assert eventful.rows()[-1]["prediction"] == made["records"][-1]["value"][-1]["prediction"]
    assert [0, 1, 0, 1] == [record["partition"] for record in made["records"]]


def test_people_see_a_line_a_record(path: Path) -> None:
    """Partition, offset, time, headers, and the first event of a columnar record."""
    shown = eventful.run(path, "tail", "predictions", "-n", 1).output

    assert re.search(
        r"^1/1 2013-01-05 03:30:00 - content-type=application/vnd.apache.arrow.stream$", shown, re.MULTILINE
    )
    assert '8 events, first {"id": "f192"' in shown


def test_how_far_behind_readers_are_is_shown(path: Path, broker: str) -> None:
    """A group that has committed is listed with its lag, partition by partition."""
    with connections.consumer(broker, group_id="readers") as client:
        parts = [connections.partition("tail.p", number) for number in (0, 1)]
        client.assign(parts)
        client.seek(parts[0], 2)
        client.seek(parts[1], 1)
        client.commit()
    (group,) = json.loads(eventful.run(path, "tail", "predictions", "--json").output)["groups"]

    assert {"group": "readers", "offsets": {"0": 2, "1": 1}, "lags": {"0": 0, "1": 1}, "lag": 1} == group
    assert re.search(r"readers +3 +1", eventful.run(path, "tail", "predictions").output)


def test_what_leeway_writes_is_found_by_its_short_name(path: Path, broker: str) -> None:
    """Dead letters are the original bytes, whatever they are, under headers that say where they were."""
    publishing.ensure(broker, "leeway.late.dead-letters", 1)
    with connections.producer(broker) as client:
        for value in (b"\xff\x00", b"not json", None):
            client.send("leeway.late.dead-letters", value, key=b"k", headers=[("reason", b"x is not a number")])
    found = json.loads(eventful.run(path, "tail", "dead-letters", "--json").output)["records"]

    assert ["base64:/wA=", "not json", None] == [record["value"] for record in found]
    assert {"reason": "x is not a number"} == found[0]["headers"]


def test_a_stream_that_is_no_topic_is_refused(path: Path) -> None:
    """The key to mend is named, for both commands."""
    tail, produce = (
        eventful.run(path, *args).exception for args in (["tail", "history"], ["produce", "--history", "."])
    )

    assert "events.history of late is not in a topic\n  hint: set events.history: {topic: ...}, or name a topic" == str(
        tail
    )
    assert "events.history of late is not a topic" in str(produce)


def lines(path: Path, least: int) -> list[str]:
    """Return the lines of *path* as soon as there are so many, or after a while."""
    deadline = time.monotonic() + 30
    while path.read_text().count("\n") < least and time.monotonic() < deadline:
        time.sleep(0.1)
    return path.read_text().splitlines()


def test_events_come_at_the_speed_that_is_asked_for_and_are_followed(path: Path, tmp_path: Path) -> None:
    """Four days, two a second, take two seconds; a follower prints events as they come, until it is interrupted."""
    command = [sys.executable, "-m", "leeway", "--project", str(path), "tail", "labels", "-f", "-n", "1", "--json"]
    with (tmp_path / "out").open("w") as out:
        follower = subprocess.Popen(command, stdout=out, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        try:
            assert 1 == len(lines(tmp_path / "out", 1))
            started = time.monotonic()
            done = eventful.run(path, "produce", "--labels", path.parent / "labels", "--speed", "2d")
            took = time.monotonic() - started
            seen = lines(tmp_path / "out", 1 + eventful.N)[1:]
        finally:
            follower.send_signal(signal.SIGINT)

    assert (0, 0) == (done.exit_code, follower.wait(120)), done.output
    assert took > 2
    assert {f"f{i}" for i in range(eventful.N)} == {json.loads(line)["value"]["id"] for line in seen}


class Half:
    """A model that is never sure."""

    classes_ = (0, 1)

    def predict(self, frame: pd.DataFrame) -> None:
        """Be known for a model by having this."""

    def predict_proba(self, frame: pd.DataFrame) -> object:
        """Return even odds."""
        return np.full((len(frame), 2), 0.5)


@pytest.mark.parametrize("form", ["json", "avro", "arrow"])
def test_the_prediction_log_goes_to_a_topic(broker: str, path: Path, form: RecordFormat) -> None:
    """Answers are read back as the events that were asked, under the version that answered."""
    schema = Project.load(path).model().schema
    to = Source(topic=f"log.{form}", format=form, bootstrap=broker)
    served = Served(schema, "v7", "none", Half())
    done = offline.publish(served, path.parent / "predictions", to, now=datetime.now(UTC), partitions=2)
    rows = decode.read_events(schema, "predictions", to).table.sort_by("time").to_pylist()

    assert (200, ["not JSON"]) == (done.rows, [r.reason[:8] for r in done.rejects])
    assert [f"f{i}" for i in range(200)] == [row["id"] for row in rows]
    assert [row["temp"] for row in eventful.rows()] == [row["temp"] for row in rows]
    assert {("v7", 0.5)} == {(row["model_version"], row["prediction"]) for row in rows}
