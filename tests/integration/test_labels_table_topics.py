"""Labels in a table beside predictions in a topic: the rows go on into a topic, each once, and jobs read that."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from features.kafka import offset_ranges
from features.schema import Source
from leeway import assembly, context
from leeway.landed import landing
from leeway.project.landed import LandedTable
from leeway.project.load import Model
from monitors.flink import run_job
from tests.support import killed_landing
from tests.support import topic_events as topic_world
from tests.support.table_world import DATABASE, NOW, TableWorld
from tests.support.topic_events import World

pytestmark = pytest.mark.slow
names = (f"tabled{n}" for n in itertools.count())
TABLE = f"{{table: {{database: 'env:{DATABASE}', name: outcomes, key: seq, overlap: 0, poll: 1s}}}}"


@pytest.fixture
def world(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Predictions in a topic, and a project file whose labels are in a table that is still empty."""
    made = topic_world.make(tmp_path, broker, next(names))
    path = tmp_path / "leeway.yaml"
    path.write_text(path.read_text().replace(f"labels: {{topic: {made.topics['labels']}}}", f"labels: {TABLE}"))
    monkeypatch.setenv(DATABASE, f"sqlite:///{tmp_path / 'outcomes.db'}")
    table(tmp_path).create()
    return made


def table(folder: Path) -> TableWorld:
    """Return the table of a project."""
    url = f"sqlite:///{folder / 'outcomes.db'}"
    return TableWorld(sa.create_engine(url, poolclass=sa.NullPool), url, folder)


def model(folder: Path) -> Model:
    """Return the project's model."""
    with context.open(folder) as opened:
        return opened.model()


def sent(labels: Source) -> list[str]:
    """Return the ids of the records in the topic of labels, sorted."""
    ranges = offset_ranges.ranges(labels)
    return sorted(json.loads(r.value)["id"] for wanted in ranges for r in offset_ranges.stream(wanted) if r.value)


def test_windows_are_those_of_labels_in_a_topic_or_in_files(world: World) -> None:
    """A row that is no label is a dead letter, and stays in the topic."""
    predictions, labels = topic_world.events()
    world.send("predictions", [*predictions, *(topic_world.last(p) for p in range(topic_world.PARTITIONS))])
    rows = [{"seq": n, **row, "time": f"{row['time']}"} for n, row in enumerate(labels)]
    table(world.folder).insert_rows([*rows, {"seq": len(rows), "id": "bad", "time": "soon", "label": 1}])
    with context.open(world.folder) as opened:
        own = opened.model()
        topic_world.register(opened, own)
        landing.land(own.landed, NOW)
        expected = topic_world.expected(opened, own, world)
        outcome = run_job.run_once(assembly.spec(opened, own), assembly.directories(own), world.folder / "logs")

    assert own.events.labels == Source(topic=f"leeway.{world.name}.labels", bootstrap=world.bootstrap)
    assert len(expected) > 200
    assert topic_world.digests(expected) == topic_world.digests(outcome.reports)
    assert [(f"leeway.{world.name}.labels/0", "soon")] == [
        (letter["path"], json.loads(letter["raw"])["time"]) for letter in outcome.rejects
    ]


@pytest.mark.parametrize("before", [True, False])
def test_a_row_goes_on_once_wherever_a_reader_is_killed(world: World, before: bool) -> None:
    """SIGKILL at each file that a reader writes, so also between Kafka's commit and the note of it."""
    rows = table(world.folder)
    for at in itertools.count(1):
        rows.insert_rows([{"seq": at, "id": f"r{at}", "time": "2024-01-01T00:00:00Z", "label": 1}])
        died = killed_landing.land_and_die(_land, (world.folder,), at, before=before)
        landing.land(model(world.folder).landed, NOW)
        if died == 0:
            break
        assert -signal.SIGKILL == died

    labels = model(world.folder).events.labels
    assert labels is not None
    assert at > 3  # the rows' file, the ends of the topic before them, that they were sent
    assert sorted(f"r{n}" for n in range(1, at + 1)) == sent(labels)


def test_where_its_folder_was_removed_no_row_is_missing(world: World) -> None:
    """As the error of a broken file says to do: all rows are read again, and sent again."""
    rows = [{"seq": n, "id": f"r{n}", "time": "2024-01-01T00:00:00Z", "label": 1} for n in range(4)]
    own = model(world.folder)
    assert own.events.labels is not None
    for row in rows[:3]:
        table(world.folder).insert_rows([row])
        landing.land(own.landed, NOW)
    shutil.rmtree(own.landed[0].folder)
    table(world.folder).insert_rows(rows[3:])
    landing.land(own.landed, NOW)

    assert sorted(["r0", "r1", "r2"] * 2 + ["r3"]) == sent(own.events.labels)


def test_the_topic_is_there_before_the_first_row_and_is_asked_nothing_without_new_ones(world: World) -> None:
    """A job can follow a topic that is there; and a broker that is away keeps no empty table from being read."""
    own = model(world.folder)
    landing.land(own.landed, NOW)
    assert own.events.labels is not None
    assert [] == sent(own.events.labels)
    (source,) = own.landed
    assert isinstance(source, LandedTable)
    assert source.onward is not None

    nowhere = source.onward.to.model_copy(update={"bootstrap": "127.0.0.1:9"})
    away = [_with(source, nowhere)]
    assert 0 == landing.land(away, NOW)


def _with(source: LandedTable, to: Source) -> LandedTable:
    assert source.onward is not None
    return replace(source, onward=replace(source.onward, to=to))


def _land(folder: Path) -> None:
    os.environ[DATABASE] = f"sqlite:///{folder / 'outcomes.db'}"
    landing.land(model(folder).landed, NOW)
