"""`leeway compat`: rows of a period compared with the reference, by version."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from features.errors import LeewayError
from features.events import decode
from features.schema import FeatureKind
from features.window import UTC
from leeway import context
from monitors.baseline.baseline import Baseline
from monitors.compat.compare import System, compare, methods, title
from monitors.stats.bins import NumericBins
from registry import operations
from registry.records import Version
from retrain_flows.data import baseline_rows
from tests.support.command_line import document, invoke

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PROJECT = """\
project: flights
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {temp: numeric, carrier: categorical, gone: numeric}
"""
BASELINE = "    baseline: {start: 2013-01-01, end: 2013-01-21}\n"
WEEK = ["--start", "2013-01-21", "--end", "2013-01-28"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project of 28 days, 40 rows a day by v1 and one by v2: `temp` moves on day 20, `gone` is never there."""
    rng = np.random.default_rng(11)
    (tmp_path / "leeway.yaml").write_text(PROJECT + BASELINE)
    (tmp_path / "events").mkdir()
    for day in range(28):
        at = START + day * DAY
        lines = [
            {"id": f"{day}-{i}", "time": (at + i * DAY / 41).isoformat(), "model_version": "v1" if i < 40 else "v2",
             "prediction": float(rng.random()), "temp": float(rng.normal(day >= 20)) if i % 7 else None,
             "carrier": str(rng.choice(["AA", "UA"]))}
            for i in range(41)
        ]  # fmt: skip
        (tmp_path / "events" / f"{day:02}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def run(folder: Path, system: str, *words: str) -> Result:
    """Run `leeway compat` in *folder*; any exit code."""
    return invoke(folder, "compat", "--as", system, *words, code=None)


def told(folder: Path, system: str, *words: str) -> Any:
    """Return what it prints as JSON for the last week."""
    return document(folder, "compat", "--as", system, *WEEK, *words)


def column(folder: Path, name: str, first: int, last: int) -> pa.Array:
    """Return a column of the events of days *first* up to *last*."""
    with context.open(folder) as opened:
        table = decode.read_events(opened.model().schema, "predictions", folder / "events").table
    return table.filter(pa.array([first <= int(i.split("-")[0]) < last for i in table["id"].to_pylist()]))[name]


def champion(folder: Path) -> None:
    """Make `v1` the champion, its baseline being the first ten days."""
    with context.open(folder) as opened:
        baseline = Baseline(
            events=opened.model().schema, version="v1", start=START, end=START + 10 * DAY, rows=400,
            bins={"temp": NumericBins(edges=(0.0, 1.0))}, inputs=(),
        )  # fmt: skip
        operations.add_model(opened.registry, model="late", task="binary", now=START)
        operations.add_version(opened.registry, Version(model="late", version="v1", mode="external", created_at=START))
        operations.store_baseline(opened.registry, baseline, now=START)
        operations.promote(
            opened.registry, model="late", version="v1", expected_generation=0, effective_at=START,
            actor="ann", reason="first", now=START,
        )  # fmt: skip


@pytest.mark.parametrize("system", System)
def test_each_column_has_the_systems_number_and_verdict(folder: Path, system: System) -> None:
    """The rows of the week against those of the baseline period, missing ones among them, column by column."""
    found = told(folder, system.value)

    assert ("late", title(system)) == (found["model"], found["as"])
    assert [("reference", 820), ("current", 287)] == [(side, found[side]["rows"]) for side in ("reference", "current")]
    assert ["temp", "carrier", "gone", "prediction"] == list(found["columns"])
    for name, kind in (
        ("temp", FeatureKind.NUMERIC),
        ("carrier", FeatureKind.CATEGORICAL),
        ("prediction", FeatureKind.NUMERIC),
    ):
        expected = compare(system, kind, column(folder, name, 0, 20), column(folder, name, 20, 27))
        told_of = found["columns"][name]
        assert (expected.method, expected.value, expected.drifted) == (
            told_of["method"], told_of["value"], told_of["drifted"],
        )  # fmt: skip
    assert "values" in found["columns"]["gone"]["why"] or "empty" in found["columns"]["gone"]["why"]


def test_the_table_tells_people(folder: Path) -> None:
    """Column, method, value, threshold and verdict; then whose rows they are, and how many columns drift."""
    shown = run(folder, "evidently", *WEEK).stdout

    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "Evidently 0.7.23 on late" == lines["Evidently"].strip()
    assert ["temp", "ks"] == lines["temp"].split()[:2]
    assert ["0.05", "drift"] == lines["temp"].split()[3:]
    assert ["carrier", "z"] == lines["carrier"].split()[:2]
    assert "Compared 287 predictions of 2013-01-21 00:00 to 2013-01-28 00:00 with 820 predictions of 2013-01-" in shown
    assert "No metric for gone: a side without values: 0 in the reference, 0 current." in shown
    assert "1 of 3 columns drift by its thresholds" in shown


def test_methods_and_thresholds_may_be_named(folder: Path) -> None:
    """A method goes to the columns it is for, the others keep the system's choice; TFDV judges by a given threshold."""
    chosen = told(folder, "nannyml", "--method", "chi2")["columns"]
    judged = told(folder, "tfdv", "--threshold", "0.04")["columns"]

    assert ("jensen_shannon", "chi2") == (chosen["temp"]["method"], chosen["carrier"]["method"])
    assert (0.04, True, False) == (*(judged["temp"][k] for k in ("threshold", "drifted")), judged["carrier"]["drifted"])
    assert "p = " in run(folder, "nannyml", *WEEK, "--method", "chi2").stdout
    assert "has no default threshold" in run(folder, "tfdv", *WEEK).stdout


def test_an_unknown_method_is_a_usage_error(folder: Path) -> None:
    """The message lists what the system has."""
    done = run(folder, "tfdv", *WEEK, "--method", "psi")

    assert 2 == done.exit_code
    assert "infinity_norm" in done.output


def test_the_champions_baseline_is_the_reference(folder: Path) -> None:
    """Its period's events by its version alone; and, where training has kept its rows, those."""
    champion(folder)
    assert 400 == told(folder, "evidently")["reference"]["rows"]

    with context.open(folder) as opened:
        kept = baseline_rows.place(opened.dir, "late", "v1")
        frame = {"temp": [1.0, 2.0] * 8, "carrier": ["AA", "UA"] * 8, "gone": [None] * 16}
        table = pa.table({**frame, "id": list(map(str, range(16))), "time": [1704067200000] * 16,
                          "model_version": ["v1"] * 16, "prediction": [0.5] * 16})  # fmt: skip
        kept.predictions.mkdir(parents=True)
        pq.write_table(table, kept.predictions / "part-0.parquet")
    side = told(folder, "evidently")["reference"]
    assert (16, "rows that v1 was trained with") == (side["rows"], side["what"])


def test_an_empty_period_is_refused(folder: Path) -> None:
    """The message names the period, the hint says when there are events."""
    with pytest.raises(LeewayError) as caught:
        run(folder, "evidently", "--start", "2014-01-01", "--end", "2014-01-08")

    assert "there is no prediction of late from 2014-01-01 00:00 to 2014-01-08 00:00 UTC" == caught.value.message
    assert "events run from 2013-01-01 00:00 to 2013-01-28 23:24 UTC" == caught.value.hint


def test_without_events_or_reference_it_says_what_is_missing(folder: Path) -> None:
    """An empty directory, and a project without champion or baseline period."""
    (folder / "leeway.yaml").write_text(PROJECT)
    with pytest.raises(LeewayError) as unknown:
        run(folder, "evidently", *WEEK)
    shutil.rmtree(folder / "events")
    (folder / "events").mkdir()
    with pytest.raises(LeewayError) as empty:
        run(folder, "evidently", *WEEK)

    assert "late has neither a champion nor a baseline period to compare with" == unknown.value.message
    assert "there are no prediction events yet" == empty.value.hint


def test_only_its_own_methods_are_asked_of_a_system() -> None:
    """A method for the other kind of column is refused with those that there are."""
    some = pa.array(["a", "b"])

    with pytest.raises(LeewayError, match="has no method 'wasserstein' for categorical columns") as caught:
        compare(System.NANNYML, FeatureKind.CATEGORICAL, some, some, method="wasserstein")
    assert ", ".join(methods(System.NANNYML, FeatureKind.CATEGORICAL)) in caught.value.hint


def test_missing_and_not_a_number_are_different_things_to_tfdv_alone() -> None:
    """A missing value counts nowhere; nan is a value to TFDV, and to the others one more that is missing."""
    values = [1.0, 1.0, 2.0]
    plain, holes, nan = pa.array(values), pa.array([*values, None]), pa.array([*values, float("nan")])

    def value(system: System, current: pa.Array) -> float:
        return compare(system, FeatureKind.NUMERIC, pa.array(values * 4), current).value

    assert [value(system, plain) for system in System] == [value(system, holes) for system in System]
    same = [value(system, plain) == value(system, nan) for system in System]
    assert [True, True, False] == same
