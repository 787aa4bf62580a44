"""`leeway check` on values that decode but are of little use: each is named, with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from leeway.project import validation_errors
from tests.unit.leeway.commands.test_check import PROJECT, ROWS, Bench, hours, labels, predictions

Change = Callable[[pd.DataFrame], pd.DataFrame]
MULTI = PROJECT.replace("task: binary", "task: multiclass")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a project that passes."""
    return Bench(tmp_path)


def words(*values: Any) -> list[Any]:
    """Return the *values* in turn, one a row."""
    return [values[i % len(values)] for i in range(ROWS)]


@pytest.mark.parametrize("values", [[0, 1], [1.0, 0.0], ["true", "false"], [0, 0]])
def test_classes_where_probabilities_are_wanted(bench: Bench, values: list[Any]) -> None:
    """However 0 and 1 are spelled, it is said what cannot be judged then, and what to log."""
    bench.events("predictions", predictions().assign(prediction=words(*values)))
    (found,) = [line for line in bench.check(0) if "classes" in line]

    assert found.startswith("warning late: predictions: every prediction is 0 or 1: these are classes")
    assert all(word in found for word in ("Calibration", "log loss", "estimated performance", "predict_proba"))


@pytest.mark.parametrize(
    ("spelled", "key"),
    [(("yes", "no"), "yes"), (("UP", "DOWN"), "UP"), ((1, 2), "2"), ((-1, 1), "1"), (("fraud", "fine"), "fraud")],
)
def test_labels_that_need_a_positive_one(bench: Bench, spelled: tuple[Any, ...], key: str) -> None:
    """Labels that are not 0 and 1 are an error that names them and the key; with the key all is well."""
    bench.events("labels", labels().assign(label=words(*spelled)))
    a, b = sorted(map(str, spelled))
    assert f"error late: labels: labels are '{a}' and '{b}': set events.positive: {key}" in bench.check(1)

    bench.project(PROJECT.replace("      columns:", f"      positive: {key}\n      columns:"))
    assert [] == bench.check(0)


@pytest.mark.parametrize(
    ("spelled", "keys", "code", "expected"),
    [
        (("yes", "no"), "positive: Yes", 1,
         "error late: labels: no label is 'Yes' (events.positive); the labels are 'no' and 'yes': set "
         "events.positive: yes"),
        (("yes", "no"), "positive: ja", 1,
         "error late: labels: no label is 'ja' (events.positive); the labels are 'no' and 'yes': set it to the label "
         "that counts as 1"),
        (("yes", "no", "open"), "positive: yes", 0,
         "warning late: labels: labels are 'yes' and 2 others, all of which count as 0: 'no' and 'open'; set "
         "events.negative to the one that counts as 0, then the others are set aside"),
        (("yes", "no", "no", "open"), "positive: yes\n      negative: no", 0,
         "warning late: labels: 10 of 40 rows are set aside, first 1.csv:5: label is neither 'yes' nor 'no'"),
        ((1, 0, 0, "open"), "", 0,
         "warning late: labels: beside 0 and 1 there are labels 'open': correct the writer, or set events.positive "
         "if 0 and 1 are not the classes"),
        (("a", "b", "c"), "", 1,
         "error late: labels: labels are 'a', 'b' and 'c': set events.positive to the label of 1 and "
         "events.negative to the label of 0, or task: multiclass"),
        ((2.5, 3, 4), "", 1,
         "error late: labels: labels are '2.5', '3' and '4': set events.positive to the label of 1 and "
         "events.negative to the label of 0, or task: regression"),
    ],
)  # fmt: skip
def test_a_positive_label_that_does_not_fit(
    bench: Bench, spelled: tuple[Any, ...], keys: str, code: int, expected: str
) -> None:
    """A label that no record has, or others that would count as 0 in silence, are said with the values seen."""
    bench.events("labels", labels().assign(label=words(*spelled)))
    bench.project(PROJECT.replace("      columns:", f"      {keys}\n      columns:") if keys else PROJECT)

    assert expected in bench.check(code)


@pytest.mark.parametrize("code", [0, 1])
def test_labels_without_a_value_want_no_positive_one(bench: Bench, code: int) -> None:
    """An absent label is no class: it is set aside by itself, and no key is named."""
    bench.events("labels", labels().assign(label=words(None, 1, 0, None) if code else words(None, 1, 0, 1, 0)))
    found = bench.check(code)

    assert any("label is missing; send a label event once the label is known" in line for line in found)
    assert not any("events.positive" in line for line in found)


@pytest.mark.parametrize(
    ("made", "true", "expected"),
    [
        (("1", "2"), (1.0, 2.0), ""),
        (("a", "b"), ("a", "b"), ""),
        (("a", "b"), ("a", "c"), ""),
        (("a", "b"), ("c", "d"), "no class is both predicted and a label: 'a' and 'b' are predicted, 'c' and 'd' are "
         "labels; log both with the same names"),
        (("Red", "Blue"), ("red ", "blue "), "no class is both predicted and a label: 'Blue' and 'Red' are predicted, "
         "'blue ' and 'red ' are labels; 'Blue' and 'blue ' differ only in case, blanks or zeros: write them alike"),
        (("Red", "blue"), ("red", "blue"), "1 of 2 predicted classes never occurs as a label; 'Red' and 'red' "
         "differ only in case, blanks or zeros: write them alike"),
        (("01", "02"), (1, 2), "no class is both predicted and a label: '01' and '02' are predicted, '1' and '2' are "
         "labels; '01' and '1' differ only in case, blanks or zeros: write them alike"),
    ],
)  # fmt: skip
def test_classes_that_are_spelled_differently(
    bench: Bench, made: tuple[Any, ...], true: tuple[Any, ...], expected: str
) -> None:
    """One class has one spelling in predictions and labels, or none is ever right: where it has not, that is said."""
    bench.project(MULTI)
    bench.events("predictions", predictions().assign(prediction=words(*made)))
    bench.events("labels", labels().assign(label=words(*true)))

    assert ([f"warning late: labels: {expected}"] if expected else []) == bench.check(0)


def test_labels_that_contradict_each_other(bench: Bench) -> None:
    """Ids with several labels that differ are counted; a label that is sent twice is not among them."""
    both = pd.concat([labels(), labels()[:5].assign(label=1), labels()[10:12]])
    bench.events("labels", both)

    assert [
        "warning late: labels: 3 ids have different labels (like 'f0'): the newest within label_delay counts; "
        "send each label once"
    ] == bench.check(0)


SECONDS = [1_704_067_200 + 3600 * i for i in range(ROWS)]
TIME = "looks like a time, so every window differs from the baseline; leave it out, or derive a feature from it"
ID = "has 40 values in 40 rows, like an id: values that do not recur cannot be compared; leave it out, or group"


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("temp", SECONDS, TIME),
        ("temp", [s * 1000 for s in SECONDS], TIME),
        ("origin", hours(), TIME),
        ("origin", [f"{1 + i % 28:02d}.01.2024 {i // 28:02d}:00" for i in range(ROWS)], TIME),
        ("temp", list(range(ROWS)), ID),
        ("origin", [f"order-{i * 7919 % 1009}" for i in range(ROWS)], ID),
        ("origin", [f"{i * 7919 % 1009}" for i in range(ROWS)], ID),
        ("temp", [float(i * 7 % 25) for i in range(ROWS)], ""),
        ("temp", [i // 20 for i in range(ROWS)], ""),
        ("origin", [f"gate {i * 7 % 15}" for i in range(ROWS)], ""),
    ],
)
def test_features_that_are_a_time_or_an_id(bench: Bench, column: str, values: list[Any], expected: str) -> None:
    """What is the time, grows with it or never comes again is a warning; numbers and categories that come again not."""
    bench.project(PROJECT.replace("segments: [origin]", "segments: []"))
    bench.events("predictions", predictions().assign(**{column: values}))

    found = bench.check(0)
    assert [f"warning late: {column}: {expected}"] * bool(expected) == [
        line[: len(f"warning late: {column}: {expected}")] for line in found
    ]


@pytest.mark.parametrize(
    ("values", "grows"),
    [
        (lambda i: i * i + 0.5, True),
        (lambda i: -0.5 * i if i % 50 else None, True),
        (lambda i: i // 5 + 0.1, True),
        (lambda i: i % 100 + 0.5, False),
        (lambda i: i + 40 * (i % 3) + 0.5, False),
        (lambda i: i // 100, False),
    ],
)
def test_a_feature_that_grows_with_the_time(bench: Bench, values: Callable[[int], Any], grows: bool) -> None:
    """A number that rises or falls all along is told, with gaps and steps too; a trend among ups and downs is not."""
    bench.events("predictions", pd.concat([predictions()] * 5, ignore_index=True).assign(
        id=lambda f: f.index, time=pd.date_range("2024-01-01", periods=5 * ROWS, freq="h", tz="UTC"),
        temp=lambda f: [values(i) for i in f.index],
    ))  # fmt: skip
    expected = (
        "warning late: temp: rises or falls steadily with time, so every window differs from the baseline; leave it out"
    )

    assert grows == any(line.startswith(expected) for line in bench.check(0))


@pytest.mark.parametrize(
    ("name", "what"),
    [("2.csv.gz", "unpack compressed files"), ("2.zip", "unpack compressed files"), ("2.CSV", "in lower case); rename"),
     ("2.txt", "rename files of events"), ("2.json", "rename files of events")],
)  # fmt: skip
def test_files_that_are_passed_over(bench: Bench, name: str, what: str) -> None:
    """A file whose ending no reader knows is named, also where it is the only one; unfinished files are not."""
    folder = bench.folder / "events" / "predictions"
    for other in (name, ".hidden.gz", "_SUCCESS", "half.tmp"):
        (folder / other).write_bytes(b"anything")
    (found,) = bench.check(0)
    assert found.startswith(
        f"warning late: predictions: {name} is skipped: its extension is not read (only .jsonl, .ndjson"
    )
    assert what in found

    (folder / "1.csv").unlink()
    assert found == bench.check(1)[0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_column_twice_that_nobody_wants(bench: Bench, suffix: str) -> None:
    """It stops nothing, and is told: the next change of the project file may want it."""
    frame = predictions()
    text = frame.to_csv(index=False) if suffix == "csv" else frame.to_json(orient="records", lines=True)
    rows = text.splitlines()
    if suffix == "csv":
        rows = [f"{row},spare,spare" if i == 0 else f"{row},1,2" for i, row in enumerate(rows)]
    else:
        rows = [row.replace("}", ',"spare":1,"spare":2}') for row in rows]
    folder = bench.folder / "events" / "predictions"
    (folder / "1.csv").unlink()
    (folder / f"1.{suffix}").write_text("\n".join(rows))

    assert [
        f"warning late: predictions: column 'spare' appears twice in 1.{suffix}; the project file does not use it, "
        "so the file is read; rename or drop one"
    ] == bench.check(0)


def test_a_baseline_that_leaves_nothing(bench: Bench) -> None:
    """A period up to the newest event and beyond leaves no window to judge, which is told; one within it does."""
    bench.project(PROJECT + "    baseline: {start: 2024-01-01, end: 2024-02-01}\n")
    few = "warning late: baseline: 2 slices of 1d have events: a false-alarm guarantee needs 20; take a longer period, "
    few += "or have it renewed by the slices to come"
    assert [
        few,
        "warning late: baseline: no prediction after 2024-02-01, where the baseline ends: nothing is monitored until "
        "newer ones arrive; end the baseline earlier to have existing events judged",
    ] == bench.check(0)

    bench.project(PROJECT + "    baseline: {start: 2024-01-01, end: 2024-01-02T12:00Z}\n")
    assert [few] == bench.check(0)


def test_too_few_rows_to_judge(bench: Bench) -> None:
    """Three rows are told with the number that is needed, of a log and of a baseline; so is a window too short."""
    need = "baseline and each window need at least 30 events (monitor.min_rows)"
    bench.project(PROJECT + "    baseline: {start: 2024-01-01, end: 2024-01-01T03:00Z}\n")
    assert [
        f"warning late: baseline: the baseline has 3 events in 1 slice of 1d: {need}; log more, or take a longer period"
    ] == bench.check(0)

    bench.project(PROJECT + "    windows: {size: 2h, slide: 1h}\n")
    assert [
        "warning late: log: a window of 2h has about 2 events: below 30 it is not judged (monitor.min_rows); set a "
        "longer windows.size"
    ] == bench.check(0)

    bench.project(PROJECT)
    bench.events("predictions", predictions()[:3])
    assert any(f"log: the log has 3 events in 1 slice of 1d: {need}" in line for line in bench.check(0))


def test_several_reasons_are_grouped(bench: Bench) -> None:
    """Up to three reasons have their number, an example and what to do; the rest is counted."""
    frame = predictions().astype(object)
    frame.loc[0:3, "temp"] = "12.3 kg"
    frame.loc[5:7, "prediction"] = 1.5
    frame.loc[9:10, "time"] = "2099-01-01"
    frame.loc[12, "id"] = None
    bench.events("predictions", frame)

    (found,) = [line for line in bench.check(0) if "set aside" in line]
    parts = ["10 of 40 rows are set aside: 4 (first 1.csv:2: temp is not a number; write plain numbers",
             "3 (first 1.csv:7: prediction is not a probability", "2 (first 1.csv:11: time is not between 1990-01-01",
             "(events.times); correct the writer's clock", "1 for 1 other reason"]  # fmt: skip
    assert all(part in found for part in parts), found


@pytest.mark.parametrize("lost", [19, 20, 21, 40])
def test_half_a_stream_set_aside_is_an_error(bench: Bench, lost: int) -> None:
    """Fewer are a warning; the feature to blame is named by itself once it costs half of the rows."""
    bench.events("predictions", predictions().assign(temp=lambda f: ["warm"] * lost + list(f["temp"][lost:])))

    found = bench.check(int(lost >= 20))
    blamed = [line for line in found if line.startswith("warning late: temp: ")]
    assert (lost >= 20) == any(line.startswith("error late: predictions: ") for line in found)
    assert [f"{lost} of 40 rows are set aside because of its values"] * (lost >= 20) == [
        line.split(": ")[2] for line in blamed if "set aside" in line
    ]


@pytest.mark.parametrize(
    ("options", "encoding", "expected"),
    [
        ({"sep": ";"}, "utf-8", 'delimiter: ";"'),
        ({"sep": ";", "decimal": ","}, "utf-8", 'delimiter: ";", decimal: ","'),
        ({"sep": "\t"}, "utf-8", r'delimiter: "\t"'),
        ({}, "cp1252", "encoding: cp1252"),
    ],
)
def test_csv_written_otherwise(bench: Bench, options: dict[str, Any], encoding: str, expected: str) -> None:
    """Where rows or whole files are set aside, the dialect that the file seems to have is told, and it does."""
    path = bench.folder / "events" / "predictions" / "1.csv"
    predictions().assign(origin=words("Köln", "Málaga")).to_csv(path, index=False, encoding=encoding, **options)
    assert (
        f"warning late: predictions: 1.csv seems to be written with `csv: {{{expected}}}`: set that at "
        "events.predictions"
    ) in bench.check(1)

    bench.project(PROJECT.replace("path: events/predictions", f"path: events/predictions, csv: {{{expected}}}"))
    assert [] == bench.check(0)


def test_times_written_otherwise(bench: Bench) -> None:
    """The format that set-aside times seem to have is told, and it does."""
    times = [f"{time[8:10]}.{time[5:7]}.{time[:4]} {time[11:16]}" for time in hours()]
    bench.events("predictions", predictions().assign(time=times))
    bench.events("labels", labels().assign(known=times))
    assert (
        "warning late: predictions: `time` seems to be written as %d.%m.%Y %H:%M: set events.times.format to that"
    ) in bench.check(1)

    bench.project(PROJECT.replace("      columns:", "      times: {format: '%d.%m.%Y %H:%M'}\n      columns:"))
    assert [] == bench.check(0)


def test_ids_that_all_are_one_are_told_in_a_moment(bench: Bench) -> None:
    """Labels are matched with one prediction an id: a million pairs of equal ids are no work."""
    many = pd.concat([predictions()] * 500).assign(id="same")
    bench.events("predictions", many)
    bench.events("labels", pd.concat([labels()] * 500).assign(id="same"))

    assert any("19999 rows repeat an id" in line for line in bench.check(0))


def test_the_keys_of_the_page_exist() -> None:
    """Every key of `events` that the page on events names is one of the project file."""
    page = Path(__file__).parents[4] / "docs" / "events.md"
    keys = set(re.findall(r"`events((?:\.[a-z_]+)+)`", page.read_text()))

    assert len(keys) >= 11
    for key in keys:
        *above, name = key.strip(".").split(".")
        assert name in validation_errors.known_keys(("models", "any", "events", *above)), key


COMPUTED = """\
      size: {type: categorical, transform: "own_sizes:size", inputs: [origin]}
"""


# fmt: off
def test_a_computed_feature_that_was_never_logged_is_not_called_constant(bench: Bench) -> None:
    """It is computed where the log has no value, so nothing is known of it; a log may be older than its declaration."""
    (bench.folder / "own_sizes.py").write_text("def size(origin):\n    return origin\n")
    features = "    features:\n      temp: numeric\n      origin: categorical\n"
    bench.project(PROJECT.replace("    features: {temp: numeric, origin: categorical}\n", features + COMPUTED))
    bench.events("predictions", predictions().assign(size=None))
    assert [] == bench.check(0)

    bench.events("predictions", predictions())
    assert ["warning late: predictions: no column `size` in 1.csv: training sets have it computed, but monitors count "
            "it as missing there; predictions of `leeway serve`, `score` and `predict` have it"] == bench.check(0)

    bench.events("predictions", predictions().assign(size="a"))
    assert ["warning late: size: is always a: constant so far; a change will be reported. Leave it out if it cannot "
            "change"] == bench.check(0)
# fmt: on
