"""Model files are deterministic: the same bytes in any process and after loading."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from river import compose, linear_model, optim, preprocessing, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.files import artifacts, model_files

X, Y = make_classification(120, 4, random_state=0)
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(site=np.where(X[:, 0] > 0, "JFK", "LGA"))
ROOT = Path(__file__).parents[4]
ROWS = [{f"f{i}": float(v) for i, v in enumerate(row)} for row in X]


def encoded() -> Any:
    """Return a pipeline whose first step is another one for each column."""
    columns = make_column_transformer((OneHotEncoder(), ["site"]), (StandardScaler(), list("abcd")))
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, Y)


def grown(model: Any) -> Any:
    """Return a River model that has learned from all rows."""
    for row, label in zip(ROWS, Y, strict=True):
        model.learn_one(row, int(label))
    return model


class Marked(LogisticRegression):  # type: ignore[misc]
    """A model that knows sets of texts, whose order differs from process to process."""

    def fit(self, x: Any, y: Any) -> Marked:
        """Learn, and remember some sets."""
        super().fit(x, y)
        self.seen_ = {"carrier", "origin", "dest", "hour", "day"}
        self.nested_ = {"a": {frozenset({"u", "v", "w"}), frozenset({"x", "y"})}}
        return self


MODELS: dict[str, Callable[[], Any]] = {
    "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "sgd": lambda: SGDClassifier(loss="log_loss", random_state=0).fit(X, Y),
    "forest": lambda: RandomForestClassifier(3, random_state=0).fit(X, Y),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, Y),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, Y),
    "columns": encoded,
    "calibrated": lambda: CalibratedClassifierCV(LogisticRegression(), cv=3).fit(X, Y),
    "sets": lambda: Marked().fit(X, Y),
    "river tree": lambda: grown(tree.HoeffdingTreeClassifier(grace_period=20)),
    "river linear": lambda: grown(preprocessing.StandardScaler() | linear_model.LogisticRegression(optim.Adam())),
    "river columns": lambda: grown(
        compose.Select("f0", "f1") | preprocessing.OneHotEncoder() | linear_model.LogisticRegression()
    ),
}


def digest(model: object) -> str:
    """Return what identifies a model."""
    return hashlib.sha256(artifacts.dump_model(model)).hexdigest()


def loaded(data: bytes) -> Any:
    """Return the model in a file, whatever types it holds."""
    return artifacts.load_model(data, skops.io.get_untrusted_types(data=data))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_same_bytes_again_and_after_loading(name: str) -> None:
    """Neither the hour, nor where things are in memory, nor what lies between the fields of an array is in its file."""
    model = MODELS[name]()
    data = artifacts.dump_model(model)
    rubbish = [np.random.default_rng(i).bytes(1 << 16) for i in range(20)]  # what new arrays are made of

    assert data == artifacts.dump_model(model)
    del rubbish
    assert data == artifacts.dump_model(loaded(data))
    assert data == model_files.normalised(data)


@pytest.mark.slow
def test_a_model_is_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    """Texts have other hashes there, and so sets another order; loaded there or trained there it is the same model."""
    # River's tree draws its seeds anew, and its Select goes through a set of names: trained there, they are others.
    trained = [name for name in MODELS if name not in ("river tree", "river columns")]
    models = {name: MODELS[name]() for name in MODELS}
    for name, model in models.items():
        (tmp_path / name).write_bytes(artifacts.dump_model(model))
    here = [digest(models[name]) for name in (*trained, *models)]
    code = (
        f"from pathlib import Path; from {__name__} import MODELS, digest, loaded; "
        f"print([digest(MODELS[name]()) for name in {trained}] + "
        f"[digest(loaded((Path({str(tmp_path)!r}) / name).read_bytes())) for name in {list(models)}])"
    )
    environ = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert str(here) == done.stdout.strip()


def test_another_model_is_other_bytes() -> None:
    """One weight, one parameter or one thing learned more, and it is another one."""
    model = LogisticRegression().fit(X, Y)
    first = digest(model)
    assert first != digest(LogisticRegression(C=2.0).fit(X, Y))
    model.coef_[0, 0] = np.nextafter(model.coef_[0, 0], 9)

    assert first != digest(model)


def test_what_is_one_object_stays_one_object() -> None:
    """Two arrays that happen to be equal are two, one array at two places is one; before and after."""
    one, other = np.zeros(3), np.zeros(3)
    shared = loaded(artifacts.dump_model({"a": one, "b": one, "c": other}))

    assert shared["a"] is shared["b"]
    assert shared["a"] is not shared["c"]


@given(
    items=arrays.arrays(np.dtype([("a", "u1"), ("b", "f8"), ("c", [("d", "i2"), ("e", "u1")], (2,))], align=True), 3)
)
def test_what_lies_between_fields_is_nothing(items: np.ndarray) -> None:
    """Whatever was in memory there, a model's file does not tell; the fields are the same, bit for bit."""
    other = items.copy()
    raw = other.view(np.uint8).reshape(3, -1)
    raw[:, ~model_files._meant(items.dtype)] = 255

    assert model_files._unpadded(saved(items)) == model_files._unpadded(saved(other))
    again = np.load(io.BytesIO(model_files._unpadded(saved(other))))
    assert all(again[name].tobytes() == items[name].tobytes() for name in ("a", "b"))


def saved(items: np.ndarray) -> bytes:
    """Return an array's file, with whatever lies between its fields."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(items))
    return buffer.getvalue() + items.tobytes()


def test_nothing_of_the_hour_or_the_machine_is_in_the_file() -> None:
    """Every entry has the same time and rights, none is compressed, and they are sorted."""
    with zipfile.ZipFile(io.BytesIO(artifacts.dump_model(MODELS["linear"]()))) as file:
        entries = file.infolist()

    assert {((1980, 1, 1, 0, 0, 0), 3, 0o600 << 16, zipfile.ZIP_STORED)} == {
        (e.date_time, e.create_system, e.external_attr, e.compress_type) for e in entries
    }
    assert sorted(e.filename for e in entries) == [e.filename for e in entries]


@given(texts=st.sets(st.text(), min_size=2))
def test_sets_of_anything_are_sorted(texts: set[str]) -> None:
    """However they were filled."""
    assert artifacts.dump_model(texts) == artifacts.dump_model({*sorted(texts, reverse=True)})
