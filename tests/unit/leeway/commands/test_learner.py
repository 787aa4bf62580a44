"""`leeway samples` and `leeway learner` without an engine here: what is printed, refused, forked and reset."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import DataError, IllegalMove, NotEnoughData, NotFound, ProjectError
from features.window import to_ms
from leeway import context
from monitors.baseline.baseline import Baseline
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from monitors.stats.bins import NumericBins
from monitors.worker import folds
from registry import operations
from registry.records import Version
from retrain_flows.training import learner_branch, online
from retrain_flows.training.stream_learner import StreamLearner
from tests.support import labelled_log as log
from tests.support import sample_stream
from tests.support.command_line import document, invoke, printed
from tests.unit.leeway.commands.test_features_build import PERIOD

PROJECT = """\
project: p
models:
  m:
    task: binary
    features: {x: numeric, c: categorical}
    label_delay: 6h
    windows: {size: 6h, slide: 2h}
    events: {predictions: {path: events/predictions}, labels: {path: events/labels}}
    retrain: {mode: online, online: "trainers:online", trust: [numpy.dtype]}
"""
TRAINERS = "from tests.unit.leeway.commands.test_learner import constant as online\n"


def constant() -> Any:
    """Return a model that learns the numbers."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline

    numbers = make_column_transformer((SimpleImputer(strategy="constant", fill_value=0), ["x"]))
    return make_pipeline(numbers, SGDClassifier(loss="log_loss", random_state=0))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a project, its log and its samples."""
    log.write(tmp_path / "events")
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    (tmp_path / "trainers.py").write_text(TRAINERS)
    document(tmp_path, "samples", "build", *PERIOD, code=1)
    return tmp_path


def learn(project: Path) -> None:
    """Begin a new branch, and let it learn all samples in this process."""
    document(project, "learner", "reset", "--because", "a test")
    state = project / ".leeway"
    samples, branch = SampleParts(state / "samples" / "m"), learner_branch.newest(state, "m")
    assert branch is not None
    trusted = ("numpy.dtype",)
    fold = StreamLearner(log.SCHEMA, samples.folder, branch.folder, state / "artifacts", trusted, project)
    folds.in_order(fold.open(), sample_stream.references(samples))


def test_samples_of_a_period_are_counted(project: Path) -> None:
    """Whole slices only; what cannot be read is a dead letter, and building again passes over what is there."""
    again = document(project, "samples", "build", *PERIOD, code=1)
    assert (17, False, "2024-01-02T22:00:00Z") == (again["parts"], again["ok"], again["mark"])
    assert again["counts"]["rows"] > 300 > again["rejected"] > 0
    text = printed(project, "samples", "build", *PERIOD, code=1)
    assert "corrected" in text
    assert "labels are final until" in text


def test_an_earlier_period_is_refused(project: Path) -> None:
    """The samples that are there are later, and learners rely on the order."""
    with pytest.raises(DataError, match="has later samples"):
        invoke(
            project, "samples", "build", "--from", "2024-01-01", "--to", "2024-01-03", "--engine", "process", code=None
        )
    assert (
        "ends before it starts"
        in invoke(project, "samples", "build", "--from", "2024-01-03", "--to", "2024-01-01", code=2).output
    )


def test_a_learner_is_shown_with_its_snapshots(project: Path) -> None:
    """Also in the status of all models; before it has begun the command says how."""
    assert "leeway learner run begins one" in printed(project, "learner", "status")
    learn(project)
    about = document(project, "learner", "status")
    assert (1, 17, None) == (about["branch"], len(about["snapshots"]), about["ended"])
    assert about["snapshot"] == about["snapshots"][-1]["digest"]
    assert about["snapshots"][-1]["digest"][:12] in printed(project, "learner", "status")
    assert "m: learner, branch 1: " in printed(project, "status")
    assert 1 == document(project, "status")["models"][0]["learner"]["branch"]


def champion(project: Path, mode: str, **bins: NumericBins) -> None:
    """Make `v1`, which the log's predictions are of, the champion."""
    with context.open(project / "leeway.yaml") as opened:
        reg, version = opened.registry, Version(model="m", version="v1", mode=mode, created_at=log.START)
        operations.add_model(reg, model="m", task="binary", now=log.START)
        operations.add_version(reg, version)
        baseline = Baseline(events=log.SCHEMA, version="v1", start=log.START, end=log.START + log.HOUR, rows=9,
                            bins={"x": NumericBins(edges=(0.0, 1.0)), **bins}, inputs=())  # fmt: skip
        operations.store_baseline(reg, baseline, now=log.START)
        operations.promote(reg, model="m", version="v1", expected_generation=0, actor="ann",
                           effective_at=log.START, reason="first", now=log.START)  # fmt: skip


def test_what_serves_is_shown_beside_the_learner(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both losses are of the same newest samples; the learner's snapshot waits for the gate of the next retrain."""
    monkeypatch.setattr(online, "WARM_UP_ROWS", 100)
    champion(project, "static")
    text = PROJECT.replace("mode: online,", 'mode: both, trainer: "trainers:online", schedule: {interval: 28d},')
    (project / "leeway.yaml").write_text(text)
    learn(project)
    status = document(project, "status")["models"][0]
    static, learner = status["sides"]
    assert (("static", "v1", True, ""), ("online", None, False)) == (
        (static["mode"], static["version"], static["serves"], static["waits_for"]),
        (learner["mode"], learner["version"], learner["serves"]),
    )  # fmt: skip
    assert (learner["snapshot"], learner["learned_until"]) == (status["learner"]["snapshot"], "2024-01-02T16:00:00Z")
    assert static["loss"]["rows"] == learner["loss"]["rows"] > 100
    assert all(side["loss"]["low"] < side["loss"]["mean"] < side["loss"]["high"] for side in (static, learner))
    assert "the scheduled retrain: on 2024-01-29 00:00 UTC" == learner["waits_for"]
    assert "m: static: v1 serves; loss " in printed(project, "status")
    assert f"online: snapshot {learner['snapshot'][:12]}; " in printed(project, "status")


def test_a_fork_goes_on_from_a_snapshot(project: Path) -> None:
    """By default the newest; named by the beginning of its digest, with samples from a time on."""
    with pytest.raises(NotFound, match="has no learner yet"):
        invoke(project, "learner", "fork", "--because", "x", code=None)
    learn(project)
    snapshots = document(project, "learner", "status")["snapshots"]
    plan = document(project, "learner", "fork", "--because", "tidy")["plan"]
    assert (snapshots[-1]["digest"], snapshots[-1]["learned"], 1, "tidy", 1.0) == (
        plan["begin"], plan["learned"], plan["parent"], plan["because"], plan["sd"],
    )  # fmt: skip
    learn(project)
    named = document(project, "learner", "fork", "--because", "x", "--at", snapshots[4]["digest"][:8],
                     "--from", "2024-01-02")  # fmt: skip
    assert (4, snapshots[4]["digest"]) == (named["branch"], named["plan"]["begin"])
    assert to_ms(log.START + timedelta(days=1)) == named["plan"]["since"]
    with pytest.raises(NotFound, match="has no such snapshot"):
        invoke(project, "learner", "fork", "--because", "x", "--at", "zz", code=None)


def test_what_a_learner_needs_is_named(project: Path) -> None:
    """Another trainer than that of its branch, and none at all."""
    learn(project)
    (project / "leeway.yaml").write_text(PROJECT.replace("trainers:online", "trainers:other"))
    with pytest.raises(ProjectError, match=r"learns by trainers:online, and retrain\.online is trainers:other"):
        invoke(project, "learner", "run", code=None)
    (project / "leeway.yaml").write_text(PROJECT.replace('mode: online, online: "trainers:online"', 'trainer: "t:t"'))
    with pytest.raises(ProjectError, match="has no online trainer"):
        invoke(project, "learner", "reset", "--because", "x", code=None)


def test_classes_are_taken_from_samples(project: Path) -> None:
    """Without any a multiclass learner is not begun."""
    text = PROJECT.replace("task: binary", "task: multiclass").replace("path: events/predictions", "path: events")
    (project / "leeway.yaml").write_text(text.replace("project: p", "project: p\nstate: other"))
    with pytest.raises(NotEnoughData, match="takes the classes of labels"):
        invoke(project, "learner", "reset", "--because", "x", code=None)


def test_the_unit_of_a_regressions_losses_is_in_the_plan(project: Path) -> None:
    """It is the standard deviation of labels: of the champion's baseline, else of the samples."""
    assert 1.0 == document(project, "learner", "reset", "--because", "x")["plan"]["sd"]
    text = PROJECT.replace("task: binary", "task: regression").replace("project: p", "project: p\nstate: other")
    (project / "leeway.yaml").write_text(text)
    assert 1.0 == document(project, "learner", "reset", "--because", "no samples yet")["plan"]["sd"]
    document(project, "samples", "build", *PERIOD, code=1)
    labels = pd.concat([parts.samples(path).to_pandas() for path in SampleParts(project / "other/samples/m").listed()])
    of_samples = pytest.approx(labels["label"].std(ddof=0))
    assert of_samples == document(project, "learner", "reset", "--because", "x")["plan"]["sd"] < 1
    champion(project, "static", label=NumericBins(edges=(0.0, 1.0), sd=7.0))
    assert 7.0 == document(project, "learner", "reset", "--because", "x")["plan"]["sd"]


def test_stop_leaves_a_sign_for_the_process_that_runs(project: Path) -> None:
    """In the folder of the branch."""
    learn(project)
    assert document(project, "learner", "stop")["ok"]
    branch = learner_branch.newest(project / ".leeway", "m")
    assert branch is not None
    assert branch.stop_file.exists()
    assert "stops" in printed(project, "learner", "stop")


def test_a_branch_that_was_rolled_back_does_not_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to go on; the fork is before what was rolled back, and passes over its samples."""
    learn(project)
    branch = learner_branch.newest(project / ".leeway", "m")
    assert branch is not None
    back = branch.snapshots()[10]
    monkeypatch.setattr(learner_branch, "rolled_back", lambda *_: back)
    with pytest.raises(IllegalMove, match="was promoted and rolled back, so the branch ends"):
        invoke(project, "learner", "run", code=None)
    plan = document(project, "learner", "fork", "--because", "it was worse")["plan"]
    assert (branch.snapshots()[9].digest, back.end) == (plan["begin"], plan["since"])
