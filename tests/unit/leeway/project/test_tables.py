"""Tables in the project file: where their rows land, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import ProjectError
from leeway.project.load import Project
from tests.unit.leeway.project.test_load import SMALL, load, problems

TABLE = "{table: {database: env:LABELS, name: sales.outcomes, key: seq, overlap: 1000}}"
LABELS = SMALL.replace("{path: /data/labels}", TABLE)
FACTS = SMALL.replace("models:", """facts:
  landings:
    id: flight
    table: {database: 'sqlite:///facts.db', name: landings, key: reported, overlap: 10m}
models:""") + "      d: {type: numeric, from: landings, key: {origin: airport}, mean: delay, window: 1h}\n"  # fmt: skip
FACTS = FACTS.replace("features: {temp: numeric, origin: categorical}\n", "features:\n      origin: categorical\n")


def test_a_table_is_a_directory_to_all_that_reads(tmp_path: Path) -> None:
    """Of its own for each declaration, but for how often it is read."""
    model = load(tmp_path, LABELS).model()
    (table,) = model.tables
    labels = model.events.labels
    assert labels is not None
    assert (str(table.folder), None) == (labels.path, labels.table)
    assert tmp_path / ".leeway" / "tables" == table.folder.parent
    assert ("id", "label", "time") == table.columns
    again = load(tmp_path, LABELS.replace("overlap: 1000", "overlap: 1000, poll: 1m")).model()
    other = load(tmp_path, LABELS.replace("overlap: 1000", "overlap: 2000")).model()
    assert again.events == model.events
    assert other.events != model.events


def test_facts_in_a_table(tmp_path: Path) -> None:
    """The columns that any feature needs, and the keys of facts."""
    model = load(tmp_path, FACTS).model()
    (table,) = model.tables
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
    (table,) = load(tmp_path, LABELS.replace("env:LABELS", "file:secret/url")).model().tables
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
    assert models["late"].tables == models["later"].tables
    assert {"delay", "wait"} <= set(models["late"].tables[0].columns)
