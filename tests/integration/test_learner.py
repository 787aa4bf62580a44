"""`leeway samples` and `leeway learner` on real Flink: stream equals batch, also when the stream was killed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from monitors.samples.parts import SampleParts
from retrain_flows.training.learner_branch import Branch
from tests.support import labelled_log as log
from tests.support.command_line import document, leeway
from tests.support.running_command import Running

pytestmark = pytest.mark.slow

PROJECT = """\
project: p
models:
  m:
    task: binary
    features: {x: numeric, c: categorical}
    label_delay: 6h
    windows: {size: 6h, slide: 2h, watermark_delay: 6h}
    events: {predictions: {path: events/predictions}, labels: {path: events/labels}}
    retrain: {mode: online, online: "trainers:online", trust: [numpy.dtype]}
"""
TRAINERS = """\
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def online():
    numbers = make_pipeline(SimpleImputer(strategy="constant", fill_value=0), StandardScaler())
    columns = make_column_transformer((numbers, ["x"]), (OneHotEncoder(handle_unknown="ignore"), ["c"]))
    return make_pipeline(columns, SGDClassifier(loss="log_loss"))
"""
PERIOD = ("--from", "2024-01-01", "--to", "2024-01-03", "--engine", "process")


def project(folder: Path) -> Path:
    """Write a project, and return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / "leeway.yaml").write_text(PROJECT)
    (folder / "trainers.py").write_text(TRAINERS)
    return folder


def files(folder: Path, *kinds: str) -> dict[str, bytes]:
    """Return the content of all files of some sub-folders, by path."""
    return {str(p.relative_to(folder)): p.read_bytes() for kind in kinds for p in folder.glob(f"{kind}/*.*")}


def test_samples_of_a_killed_stream_are_those_of_history(tmp_path: Path) -> None:
    """Late, repeated and corrected events, file by file: each part of the stream is the part of the batch, whole."""
    folder = project(tmp_path / "p")
    log.write(folder / "staged")
    for role in ("predictions", "labels"):
        (folder / "events" / role).mkdir(parents=True)

    def appear(first: int, last: int) -> None:
        for hour in range(first, last):
            for role in ("labels", "predictions"):
                name = f"{hour:03}.jsonl"
                (folder / "staged" / role / name).rename(folder / "events" / role / name)

    stream = SampleParts(folder / ".leeway" / "samples" / "m")
    appear(0, 24)
    first = Running(folder, "samples", "follow")
    try:
        first.wait(lambda: len(stream.receipts()) >= 3)
        appear(24, 30)
        time.sleep(0.5)
    finally:
        first.kill()
    appear(30, 49)
    second = Running(folder, "samples", "follow")
    try:
        second.wait(lambda: len(stream.receipts()) >= 17)
    finally:
        assert second.stop() == 0
    document(folder, "samples", "build", *PERIOD, "--out", str(folder / "history"), code=1)
    history = files(folder / "history", ".", "_receipts")
    made = files(stream.folder, ".", "_receipts")
    assert made == {name: history[name] for name in made}
    assert 2 * len(stream.receipts()) + 1 == len(made)


def test_a_killed_learner_ends_with_the_model_of_an_undisturbed_run(tmp_path: Path) -> None:
    """In the stream, killed with its Java while parts come, and in batch over history: one chain of snapshots."""
    whole, broken = project(tmp_path / "whole"), project(tmp_path / "broken")
    log.write(whole / "events")
    document(whole, "samples", "build", *PERIOD, code=1)
    samples = SampleParts(whole / ".leeway" / "samples" / "m")
    target = SampleParts(broken / ".leeway" / "samples" / "m")
    staged = sorted(samples.listed())
    target.folder.joinpath("_receipts").mkdir(parents=True)
    names = [f"{name}.json" for name in ("schema", *(p.name for p in staged))]
    for name in names:
        (target.folder / "_receipts" / name).write_bytes((samples.folder / "_receipts" / name).read_bytes())

    def appear(*paths: Path) -> None:
        for path in paths:
            (target.folder / f".{path.name}").write_bytes(path.read_bytes())
            (target.folder / f".{path.name}").rename(target.folder / path.name)

    branch = Branch(broken / ".leeway" / "learner" / "m" / "1")

    def reached(n: int) -> Callable[[], bool]:
        return lambda: len(branch.snapshots()) >= n

    appear(*staged[:4])
    first = Running(broken, "learner", "run")
    try:
        for n in range(4, 10):
            first.wait(reached(n))
            appear(staged[n])
    finally:
        first.kill()
    checkpoints = list((broken / ".leeway" / "checkpoints").glob("learner-*/*/chk-*/_metadata"))
    assert checkpoints, "it goes on from a checkpoint, not from the beginning"
    second = Running(broken, "learner", "run")
    try:
        appear(*staged[10:])
        second.wait(reached(len(staged)))
        leeway(broken, "learner", "stop")
        assert second.ended() == 0
    finally:
        second.kill()
    about = document(whole, "learner", "run", "--once")
    own = files(Branch(whole / ".leeway" / "learner" / "m" / "1").folder, "snapshots", "tested")
    assert own == files(branch.folder, "snapshots", "tested")
    assert len(staged) == len(about["snapshots"]) == len(branch.snapshots())
    assert about["snapshots"][-1]["digest"] == document(broken, "learner", "status")["snapshots"][-1]["digest"]
