"""Training sets as files: the manifest says what is in them, and the same set gives the same files."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features import errors
from features.schema import FeatureKind
from monitors.in_process import training_set_runner
from monitors.training_set import built, period, written
from monitors.training_set.built import BuiltSet
from monitors.training_set.digest import RowDigest
from monitors.training_set.parts import Survey, survey
from tests.support import labelled_log as log


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> BuiltSet:
    """Return a built set."""
    root, wanted = tmp_path_factory.mktemp("set"), log.training_period()
    parts = survey(wanted, log.write(root / "log"), Survey()).needed(wanted)
    return built.build(wanted, parts, root / "set", training_set_runner.run)


def test_the_files_hold_what_the_manifest_says(
    found: BuiltSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, columns, sha256 of each file, and the digest of the rows in them."""
    monkeypatch.setattr(written, "GROUP_ROWS", 50)
    monkeypatch.setattr(written, "FILE_ROWS", 150)
    manifest = written.write(found, tmp_path / "out")
    files = [tmp_path / "out" / file["name"] for file in manifest.files]
    assert [file["sha256"] for file in manifest.files] == [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]
    assert [150] * (len(files) - 1) == [file["rows"] for file in manifest.files][:-1]
    rows = pd.concat(pq.read_table(file).to_pandas() for file in files)
    assert (list(manifest.columns), manifest.counts["rows"]) == (list(rows.columns), len(rows))
    digest = RowDigest()
    times = rows["time"].astype(np.int64).to_numpy()
    digest.add(rows[["x", "c"]], rows["id"].to_numpy(object), times, rows["label"].to_numpy())
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["digest"] == digest.hex()
    assert (rows["matured_at"] - rows["time"] == pd.Timedelta(hours=6)).all()
    assert ((rows["label_time"] >= rows["time"]) & (rows["label_time"] <= rows["matured_at"])).all()
    assert not np.isinf(rows["x"]).any()


def test_the_same_set_gives_the_same_files(found: BuiltSet, tmp_path: Path) -> None:
    """To the byte."""
    manifests = [written.write(found, tmp_path / name).text() for name in "ab"]
    assert manifests[0] == manifests[1] == (tmp_path / "a" / "manifest.json").read_text()


def test_a_folder_with_files_is_left_alone(found: BuiltSet, tmp_path: Path) -> None:
    """An empty one is taken."""
    (tmp_path / "empty").mkdir()
    written.write(found, tmp_path / "empty")
    with pytest.raises(errors.DataError, match="exists already and is not empty"):
        written.write(found, tmp_path / "empty")


def test_a_feature_may_not_have_the_name_of_another_column(found: BuiltSet, tmp_path: Path) -> None:
    """The error names it; a retrain can use such a feature."""
    features = {**log.SCHEMA.features, "matured_at": FeatureKind.NUMERIC}
    schema = log.SCHEMA.model_copy(update={"features": features, "label_delay": timedelta(hours=6)})
    wanted = built.load(period.as_of(schema, log.START, log.START, log.START), found.folder)
    with pytest.raises(errors.ProjectError, match="matured_at"):
        written.write(wanted, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_set_without_rows_is_one_file_with_all_columns(tmp_path: Path) -> None:
    """So that a reader finds what it expects."""
    empty = built.build(log.training_period(), [], tmp_path / "set", training_set_runner.run)
    manifest = written.write(empty, tmp_path / "out")
    (file,) = manifest.files
    assert (0, list(manifest.columns)) == (file["rows"], pq.read_schema(tmp_path / "out" / file["name"]).names)
