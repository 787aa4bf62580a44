"""Model files: loaded as stored, building only types that are trusted."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import skops.io
from river import linear_model, naive_bayes, optim, preprocessing, tree
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.errors import ArtifactError, TrainerError, UntrustedArtifact
from registry.files import artifacts, published_baselines
from registry.files.artifacts import ArtifactStore
from tests.support import registry_values as make

X, Y = make_classification(120, 4, random_state=0)
ROWS = [{f"f{i}": float(v) for i, v in enumerate(row)} for row in X]
FOREST = "sklearn.tree._tree.Tree"
BOOSTING = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Return an empty store."""
    return ArtifactStore(tmp_path / "artifacts")


def test_a_file_is_found_by_its_sha256(store: ArtifactStore) -> None:
    """Storing twice makes one file, and no temporary file stays."""
    digest = store.put(b"model")
    assert hashlib.sha256(b"model").hexdigest() == digest == store.put(b"model")
    assert b"model" == store.get(digest)
    assert [digest] == [p.name for p in store.root.rglob("*") if p.is_file()]


def test_a_missing_file_is_refused(store: ArtifactStore) -> None:
    """The error names the file's digest and what to do."""
    assert not store.verify("a" * 64)
    with pytest.raises(ArtifactError, match="aaaaaaaaaaaa is missing"):
        store.get("a" * 64)


@pytest.mark.parametrize("harm", [b"modeL", b"mode", b""])
def test_an_altered_file_is_refused_and_mended_by_storing_again(store: ArtifactStore, harm: bytes) -> None:
    """No byte of an altered file gets out; the right bytes put the file right."""
    digest = store.put(b"model")
    store.path(digest).write_bytes(harm)
    assert not store.verify(digest)
    with pytest.raises(ArtifactError, match="sha256 differs"):
        store.get(digest)
    store.put(b"model")
    assert b"model" == store.get(digest)


@pytest.mark.parametrize(
    ("model", "trust"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), []),
        (SGDClassifier(loss="log_loss", random_state=0), []),
        (RandomForestClassifier(3, random_state=0), [FOREST]),
        (HistGradientBoostingClassifier(max_iter=3), [BOOSTING]),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_a_scikit_learn_model_answers_the_same_after_loading(model: Any, trust: list[str]) -> None:
    """Probabilities are equal bit for bit, with exactly the trust that the error asked for."""
    data = artifacts.dump_model(model.fit(X, Y))
    if trust:
        assert trust == _asked_for(data)
    loaded = artifacts.load_model(data, trust)
    np.testing.assert_array_equal(model.predict_proba(X), loaded.predict_proba(X))


@pytest.mark.parametrize(
    "model",
    [
        tree.HoeffdingTreeClassifier(grace_period=20),
        linear_model.LogisticRegression(optim.Adam()),
        preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    ],
    ids=["tree", "linear", "pipeline"],
)
def test_a_river_model_answers_and_learns_the_same_after_loading(model: Any) -> None:
    """Nothing learned is lost, and what comes next is learned alike: skops alone would store the weights empty."""
    for row, label in zip(ROWS[:80], Y[:80], strict=True):
        model.learn_one(row, int(label))
    data = artifacts.dump_model(model)
    trust = _asked_for(data)
    assert all(name.startswith(("river.", "random.", "collections.")) for name in trust)
    loaded = artifacts.load_model(data, trust)
    for row, label in zip(ROWS, Y, strict=True):
        assert model.predict_proba_one(row) == loaded.predict_proba_one(row)
        model.learn_one(row, int(label))
        loaded.learn_one(row, int(label))


def _asked_for(data: bytes) -> list[str]:
    """Return the types that the loader names when it trusts nothing."""
    with pytest.raises(UntrustedArtifact) as refused:
        artifacts.load_model(data, [])
    assert "retrain.trust" in refused.value.hint
    return refused.value.message.split(": ")[1].split(", ")


def test_trust_in_one_type_is_not_trust_in_another() -> None:
    """Naming one of two foreign types leaves the other refused."""
    data = artifacts.dump_model(
        [RandomForestClassifier(1).fit(X, Y), HistGradientBoostingClassifier(max_iter=2).fit(X, Y)]
    )
    with pytest.raises(UntrustedArtifact) as refused:
        artifacts.load_model(data, [FOREST])
    assert (BOOSTING in refused.value.message, FOREST in refused.value.message) == (True, False)


def test_a_file_cannot_say_what_to_trust() -> None:
    """A forged file that names a function of the system's is refused, whatever else is in it."""
    data = artifacts.dump_model({"trusted": ["os.system", "posix.system"]})
    node = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "trusted": ["os.system"]}
    forged = _rewritten(data, {**node, "content": {"module_path": "os", "function": "system"}})
    with pytest.raises(UntrustedArtifact, match="system"):
        artifacts.load_model(forged, [FOREST])


@pytest.mark.parametrize("data", [b"", b"not a model", pickle.dumps({"a": 1})], ids=["empty", "text", "pickle"])
def test_what_is_no_model_file_is_refused(data: bytes) -> None:
    """A pickle above all is never opened."""
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.load_model(data, [])


def test_a_model_of_another_release_is_refused() -> None:
    """scikit-learn only warns, and then may answer wrongly; the loader refuses, also where warnings are ignored."""
    data = skops.io.dumps(LogisticRegression().fit(X, Y))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        aged = file.read("schema.json").decode().replace(sklearn.__version__, "1.0.2")
    warnings.simplefilter("ignore")  # pytest restores it
    with pytest.raises(ArtifactError, match=r"1\.0\.2"):
        artifacts.load_model(_rewritten(data, json.loads(aged)), [])


def test_a_model_that_cannot_be_stored_is_the_trainers_fault() -> None:
    """It is said when the model is made, not when it is needed: some are written that cannot be read back."""
    model: Any = naive_bayes.GaussianNB()  # type: ignore[no-untyped-call]
    model.learn_one(ROWS[0], 1)
    for unfit in (model, lambda x: x):
        with pytest.raises(TrainerError, match="cannot be stored without pickle"):
            artifacts.dump_model(unfit)


def test_loading_leaves_the_callers_warnings_alone() -> None:
    """The filter that turns a release mismatch into an error is the loader's own."""
    before = list(warnings.filters)
    artifacts.load_model(artifacts.dump_model(LogisticRegression()), [])
    assert before == list(warnings.filters)


def test_a_published_baseline_is_a_file_for_jobs(tmp_path: Path) -> None:
    """It lies where a job looks for it and holds the same baseline; publishing again replaces it whole."""
    baseline = make.baseline("v1")
    path = published_baselines.publish_baseline(baseline, tmp_path)
    assert tmp_path / "m" / "v1.json" == path == published_baselines.publish_baseline(baseline, tmp_path)
    assert baseline == type(baseline).model_validate_json(path.read_bytes())
    digest = tmp_path / "m.sha256" / "v1"
    assert {path, digest} == {p for p in tmp_path.rglob("*") if p.is_file()}
    assert baseline.digest == digest.read_text()


def _rewritten(data: bytes, schema: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        protocol = json.loads(old.read("schema.json"))
        for name in set(old.namelist()) - {"schema.json"}:
            new.writestr(name, old.read(name))
        kept = {k: protocol[k] for k in ("protocol", "_skops_version")}
        new.writestr("schema.json", json.dumps({**schema, **kept}))
    return out.getvalue()
