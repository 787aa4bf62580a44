"""Serving: the registered model is served, and its logged predictions are read back unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import errors, scoring
from features.events import decode
from registry import queries
from registry.files import artifacts
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import retrain_data
from serving import model, offline

LINES = (
    '{"id": "a", "time": "2013-03-01T06:00:00Z", "x": 1.5, "c": "a"}\n'
    '{"id": "b", "time": 1362117600000, "x": 0.75, "c": "b", "prediction": 7, "more": 1}\n'
    "not json\n"
    '{"id": "c", "time": "2013-03-01T07:00:00Z", "x": 0.25, "c": "never seen"}\n'
)


@pytest.fixture
def served(ws: Workspace) -> model.Served:
    """Return the world's champion."""
    return model.load(ws.registry, ws.schema, trusted=())


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Return a file of events, one of them without a number and one that is none."""
    path = tmp_path / "asked.jsonl"
    path.write_text(LINES)
    return path


def test_the_champion_answers_as_it_was_judged(ws: Workspace, served: model.Served) -> None:
    """The served model is the registered file's."""
    frame = pd.DataFrame({"more": [0, 0], "c": ["a", "b"], "x": [1.0, -1.0]})
    trained = retrain_data.load(ws, queries.version(ws.registry, "m", "v1"))
    expected = scoring.score(trained, frame[["x", "c"]], ws.schema.task)
    assert ("v1", expected.tolist()) == (served.version, model.predict(served, frame).tolist())


def test_rows_without_a_feature_are_refused_by_name(served: model.Served) -> None:
    """Not answered with whatever the library makes of it."""
    with pytest.raises(errors.DataError, match="m needs c, which the rows do not have"):
        model.predict(served, pd.DataFrame({"x": [1.0]}))


def test_an_altered_file_is_not_served(ws: Workspace, served: model.Served) -> None:
    """The digest is checked before anything is built."""
    ws.registry.artifacts.path(served.artifact).write_bytes(b"something else")
    with pytest.raises(errors.ArtifactError, match="sha256 differs"):
        model.load(ws.registry, ws.schema, trusted=())


def test_without_a_champion_there_is_nothing_to_serve(ws: Workspace) -> None:
    """Another version may be named, but it has to be there."""
    other = ws.schema.model_copy(update={"model": "n"})
    with pytest.raises(errors.NotFound, match="n has no champion yet"):
        model.load(ws.registry, other, trusted=())
    with pytest.raises(errors.NotFound, match="no version v9"):
        model.load(ws.registry, ws.schema, trusted=(), version="v9")


@pytest.mark.parametrize("suffix", offline.FORMATS)
def test_a_file_of_events_becomes_a_file_of_predictions(
    ws: Workspace, served: model.Served, asked: Path, tmp_path: Path, suffix: str
) -> None:
    """Read back by the monitors' own codec they are the events asked, in order, with version and answer."""
    target = tmp_path / "out" / f"answers{suffix}"
    scored = offline.score(served, asked, target)
    table = decode.read_events(ws.schema, "predictions", target).table
    expected = model.predict(served, pd.DataFrame({"x": [1.5, 0.75, 0.25], "c": ["a", "b", "never seen"]}))
    assert (3, ["not JSON"]) == (scored.rows, [r.reason[:8] for r in scored.rejects])
    assert (["a", "b", "c"], ["v1"] * 3) == (table["id"].to_pylist(), table["model_version"].to_pylist())
    assert [1362117600000] * 2 + [1362121200000] == table["time"].to_pylist()
    assert expected.tolist() == table["prediction"].to_pylist()
    assert [target] == list(target.parent.iterdir())


def test_columns_keep_the_names_of_the_users_events(ws: Workspace, served: model.Served, tmp_path: Path) -> None:
    """Also where they are not called id, time and prediction."""
    names = ws.schema.columns.model_copy(update={"id": "key", "time": "at", "version": "by", "prediction": "p"})
    renamed = model.Served(ws.schema.model_copy(update={"columns": names}), "v1", served.artifact, served.model)
    (tmp_path / "in.jsonl").write_text('{"key": "a", "at": "2013-03-01", "x": 1, "c": "a"}\n')
    offline.score(renamed, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert (["key", "at", "by", "x", "c", "p"], "2013-03-01T00:00:00+00:00") == (list(row), row["at"])


def test_what_is_not_finite_is_missing_in_json(served: model.Served, tmp_path: Path) -> None:
    """JSON has no word for it, and a line that nobody can read would be lost."""

    class Unsure:
        classes_ = (0, 1)

        def predict(self, frame: pd.DataFrame) -> None: ...

        def predict_proba(self, frame: pd.DataFrame) -> object:
            return np.full((len(frame), 2), np.nan)

    (tmp_path / "in.jsonl").write_text('{"id": "a", "time": "2013-03-01", "x": 1, "c": "a"}\n')
    unsure = model.Served(served.schema, "v1", served.artifact, Unsure())
    offline.score(unsure, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["prediction"] is None


def test_another_format_is_refused_before_anything_is_read(served: model.Served, tmp_path: Path) -> None:
    """The hint names those there are."""
    with pytest.raises(errors.DataError, match=r"has an unknown format") as caught:
        offline.score(served, tmp_path / "not there", tmp_path / "out.xlsx")
    assert ".jsonl, .parquet" in caught.value.hint


def test_a_file_that_comes_while_answers_are_made_stays(tmp_path: Path) -> None:
    """Who writes last does not win: the file is made only where there is none, and nothing is left beside it."""
    target = tmp_path / "out.jsonl"
    target.write_text("mine")

    with pytest.raises(FileExistsError):
        artifacts.write_whole(target, b"other", replace=False)

    assert ("mine", ["out.jsonl"]) == (target.read_text(), [p.name for p in tmp_path.iterdir()])
