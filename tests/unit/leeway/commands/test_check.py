"""`leeway check`: errors in files, data and environment with the fix; lesser ones are warnings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.window import UTC
from leeway import cli

PROJECT = """\
project: flights
models:
  late:
    task: binary
    events:
      predictions: {path: events/predictions}
      labels: {path: events/labels}
      columns: {label_time: known}
    label_delay: 6h
    features: {temp: numeric, origin: categorical}
    segments: [origin]
"""
ROWS = 40
START = datetime(2024, 1, 1, tzinfo=UTC)


def hours(offset: int = 0) -> list[str]:
    """Return a time an hour for every row, *offset* hours later."""
    return [f"{START + timedelta(hours=i + offset):%Y-%m-%dT%H:%M:%SZ}" for i in range(ROWS)]


def predictions() -> pd.DataFrame:
    """Return good prediction events."""
    return pd.DataFrame(
        {
            "id": [f"f{i}" for i in range(ROWS)],
            "time": hours(),
            "model_version": "v1",
            "temp": [float(i * 7 % ROWS) for i in range(ROWS)],
            "origin": ["JFK", "LGA"] * (ROWS // 2),
            "prediction": [i / ROWS for i in range(ROWS)],
        }
    )


def labels() -> pd.DataFrame:
    """Return their labels, known two hours later."""
    return pd.DataFrame({"id": [f"f{i}" for i in range(ROWS)], "known": hours(2), "label": [0, 1] * (ROWS // 2)})


class Bench:
    """A project that passes, to be broken one way at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project(PROJECT)
        self.events("predictions", predictions())
        self.events("labels", labels())

    def project(self, text: str) -> None:
        """Write the project file."""
        (self.folder / "leeway.yaml").write_text(text)

    def events(self, role: str, frame: pd.DataFrame, name: str = "1.csv") -> None:
        """Write an event file."""
        folder = self.folder / "events" / role
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_csv(folder / name, index=False)

    def check(self, code: int) -> list[str]:
        """Return what was found that is not ok, as `result name: message`; *code* is the exit code it must have."""
        done = CliRunner().invoke(cli.app, ["-p", str(self.folder), "check", "--json"])
        assert code == done.exit_code, done.output
        told: dict[str, Any] = json.loads(done.stdout)
        assert (code == 0) == told["ok"]
        return [f"{c['result']} {c['name']}: {c['message']}" for c in told["checks"] if c["result"] != "ok"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a project that passes."""
    return Bench(tmp_path)


def test_a_good_project_passes(bench: Bench) -> None:
    """Good events and a good file give no complaint and exit code 0, as a table too."""
    assert [] == bench.check(0)

    done = CliRunner().invoke(cli.app, ["-p", str(bench.folder), "check"])
    assert (0, True) == (done.exit_code, "0 warnings, 0 errors" in done.stdout)


Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.mark.parametrize(
    ("change", "code", "expected"),
    [
        (lambda f: f.drop(columns="temp").assign(tmep=1.5), 1,
         "error late: predictions: no column `temp` in 1.csv; did you mean `tmep`?"),
        (lambda f: f.drop(columns=["model_version"]), 1,
         "error late: predictions: no column `model_version` in 1.csv; "
         "its columns are id, time, temp, origin, prediction"),
        (lambda f: f.assign(temp="warm"), 1,
         "error late: predictions: 40 of 40 rows are set aside, first 1.csv:2: temp is not a number; write plain "
         "numbers, like 12.3, or declare it categorical"),
        (lambda f: f.assign(temp=["warm", *f["temp"][1:]]), 0,
         "warning late: predictions: 1 of 40 rows are set aside, first 1.csv:2: temp is not a number; write plain "
         "numbers, like 12.3, or declare it categorical"),
        (lambda f: f.assign(temp=3.5), 0,
         "warning late: temp: is always 3.5: constant so far; a change will be reported. Leave it out if it cannot "
         "change"),
        (lambda f: f.assign(temp=None), 0,
         "warning late: temp: is always null: constant so far; a change will be reported. Leave it out if it cannot "
         "change"),
        (lambda f: f.assign(prediction=f["prediction"] * 100), 1,
         "error late: predictions: 39 of 40 rows are set aside, first 1.csv:3: prediction is not a probability from 0 "
         "to 1; log the probability of label 1, between 0 and 1, or set task: regression"),
        (lambda f: f.assign(prediction=[1.7, -3, *f["prediction"][2:]]), 0,
         "warning late: predictions: 2 of 40 rows are set aside, first 1.csv:2: prediction is not a probability from 0 "
         "to 1; log the probability of label 1, between 0 and 1, or set task: regression"),
        (lambda f: f.assign(prediction=0.5), 0, "warning late: predictions: every prediction is 0.5: a "
         "constant says nothing about performance; is events.columns.prediction the right column?"),
        (lambda f: f.assign(id="f1"), 0,
         "warning late: predictions: 39 rows repeat an id; each prediction needs a unique id"),
        (lambda f: f.assign(time="yesterday"), 1,
         "error late: predictions: 40 of 40 rows are set aside, first 1.csv:2: time is not a time (ISO 8601, or "
         "a number as events.times says); write ISO 8601, or set events.times.format or events.times.unit"),
        (lambda f: f[:0], 1, "error late: predictions: no usable row in 1 file"),
    ],
)  # fmt: skip
def test_bad_predictions(bench: Bench, change: Change, code: int, expected: str) -> None:
    """Each fault of the prediction events is found, with the file and what to do."""
    bench.events("predictions", change(predictions()))

    assert expected in bench.check(code)


@pytest.mark.parametrize(
    ("change", "code", "expected"),
    [
        (lambda f: f.assign(id="x" + f["id"]), 0,
         "warning late: labels: no label matches a prediction by `id` (first label's id: 'xf0'): check that ids "
         "and periods are the same"),
        (lambda f: f.assign(id=[*f["id"][:-1], "x"]), 0,
         "warning late: labels: 1 of 40 labels match no prediction by id"),
        (lambda f: f.assign(known=hours(9)), 0,
         "warning late: labels: 100% of labels arrive later than label_delay 6h and are left out; 99% arrive "
         "within 9h"),
        (lambda f: f.assign(known=hours(-1)), 0,
         "warning late: labels: 40 of 40 labels (100.0%) are older than their predictions and do not count; check "
         "`columns.label_time`"),
        (lambda f: f.assign(label=f["label"] * 2), 1,
         "error late: labels: 20 of 40 rows are set aside, first 1.csv:3: label is neither 0 nor 1 (events.positive "
         "names the label that counts as 1)"),
        (lambda f: f.assign(label=f["label"] * 2), 1,
         "error late: labels: labels are '0' and '2': set events.positive: 2"),
        (lambda f: f.assign(label=[0.5, -1, *f["label"][2:]]), 0,
         "warning late: labels: 2 of 40 rows are set aside, first 1.csv:2: label is neither 0 nor 1 (events.positive "
         "names the label that counts as 1)"),
        (lambda f: f.assign(label=1), 0, "warning late: labels: every label is '1': a "
         "constant says nothing about performance; is events.columns.label the right column?"),
    ],
)  # fmt: skip
def test_bad_labels(bench: Bench, change: Change, code: int, expected: str) -> None:
    """Each fault of the labels is found, lost and late ones included."""
    bench.events("labels", change(labels()))

    assert expected in bench.check(code)


def versions(*names: str) -> pd.DataFrame:
    """Return predictions of versions one after the other, of equal numbers."""
    frame = predictions()
    return frame.assign(model_version=[names[i * len(names) // ROWS] for i in range(ROWS)])


def test_versions_that_will_have_no_baseline_are_told_with_a_command(bench: Bench) -> None:
    """A job would set their rows aside. `leeway baseline` takes the only version of the period."""
    windows = "    windows: {size: 4h, slide: 1h}\n"
    bench.project(f"{PROJECT}{windows}    baseline: {{start: 2024-01-01, end: 2024-01-01T12:00:00Z}}\n")
    bench.events("predictions", versions("a", "b"))

    (told,) = (line for line in bench.check(0) if "late: versions" in line)
    assert told.startswith("warning late: versions: 2 versions; 'b' (20 rows from 2024-01-01 on) will have no baseline")
    assert "`leeway baseline --model late --version b --start 2024-01-01T20:00:00 --end 2024-01-02T08:00:00`" in told
    published = bench.folder / ".leeway" / "baselines" / "late" / "b.json"
    published.parent.mkdir(parents=True)
    published.write_text("{}")
    assert not [line for line in bench.check(0) if "late: versions" in line]


def test_of_several_versions_in_the_period_each_is_told(bench: Bench) -> None:
    """The command without a version takes none of them. One version needs none of this."""
    bench.events("predictions", versions("a", "b", "c", "d", "e"))
    told = [line for line in bench.check(0) if "late: versions" in line]
    assert (4, True) == (len(told), told[-1].endswith("2 more versions without a baseline: 'd', 'e'"))
    bench.events("predictions", versions("a"))
    assert not [line for line in bench.check(0) if "late: versions" in line]


def test_early_labels_are_not_counted_as_matching(bench: Bench) -> None:
    """They do not count in a job either, by however little they are early."""
    bench.events(
        "labels",
        labels().assign(known=[*hours(1)[:30], *(time.replace("00:00Z", "59:59Z") for time in hours(-1)[30:])]),
    )
    assert "warning late: labels: 10 of 40 labels (25.0%) are older than their predictions and do not count; check " \
        "`columns.label_time`" in bench.check(0)  # fmt: skip
    found = CliRunner().invoke(cli.app, ["-p", str(bench.folder), "check", "--json"])
    assert "30 labels match a prediction; 99% arrive within 1h" in found.stdout


def test_times_in_seconds_are_found(bench: Bench) -> None:
    """Numbers are milliseconds; seconds would all lie in January 1970, and the key that takes them is named."""
    seconds = [int(START.timestamp()) + 3600 * i for i in range(ROWS)]
    bench.events("predictions", predictions().assign(time=seconds))

    found = bench.check(1)
    assert found[0].startswith(
        "error late: predictions: 40 of 40 rows are set aside, first 1.csv:2: time is not between "
    )
    assert found[0].endswith("counted in seconds it would fit: set events.times.unit: s")

    bench.project(PROJECT.replace("      columns:", "      times: {unit: s}\n      columns:"))
    bench.events("labels", labels().assign(known=[s + 7200 for s in seconds]))
    assert [] == bench.check(0)


def test_times_without_a_zone_are_noted(bench: Bench) -> None:
    """Times without a zone are no fault, but it is said how they are read."""
    bench.events("predictions", predictions().assign(time=[t.removesuffix("Z") for t in hours()]))

    done = CliRunner().invoke(cli.app, ["-p", str(bench.folder), "check", "--json"])
    messages = [c["message"] for c in json.loads(done.stdout)["checks"]]
    assert "times have no time zone (2024-01-01 00:00:00); they are read as UTC" in messages


def test_directories_and_files_that_are_not_there(bench: Bench) -> None:
    """An absent directory, an empty one, an empty file and a file of another kind are told apart."""
    events = bench.folder / "events" / "predictions"
    (events / "1.csv").unlink()
    assert bench.check(1)[0].startswith(f"error late: predictions: {events} has no events; put .jsonl")

    (events / "1.csv").touch()
    assert "warning late: predictions: 1.csv is empty" == bench.check(1)[0]

    (events / "1.csv").unlink()
    (events / "1.parquet").write_text("not parquet")
    assert "1.parquet cannot be read as Parquet" in bench.check(1)[0]

    (events / "1.parquet").unlink()
    events.rmdir()
    assert bench.check(1)[0].startswith(f"error late: predictions: {events} is not there")


def test_labels_may_come_later(bench: Bench) -> None:
    """An empty directory of labels is a warning: a new model has none."""
    (bench.folder / "events" / "labels" / "1.csv").unlink()

    (found,) = bench.check(0)
    assert found.startswith("warning late: labels: ")
    assert "events are read as files appear" in found


def test_history_is_checked_too(bench: Bench) -> None:
    """Events from before the first prediction need no answers, and labels may be theirs; predictions may come later."""
    history = predictions().drop(columns=["model_version", "prediction"])
    bench.project(PROJECT.replace("      labels:", "      history: {path: events/history}\n      labels:"))
    assert bench.check(1)[0].startswith(f"error late: history: {bench.folder / 'events' / 'history'} is not there")

    bench.events("history", history)
    (bench.folder / "events" / "predictions" / "1.csv").unlink()
    (bench.folder / "events" / "predictions").rmdir()
    (found,) = bench.check(0)
    assert found.startswith("warning late: predictions: ")

    bench.events("history", history.drop(columns="temp"))
    assert any("no column `temp` in 1.csv" in message for message in bench.check(1))


def test_a_column_that_only_some_files_have(bench: Bench) -> None:
    """A column that disappears in a later file is found there."""
    bench.events("predictions", predictions().drop(columns="origin"), "2.csv")

    assert bench.check(1)[0].startswith("error late: predictions: no column `origin` in 2.csv; its columns are id")


def test_a_key_that_json_lines_leave_out(bench: Bench) -> None:
    """In JSON Lines an absent key is a null: a file without it is fine as long as another file has it."""
    folder = bench.folder / "events" / "predictions"
    predictions().drop(columns="temp").to_json(folder / "0.jsonl", orient="records", lines=True)
    assert not any("no column" in message for message in bench.check(0))

    (folder / "1.csv").unlink()
    assert bench.check(1)[0].startswith("error late: predictions: no column `temp` in 0.jsonl")


def test_a_baseline_without_events(bench: Bench) -> None:
    """A baseline period that no event falls in is an error before anything runs."""
    bench.project(PROJECT + "    baseline: {start: 2023-01-01, end: 2023-02-01}\n")

    assert ["error late: baseline: no event from 2023-01-01 to 2023-02-01; choose a period with events"] == bench.check(
        1
    )


def test_a_module_named_like_one_of_leeways_rooms(bench: Bench) -> None:
    """A module that Leeway's own would hide is an error that says what to rename; a folder of data is none."""
    (bench.folder / "features.py").touch()
    (bench.folder / "alembic").mkdir()
    (bench.folder / "alembic" / "env.py").touch()
    (bench.folder / "monitors").mkdir()

    assert [
        "error names: `import features` imports Leeway's own package, never features.py; rename it, for instance to "
        "my_features.py",
        "error names: `import alembic` imports Leeway's own package, never alembic; rename it, for instance to "
        "my_alembic",
    ] == bench.check(1)


def test_variables_that_are_not_set(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable that the file names is looked for; its value is never shown."""
    endpoint = "alerts: {endpoints: [{name: ops, url: 'https://example.org/x', secret_env: OPS_KEY}]}\n"
    bench.project(PROJECT + endpoint)
    monkeypatch.delenv("OPS_KEY", raising=False)
    assert [
        "error variables: OPS_KEY is not set; it holds the key of alert endpoint ops: export OPS_KEY=..."
    ] == bench.check(1)

    monkeypatch.setenv("OPS_KEY", "whsec_very")
    assert [] == bench.check(0)
    assert "whsec_very" not in CliRunner().invoke(cli.app, ["-p", str(bench.folder), "check", "--json"]).stdout


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def static():\n    return None\n", ""),
        ("def other():\n    return None\n", "has no function static"),
        ("import nowhere_to_be_found\n", "No module named 'nowhere_to_be_found'"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_trainers_are_imported(bench: Bench, code: str, expected: str) -> None:
    """A trainer that cannot be imported is found now, not at the first retrain."""
    module = f"trainers_{abs(hash(code))}"  # a module is imported once a process
    (bench.folder / f"{module}.py").write_text(code)
    bench.project(PROJECT + f"    retrain: {{trainer: '{module}:static'}}\n")

    found = bench.check(1 if expected else 0)
    assert expected in "".join(found)
    assert bool(expected) == bool(found)
