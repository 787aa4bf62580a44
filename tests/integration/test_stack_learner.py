"""`leeway up` for a model with a learner: samples and snapshots are made by services, which are killed meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.events import publishing
from leeway.project import environment
from leeway.project.load import Project
from leeway.project.stack_section import Ports
from leeway.stack import ports
from tests.integration.test_samples_topics import learning, parts_of, snapshots, wait
from tests.integration.test_stack import again, services_of
from tests.integration.test_stack import leeway as command
from tests.support import topic_events
from tests.support.topic_events import World

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1500)]
SETTINGS = (
    "flink: {{address: 'env:LEEWAY_FLINK'}}\ndatabase: env:LEEWAY_DATABASE\nstack: {{flows: false, ports: {{{ports}}}}}"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Yield a model with a learner, whose stack takes free ports and is ended in any case."""
    chosen = {name: ports.free() for name in Ports.model_fields if "metrics" not in name}
    made = World(tmp_path, "env:LEEWAY_KAFKA", "learned")
    learning(made, SETTINGS.format(ports=", ".join(f"{name}: {port}" for name, port in chosen.items())))
    yield made
    command(tmp_path, "down")


def test_services_make_the_snapshots_that_history_gives(world: World) -> None:
    """Both are killed while they work, come back, and end with the model of an undisturbed run."""
    project = Project.load(world.folder)
    names = ("samples-learned", "learner-learned")
    started = services_of(command(world.folder, "up", "--json"))
    assert {*names} <= set(started)
    world = World(world.folder, environment.of_stack(project.state)["LEEWAY_KAFKA"], world.name)
    for role, topic in world.topics.items():
        publishing.ensure(world.bootstrap, topic, topic_events.PARTITIONS if role == "predictions" else 1)
    predictions, labels = topic_events.events()
    world.send("labels", [*labels, topic_events.last_label()])
    world.send("predictions", predictions[: len(predictions) // 2])
    wait(lambda: len(snapshots(world.folder)) > 5)
    for name in names:
        os.kill(started[name]["pid"], signal.SIGKILL)
    world.send("predictions", predictions[len(predictions) // 2 :])
    world.send("predictions", [topic_events.last(p) for p in range(topic_events.PARTITIONS)])
    wait(lambda: all(again(project, name, 0) for name in names))
    wait(lambda: parts_of(world.folder) > 50 and len(snapshots(world.folder)) == parts_of(world.folder))
    there = snapshots(world.folder)

    for words in (("stop",), ("reset", "--because", "the same again"), ("run", "--once")):
        done = command(world.folder, "learner", *words)
        assert 0 == done.returncode, done.stderr
    assert there == snapshots(world.folder)
