"""Samples out of topics: the job that follows them writes the parts that history gives."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from leeway import context, learner_branch
from leeway.streaming import follow_samples, samples_job
from leeway.streaming.follow_samples import SampleTally
from tests.support import topic_events as topic_world
from tests.support.command_line import invoke

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 200


def test_samples_of_topics_are_those_of_history(tmp_path: Path, broker: str) -> None:
    """Late, repeated and corrected events of several partitions: each part is that of the batch, byte for byte."""
    made = topic_world.make(tmp_path, broker, "sampled")
    predictions, labels = topic_world.events()
    made.send("labels", [*labels, topic_world.last_label()])
    made.send("predictions", predictions)
    made.send_bad()
    made.send("predictions", [topic_world.last(p) for p in range(topic_world.PARTITIONS)])
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
