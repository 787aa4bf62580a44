"""The table of kinds of jobs: which models have which, and names that no other job's are taken for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from features.errors import EngineError, ProjectError
from features.window import UTC
from leeway import context
from leeway.streaming import lifecycle
from leeway.streaming.flink_rest import Job
from leeway.streaming.job_kinds import KINDS, MONITOR, NEARLINE
from tests.support.command_line import invoke

PROJECT = """
project: p
kafka: {bootstrap: "127.0.0.1:9092"}
flink: {address: "127.0.0.1:1"}
models:
  late: &model
    task: binary
    events: {predictions: {topic: a}, labels: {topic: b}}
    features: {x: numeric}
    nearline: {requests: {topic: c}}
    retrain: {mode: online, online: "trainers:online"}
  late-nearline: *model
  other: {task: binary, events: {predictions: {path: a}, version: v1}, features: {x: numeric}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the project."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    return tmp_path


def test_a_model_has_the_kinds_that_its_section_asks_for(folder: Path) -> None:
    """All of topics and an online trainer; none of a model that is only monitored in files."""
    with context.open(folder) as opened:
        wanted = {name: [k for k, kind in KINDS.items() if kind.wanted(model)]
                  for name, model in opened.project.models.items()}  # fmt: skip

    assert {"late": list(KINDS), "late-nearline": list(KINDS), "other": []} == wanted


def test_jobs_of_a_kind_are_found_and_no_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's name may look like another one's with a kind behind."""
    with context.open(folder) as opened:
        pairs = [
            (model, kind) for model in (opened.model("late"), opened.model("late-nearline")) for kind in KINDS.values()
        ]
        names = [kind.cluster_name(opened, model) for model, kind in pairs]

        def jobs(_: Any, prefix: str) -> list[Job]:
            return [Job(n, n, "RUNNING", datetime(2024, 1, 1, tzinfo=UTC)) for n in names if n.startswith(prefix)]

        monkeypatch.setattr("leeway.streaming.flink_rest.Cluster.jobs", jobs)
        found = [[job.name for job in lifecycle.all_of(opened, *pair)] for pair in pairs]

    assert len(names) == len(set(names))
    assert [[name] for name in names] == found


def test_a_job_that_would_write_everything_again_is_not_replayed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions are no reports: nobody knows them already."""
    monkeypatch.setattr("leeway.streaming.flink_rest.Cluster.jobs", lambda *_: [])
    with context.open(folder) as opened, pytest.raises(EngineError, match="would write again"):
        lifecycle.submit(opened, opened.model("late"), NEARLINE, replay=True)


def test_features_do_not_change_the_nearline_job_and_do_change_the_monitors(folder: Path) -> None:
    """What it has answered stays answered, whatever becomes of the model."""
    with context.open(folder) as opened:
        before = [kind.job_name(opened, opened.model("late")) for kind in (NEARLINE, MONITOR)]
    (folder / "leeway.yaml").write_text(PROJECT.replace("x: numeric", "x: numeric, y: numeric"))
    with context.open(folder) as opened:
        after = [kind.job_name(opened, opened.model("late")) for kind in (NEARLINE, MONITOR)]

    assert [True, False] == [a == b for a, b in zip(before, after, strict=True)]


def test_what_is_missing_for_a_kind_is_named(folder: Path) -> None:
    """An error by its kind, with the key to set; and a kind that there is none of."""
    with pytest.raises(ProjectError, match="other has no nearline job: it has no topic of requests"):
        invoke(folder, "job", "submit", "--model", "other", "--kind", "nearline")
    assert "is none of monitor, nearline" in invoke(folder, "job", "stop", "--kind", "monitors", code=2).output


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("predictions: {topic: a}", "predictions: {path: a}", "writes predictions to a topic"),
        ("requests: {topic: c}", "requests: {path: c}", "requests are in a topic"),
        ("requests: {topic: c}", "requests: {topic: c, format: arrow}", "columnar records are answered in such"),
    ],
)
def test_requests_that_could_not_be_answered_are_refused(folder: Path, old: str, new: str, why: str) -> None:
    """The problem is named where it is, before anything runs."""
    (folder / "leeway.yaml").write_text(PROJECT.replace(old, new))
    with pytest.raises(ProjectError, match=why), context.open(folder):
        pass
