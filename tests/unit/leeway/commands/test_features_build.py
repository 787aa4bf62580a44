"""`leeway features build`: the training set of a period as files, without an engine here."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from leeway import dead_letters
from tests.support import labelled_log as log
from tests.support.command_line import document, invoke

PERIOD = ("--from", "2024-01-01T05:00:00", "--to", "2024-01-02T16:00:00", "--engine", "process")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a project and its log."""
    log.write(tmp_path / "events")
    (tmp_path / "leeway.yaml").write_text(
        "project: p\nmodels:\n  m:\n    task: binary\n    features: {x: numeric, c: categorical}\n    label_delay: 6h\n"
        "    windows: {size: 6h, slide: 2h}\n    events: {predictions: {path: events/predictions}, labels: "
        "{path: events/labels}}\n"
    )
    return tmp_path


def test_a_set_is_written_with_its_manifest(project: Path) -> None:
    """What is printed is what is stored, the same each time; records that cannot be read are dead letters."""
    printed = [document(project, "features", "build", *PERIOD, "--out", str(project / name), code=1) for name in "ab"]
    stored = json.loads((project / "a" / "manifest.json").read_text())
    assert stored == json.loads((project / "b" / "manifest.json").read_text())
    assert (False, stored["digest"], stored["digest"]) == (printed[0]["ok"], printed[0]["digest"], printed[1]["digest"])
    rows = sum(pq.read_metadata(path).num_rows for path in (project / "a").glob("*.parquet"))
    assert stored["counts"]["rows"] == rows > 100
    assert sum(stored["rejected"].values()) == dead_letters.read(project / ".leeway", "m").count > 0


def test_only_what_has_matured_is_there(project: Path) -> None:
    """As of a moment in the period."""
    early = document(
        project, "features", "build", *PERIOD, "--as-of", "2024-01-02", "--out", str(project / "a"), code=1
    )
    assert "2024-01-01T18:00:00.001000Z" == early["end"]
    assert 0 < early["counts"]["rows"]


def test_a_period_that_ends_before_it_starts_is_refused(project: Path) -> None:
    """It is a mistake, and no empty set."""
    words = ("features", "build", "--from", "2024-01-02", "--to", "2024-01-01", "--out", str(project / "a"))
    assert "ends before it starts" in invoke(project, *words, code=2).output


def test_a_folder_that_is_not_empty_is_refused_before_anything_is_read(project: Path) -> None:
    """With the fix."""
    with pytest.raises(DataError, match="exists already and is not empty"):
        invoke(project, "features", "build", *PERIOD, "--out", str(project / "events"), code=None)


def test_a_history_is_enough_before_the_first_prediction(project: Path) -> None:
    """The directory of predictions is made by whoever answers first; without a history it must be there."""
    file = project / "leeway.yaml"
    text = file.read_text()
    file.write_text(text.replace("{path: events/predictions}", "{path: later}"))
    words = ("features", "build", *PERIOD, "--out", str(project / "a"))
    with pytest.raises(DataError, match="later is not there"):
        invoke(project, *words, code=None)

    history = "{path: later}, history: {path: events/predictions}"
    file.write_text(text.replace("{path: events/predictions}", history))
    assert document(project, *words, code=1)["counts"]["rows"] > 100
