"""Batch training: the user's trainer is loaded, run and named in errors; out-of-sample predictions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from features.errors import NotEnoughData, TrainerError
from features.schema import Task
from features.window import UTC, from_ms
from retrain_flows.data.dataset import Dataset
from retrain_flows.training import static

DAY = 86_400_000


def rows(n: int, *, task: Task = Task.BINARY, target: Any = None) -> Dataset:
    """Return *n* rows, an hour apart, whose feature is their number."""
    labels = np.arange(n) % 2.0 if target is None else target
    return Dataset(task, from_ms(10**12).astimezone(UTC), pd.DataFrame({"x": np.arange(float(n))}), labels,
                   np.full(n, 0.5), np.full(n, "v1", object), np.arange(n) * DAY // 24,
                   np.array([f"r{i}" for i in range(n)], object))  # fmt: skip


class Remembers:
    """A model that answers 1 for each row it was fitted on and 0 for any other."""

    def fit(self, frame: pd.DataFrame, target: npt.NDArray[np.int64]) -> None:
        """Remember."""
        self.seen, self.target = set(frame["x"]), target

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Recognise."""
        return frame["x"].isin(self.seen).to_numpy().astype(np.float64)


REMEMBERS = static.Trainer("mine:make", Remembers)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Return a project folder; what was imported from it is forgotten afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_trainer_is_imported_from_the_project_folder(project: Path) -> None:
    """Its own modules beside it can be imported too."""
    (project / "beside_train.py").write_text("ANSWER = 42\n")
    (project / "my_train.py").write_text("import beside_train\ndef make():\n    return beside_train.ANSWER\n")
    assert 42 == static.load_trainer("my_train:make", project).new()


def test_an_installed_class_is_a_trainer(project: Path) -> None:
    """For a plain estimator no code need be written."""
    trainer = static.load_trainer("sklearn.linear_model:LogisticRegression", project)
    assert "LogisticRegression" == type(trainer.new()).__name__


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("def other(): ...", "my_train:make", "has no function make"),
        ("import no_such_thing", "my_train:make", "raised ModuleNotFoundError"),
        ("", "not_there:make", "trainer not_there:make raised ModuleNotFoundError"),
        ("", "json:make", "has no function make"),
    ],
)
def test_a_trainer_that_cannot_be_imported_is_named(project: Path, text: str, path: str, said: str) -> None:
    """The error says which trainer, and what Python said."""
    (project / "my_train.py").write_text(text)
    with pytest.raises(TrainerError, match=said):
        static.load_trainer(path, project)


def test_a_module_that_is_shadowed_is_found_out(project: Path) -> None:
    """A user's `json.py` would never be imported, and the wrong one would be used in silence."""
    (project / "json.py").write_text("def dumps(): ...")
    with pytest.raises(TrainerError, match=r"rename json\.py"):
        static.load_trainer("json:dumps", project)


def test_what_a_trainer_raises_is_kept_as_the_cause() -> None:
    """The user sees the trainer's name, the original words, and the original traceback."""

    def make() -> None:
        raise ZeroDivisionError("tau")

    with pytest.raises(TrainerError, match="trainer mine:make raised ZeroDivisionError: tau") as caught:
        static.Trainer("mine:make", make).new()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_line_that_raised_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the project's own module, though a package raised; the rest of the traceback is for LEEWAY_DEBUG."""
    monkeypatch.chdir(project)
    text = "import numpy\n\ndef make():\n    return numpy.random.default_rng().choice(5, 9, replace=False)\n"
    (project / "compiled.py").write_text(text)  # its frames have relative names
    with pytest.raises(TrainerError, match=r"\(compiled\.py, line 4, in make: "):
        static.load_trainer("compiled:make", project).new()
    (project / "broken.py").write_text("import json\n\ndef make():\n    return json.loads('{')\n")
    with pytest.raises(TrainerError, match=r"\(broken\.py, line 4, in make: return json\.loads\('\{'\)\)") as caught:
        static.load_trainer("broken:make", project).new()
    assert "LEEWAY_DEBUG=1" in caught.value.hint


def test_fitting_needs_rows_and_a_fit() -> None:
    """Both are said before anything odd happens inside a library."""
    with pytest.raises(NotEnoughData, match="no labelled rows"):
        static.fit_static(REMEMBERS, rows(0))
    with pytest.raises(TrainerError, match="returned a object, which has no fit"):
        static.fit_static(static.Trainer("mine:make", object), rows(3))


def test_binary_labels_are_integers_when_fitted() -> None:
    """So a classifier's classes are 0 and 1, which is where the probability of 1 is looked up."""
    assert np.int64 == static.fit_static(REMEMBERS, rows(4)).target.dtype


@pytest.mark.parametrize("n", [10, 23, 200])
def test_no_row_is_predicted_by_a_model_that_has_seen_it(n: int) -> None:
    """A model that remembers its rows recognises none of them."""
    answers, _ = static.out_of_sample(REMEMBERS, rows(n, task=Task.REGRESSION))
    assert [0.0] * n == answers.tolist()


def test_stretches_of_time_are_held_out_whole() -> None:
    """A row's neighbours in time are not there either, except across the edge of a stretch."""
    fitted: list[set[float]] = []

    class Spy(Remembers):
        def fit(self, frame: pd.DataFrame, target: npt.NDArray[np.int64]) -> None:
            super().fit(frame, target)
            fitted.append(self.seen)

    static.out_of_sample(static.Trainer("mine:make", Spy), rows(20, task=Task.REGRESSION), folds=4)
    held_out = [sorted(set(range(20)) - seen) for seen in fitted]
    assert [list(range(i, i + 5)) for i in (0, 5, 10, 15)] == held_out


def test_what_matters_is_measured_on_every_stretch() -> None:
    """On rows that the model asked had not seen: one that only remembers rows has nothing to lose there."""
    _, rises = static.out_of_sample(REMEMBERS, rows(50, task=Task.REGRESSION))
    assert [(10, {"x": 0.0})] * 5 == [(r.rows, dict(r.by_feature)) for r in rises]


def test_too_few_rows_for_stretches_are_refused() -> None:
    """Two rows a fold are the least."""
    with pytest.raises(NotEnoughData, match="9 rows are too few for out-of-sample predictions in 5 folds"):
        static.out_of_sample(REMEMBERS, rows(9))
