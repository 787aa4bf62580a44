"""Tables and topics that land, in the project file: where their rows land, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import ProjectError
from leeway.project.landed import LandedTable, LandedTopic
from leeway.project.load import Model, Project
from tests.unit.leeway.project.test_load import SMALL, load, problems

TABLE = "{table: {database: env:LABELS, name: sales.outcomes, key: seq, overlap: 1000}}"
LABELS = SMALL.replace("{path: /data/labels}", TABLE)
FACTS = SMALL.replace("models:", """facts:
  landings:
    id: flight
    table: {database: 'sqlite:///facts.db', name: landings, key: reported, overlap: 10m}
models:""") + "      d: {type: numeric, from: landings, key: {origin: airport}, mean: delay, window: 1h}\n"  # fmt: skip
TABLE_OF_FACTS = "table: {database: 'sqlite:///facts.db', name: landings, key: reported, overlap: 10m}"
FACTS = FACTS.replace("features: {temp: numeric, origin: categorical}\n", "features:\n      origin: categorical\n")


def table_of(model: Model) -> LandedTable:
    """Return the model's only source that lands, a table."""
    (found,) = model.landed
    assert isinstance(found, LandedTable)
    return found


def topic_of(model: Model) -> LandedTopic:
    """Return the model's only source that lands, a topic."""
    (found,) = model.landed
    assert isinstance(found, LandedTopic)
    return found


def test_a_table_is_a_directory_to_all_that_reads(tmp_path: Path) -> None:
    """Of its own for each declaration, but for how often it is read."""
    model = load(tmp_path, LABELS).model()
    table = table_of(model)
    labels = model.events.labels
    assert labels is not None
    assert (str(table.folder), None) == (labels.path, labels.table)
    assert tmp_path / ".leeway" / "landed" == table.folder.parent
    assert ("id", "label", "time") == table.columns
    again = load(tmp_path, LABELS.replace("overlap: 1000", "overlap: 1000, poll: 1m")).model()
    other = load(tmp_path, LABELS.replace("overlap: 1000", "overlap: 2000")).model()
    assert again.events == model.events
    assert other.events != model.events


def test_labels_in_a_table_are_a_topic_where_predictions_are_in_one(tmp_path: Path) -> None:
    """Of the same Kafka; history, which jobs over topics do not read, stays a directory."""
    topic = "{topic: sales.predictions}\n      history: " + TABLE
    model = load(
        tmp_path, f"kafka: {{bootstrap: 'kafka:9092'}}\n{LABELS.replace('{path: events/predictions}', topic)}"
    ).model()
    labels, history = model.events.labels, model.events.history
    assert labels is not None
    assert history is not None
    assert ("kafka:9092", f"leeway.{model.name}.labels") == (labels.bootstrap, labels.topic)
    assert [labels, history] == [source.events for source in model.landed if isinstance(source, LandedTable)]
    assert history.path


def test_what_lies_beside_a_directory_is_its_own(tmp_path: Path) -> None:
    """Labels and history of one model, and all facts, are locked and noted apart."""
    labels, history = load(tmp_path, LABELS.replace("labels: {", f"history: {TABLE}\n      labels: {{")).model().landed
    assert 4 == len({source.beside(suffix) for source in (labels, history) for suffix in ("lock", "json")})
    assert labels.folder.parent == labels.beside("lock").parent


def test_facts_in_a_table(tmp_path: Path) -> None:
    """The columns that any feature needs, and the keys of facts."""
    model = load(tmp_path, FACTS).model()
    table = table_of(model)
    assert str(table.folder) == model.facts.sources["landings"].path
    assert ("airport", "delay", "flight", "time") == table.columns
    assert f"sqlite:///{tmp_path}/facts.db" == table.url()


@pytest.mark.parametrize(("before", "after", "words"), [
    ("env:LABELS", "'postgresql://me:secret@host/db'", "holds a password; put the URL into an environment variable"),
    ("env:LABELS", "'postgresql://host/db?password=secret'", "holds a password"),
    ("env:LABELS", "'mysql://host/db'", "is no sqlite:///FILE or postgresql://HOST/DATABASE"),
    ("sales.outcomes", "'outcomes; drop table x'", "name"),
    ("key: seq", "key: 'seq\"'", "key"),
    (", overlap: 1000", "", "overlap"),
    ("overlap: 1000", "overlap: -1", "-1 is negative"),
    ("overlap: 1000", "overlap: long", "'long' is not a length of time"),
    ("{table:", "{path: labels, table:", "set one of `path`, `topic` and `table`"),
    ("{table:", "{format: json, table:", "`format` goes with `topic`"),
])  # fmt: skip
def test_what_is_refused_is_named_with_its_line(tmp_path: Path, before: str, after: str, words: str) -> None:
    """Nothing of a password is repeated."""
    (problem,) = problems(tmp_path, LABELS.replace(before, after))
    assert problem.startswith("7:"), problem
    assert words in problem
    assert "secret@" not in problem


def test_predictions_are_no_table(tmp_path: Path) -> None:
    """Each delivery of a prediction counts."""
    (problem,) = problems(tmp_path, SMALL.replace("{path: events/predictions}", TABLE))
    assert "labels, history and facts may be in a table" in problem


def test_the_url_in_a_file_of_its_owner(tmp_path: Path) -> None:
    """Others may not read it."""
    table = table_of(load(tmp_path, LABELS.replace("env:LABELS", "file:secret/url")).model())
    with pytest.raises(ProjectError, match="which is not there"):
        table.url()
    (tmp_path / "secret").mkdir()
    path = tmp_path / "secret" / "url"
    path.write_text("postgresql://me:word@host/db\n")
    path.chmod(0o640)
    with pytest.raises(ProjectError, match="others than its owner"):
        table.url()
    path.chmod(0o600)
    assert "postgresql://me:word@host/db" == table.url()


def test_models_share_the_table_of_facts(tmp_path: Path) -> None:
    """With the columns of both."""
    first, second = FACTS.split("models:\n")
    text = first + "models:\n" + second + second.replace("late:", "later:").replace("mean: delay", "mean: wait")
    (tmp_path / "leeway.yaml").write_text(text)
    models = Project.load(tmp_path).models
    assert models["late"].landed == models["later"].landed
    assert {"delay", "wait"} <= set(table_of(models["late"]).columns)


TOPIC = FACTS.replace(TABLE_OF_FACTS, "topic: landings\n    poll: 5s")


def test_facts_in_a_topic(tmp_path: Path) -> None:
    """They are files to all that computes features; the brokers are the project's, or their own."""
    model = load(tmp_path, f"kafka: {{bootstrap: 'broker:9092'}}\n{TOPIC}").model()
    topic = topic_of(model)
    assert str(topic.folder) == model.facts.sources["landings"].path
    assert tmp_path / ".leeway" / "landed" == topic.folder.parent
    assert ("landings", "broker:9092", timedelta(seconds=5)) == (topic.source.topic, topic.source.bootstrap, topic.poll)
    own = topic_of(load(tmp_path, TOPIC.replace("poll: 5s", "bootstrap: 'other:9092'")).model())
    assert "other:9092" == own.source.bootstrap


def test_the_directory_of_a_topic_follows_from_its_declaration(tmp_path: Path) -> None:
    """Not from the address of now, nor from the columns that features read; from the content of the Avro schema."""
    (tmp_path / "facts.avsc").write_text("{}")
    avro = TOPIC.replace("poll: 5s", "format: avro\n    avro_schema: facts.avsc")

    def folder(text: str) -> Path:
        return topic_of(load(tmp_path, text).model()).folder

    first, plain = folder(avro), folder(TOPIC)
    assert (
        first
        == folder(f"kafka: {{bootstrap: 'broker:9092'}}\n{avro}")
        == folder(avro.replace("mean: delay", "mean: x"))
    )
    assert first != plain == folder(TOPIC.replace("poll: 5s", "poll: 1m"))
    assert plain != folder(TOPIC.replace("topic: landings", "topic: others"))
    (tmp_path / "facts.avsc").write_text("[]")
    assert first != folder(avro)


@pytest.mark.parametrize(("before", "after", "words"), [
    ("topic: landings", "topic: landings\n    path: x", "set one of `path`, `topic`, `table` and `sql`"),
    ("    topic: landings\n", "", "set one of `path`, `topic`, `table` and `sql`"),
    ("topic: landings", "path: x", "`poll` goes with `topic`"),
    ("poll: 5s", "csv: {delimiter: ;}", "`csv` goes with `path`"),
    ("poll: 5s", "format: avro", "set `avro_schema` or `schema_registry`"),
    ("poll: 5s", "avro_schema: x", "`avro_schema` goes with `format: avro`"),
    ("poll: 5s", "poll: 100ms", "poll"),
    ("topic: landings", "topic: a/b", "topic"),
])  # fmt: skip
def test_what_is_refused_of_facts_in_a_topic(tmp_path: Path, before: str, after: str, words: str) -> None:
    """With the line of the facts, and the fix."""
    found = problems(tmp_path, TOPIC.replace(before, after))
    assert any(words in problem for problem in found), found
