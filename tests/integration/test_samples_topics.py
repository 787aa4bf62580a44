"""Samples out of topics: the job that follows them writes the parts that history gives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leeway import context, learner_branch
from leeway.streaming import follow_samples, samples_job
from leeway.streaming.follow_samples import SampleTally
from tests.support import topic_events as topic_world
from tests.support.command_line import document, invoke, leeway
from tests.support.topic_events import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
PATIENCE_SECONDS = 400


TRAINERS = """\
from sklearn.compose import make_column_transformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def online():
    columns = make_column_transformer((StandardScaler(), ["x"]), (OneHotEncoder(handle_unknown="ignore"), ["c"]))
    return make_pipeline(columns, SGDClassifier(loss="log_loss", random_state=0))
"""


def wait(until: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not until():
        assert time.monotonic() < end
        time.sleep(0.5)


def filled(folder: Path, broker: str, name: str) -> World:
    """Return a world with all events in its topics."""
    made = topic_world.make(folder, broker, name)
    predictions, labels = topic_world.events()
    made.send("labels", [*labels, topic_world.last_label()])
    made.send("predictions", predictions)
    made.send_bad()
    made.send("predictions", [topic_world.last(p) for p in range(topic_world.PARTITIONS)])
    return made


def learning(made: World, settings: str) -> None:
    """Write the world's project with an online trainer and further *settings*."""
    (made.folder / "trainers.py").write_text(TRAINERS)
    text = made.write_project(settings).joinpath("leeway.yaml").read_text()
    learner = "    retrain: {mode: online, online: 'trainers:online', trust: [numpy.dtype]}\n"
    (made.folder / "leeway.yaml").write_text(text + learner)


def parts_of(folder: Path) -> int:
    """Return how many parts of samples there are of the only model."""
    return len(list((folder / ".leeway" / "samples").glob("*/*.parquet")))


def snapshots(folder: Path) -> list[str]:
    """Return the digests of the learner's snapshots."""
    return [one["digest"] for one in document(folder, "learner", "status").get("snapshots", ())]


def test_samples_of_topics_are_those_of_history(tmp_path: Path, broker: str) -> None:
    """Late, repeated and corrected events of several partitions: each part is that of the batch, byte for byte."""
    filled(tmp_path, broker, "sampled")
    period = ("--from", "2024-01-01", "--to", "2024-01-06", "--engine", "process")
    invoke(tmp_path, "samples", "build", *period, "--out", str(tmp_path / "history"), code=1)
    expected = {path.name: path.read_bytes() for path in (tmp_path / "history").glob("*.parquet")}
    with context.open(tmp_path) as opened:
        model, tally = opened.model(), SampleTally()
        target = learner_branch.samples(opened, model)
        end = time.monotonic() + PATIENCE_SECONDS
        with follow_samples.of_topics(opened, model, samples_job.spec(opened, model, target), tally) as look:
            while tally.parts < len(expected):
                assert time.monotonic() < end, tally
                look()
                time.sleep(0.2)
    parts = {path.name: path.read_bytes() for path in target.folder.glob("*.parquet")}

    assert len(expected) > 50
    assert expected == parts
    assert (0, 2) == (tally.late, tally.rejected)


def test_samples_and_learner_run_on_a_cluster(tmp_path: Path, broker: str, flink_cluster: str) -> None:
    """Both are submitted, listed and stopped like the monitors' job; the learner there makes what it makes here."""
    learning(filled(tmp_path, broker, "clustered"), f"flink: {{address: '{flink_cluster}'}}")

    def job(*words: str) -> Any:
        # In a process of its own: one that has had an embedded Flink lends its Python to jobs that it submits.
        return json.loads(leeway(tmp_path, "job", *words, "--json"))

    job("submit", "--kind", "samples")
    wait(lambda: parts_of(tmp_path) > 50)
    job("stop", "--kind", "samples")
    job("submit", "--kind", "learner")
    wait(lambda: len(snapshots(tmp_path)) == parts_of(tmp_path))
    listed = {row["kind"]: row["state"] for row in job("list")}
    savepoint = job("stop", "--kind", "learner")["savepoint"]
    there = snapshots(tmp_path)
    invoke(tmp_path, "learner", "reset", "--because", "the same again")
    leeway(tmp_path, "learner", "run", "--once")

    assert ("running", "not running", "not running") == tuple(listed[k] for k in ("learner", "samples", "monitor"))
    assert savepoint
    assert there == snapshots(tmp_path)
