"""Jobs over topics: which models have them, their names, and the files sent along."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from features.errors import ProjectError
from leeway.project.load import Project
from leeway.streaming import job_settings
from monitors.flink.config import Engine

FILE = """
project: p
kafka: {{bootstrap: "127.0.0.1:9092"}}
models:
  m-x:
    task: binary
    events: {{predictions: {{{predictions}}}, labels: {{{labels}}}}}
    features: {{x: numeric}}
"""


def project(folder: Path, predictions: str, labels: str, more: str = "") -> Project:
    """Return a project whose events are in the places given."""
    (folder / "leeway.yaml").write_text(FILE.format(predictions=predictions, labels=labels) + more)
    return Project.load(folder)


def test_a_model_is_in_topics_or_in_directories_but_not_in_both(tmp_path: Path) -> None:
    """One of each would have two clocks: the error names the model."""
    assert job_settings.follows_topics(project(tmp_path, "topic: a", "topic: b").model())
    assert not job_settings.follows_topics(project(tmp_path, "path: a", "path: b").model())
    with pytest.raises(ProjectError, match="m-x has one of predictions and labels in a topic"):
        job_settings.follows_topics(project(tmp_path, "topic: a", "path: b").model())


def test_output_topics_are_named_after_the_model(tmp_path: Path) -> None:
    """The names that docs and `leeway tail` know."""
    model = project(tmp_path, "topic: a", "topic: b").model()

    assert ["leeway.m-x.reports", "leeway.m-x.dead-letters", "leeway.m-x.progress"] == [
        job_settings.output_topic(model, kind) for kind in ("reports", "rejects", "progress")
    ]


def test_rooms_are_packed_under_a_name_that_tells_what_is_in_them(tmp_path: Path) -> None:
    """The same code is the same archive; both rooms are in it, importable from its root."""
    packed = job_settings.pack_rooms(tmp_path)

    assert packed == job_settings.pack_rooms(tmp_path)
    assert {"features/events/decode.py", "monitors/worker/report_lines.py"} <= set(zipfile.ZipFile(packed).namelist())


def test_flink_runs_inside_unless_an_address_is_given(tmp_path: Path) -> None:
    """The default keeps the embedded engine; checkpoints are rarer on a cluster."""
    assert Engine() == project(tmp_path, "topic: a", "topic: b").engine()
    given = project(tmp_path, "topic: a", "topic: b", 'flink: {address: "localhost:8081", parallelism: 2}\n')

    assert ("localhost:8081", 2, 10.0) == (
        given.engine().address, given.engine().parallelism, given.engine().interval.total_seconds(),
    )  # fmt: skip
    assert 1.0 == Engine().interval.total_seconds()


def test_an_address_left_to_the_environment_is_asked_for_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the variable the project still loads, and the error names it."""
    monkeypatch.delenv("LEEWAY_FLINK", raising=False)
    left = project(tmp_path, "topic: a", "topic: b", "flink: {address: env:LEEWAY_FLINK}\n")
    with pytest.raises(ProjectError, match="LEEWAY_FLINK"):
        left.engine()
    monkeypatch.setenv("LEEWAY_FLINK", "10.0.0.1:8081")

    assert "10.0.0.1:8081" == left.engine().address
