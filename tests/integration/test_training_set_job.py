"""The training set job on real Flink: the set of a log, row for row, that is built in this process."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from features import errors
from monitors.flink import training_set_job
from monitors.in_process import training_set_runner
from monitors.training_set import built, written
from monitors.training_set.parts import Survey, survey
from tests.support import facts_log
from tests.support import labelled_log as log

pytestmark = pytest.mark.slow


def test_flink_and_this_process_build_the_same_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a log with late, repeated, corrected and missing labels: the same rows, files, digest, and counts."""
    sources, wanted = log.write(tmp_path / "log"), log.training_period(5, 40, barred=((8, 9),))
    parts = survey(wanted, sources, Survey()).needed(wanted)
    monkeypatch.setattr(built, "BUCKET_ROWS", 300)
    runners = {"flink": partial(training_set_job.run, logs=tmp_path / "logs"), "process": training_set_runner.run}
    sets = {name: built.build(wanted, parts, tmp_path / name, run) for name, run in runners.items()}
    tables = {name: pa.concat_tables(found.tables()).combine_chunks() for name, found in sets.items()}
    assert tables["flink"].equals(tables["process"])
    assert tables["flink"].num_rows > 300
    manifests = {name: written.write(found, tmp_path / f"{name}-set") for name, found in sets.items()}
    assert manifests["flink"] == manifests["process"]
    letters = {name: sorted(letter["reason"] for letter in found.letters()) for name, found in sets.items()}
    assert letters["flink"] == letters["process"] != []


def test_a_function_that_fails_ends_the_job_with_its_cause(tmp_path: Path) -> None:
    """A part whose reference is none says so, in an error of the engine."""
    with pytest.raises(errors.EngineError, match="the Flink job failed"):
        built.build(log.training_period(), [("labels", '{"path": "nothing"}')], tmp_path / "set",
                    partial(training_set_job.run, logs=tmp_path / "logs"))  # fmt: skip


def test_features_of_facts_are_the_same_in_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that the log does not have are those of the facts: the same rows, files and digest, in several buckets."""
    expected, wanted = facts_log.write(tmp_path), facts_log.PERIOD
    parts = survey(wanted, facts_log.sources(tmp_path), Survey()).needed(wanted)
    monkeypatch.setattr(built, "BUCKET_ROWS", 50)
    runners = {"flink": partial(training_set_job.run, logs=tmp_path / "logs"), "process": training_set_runner.run}
    sets = {name: built.build(wanted, parts, tmp_path / name, run, facts=facts_log.declared(tmp_path))
            for name, run in runners.items()}  # fmt: skip
    manifests = [written.write(found, tmp_path / f"{name}-set") for name, found in sets.items()]
    assert manifests[0] == manifests[1]
    rows = pa.concat_tables(sets["flink"].tables()).to_pylist()
    assert [expected[row["id"]] for row in rows] == [{name: row[name] for name in expected[row["id"]]} for row in rows]
    assert len(rows) > 100
