"""`leeway check` refuses a stream if and only if the decoder does, for any files."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from features.events import decode
from features.schema import Role
from features.window import UTC
from leeway import cli
from leeway.check import events as event_checks
from leeway.check import files
from leeway.check.environment import Check
from leeway.project.load import Model, Project
from tests.support.example_counts import examples
from tests.unit.features.events.test_decode_robust import ODD
from tests.unit.leeway.commands.test_init_any_log import CLOCKS

TASKS = ("binary", "multiclass", "regression")
START = datetime(2024, 1, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
COLUMNS = {"predictions": ("id", "time", "x", "c", "prediction"), "labels": ("id", "time", "label")}
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
PROJECT = """\
project: binds
models:
  m:
    task: {task}
    events:
      predictions: {{path: predictions}}
      labels: {{path: labels}}
      version: v1
    label_delay: 30d
    features: {{x: numeric, c: categorical}}
"""


def project(folder: Path, task: str) -> Model:
    """Write the project file of *task*, and folders for its streams."""
    for stream in COLUMNS:
        (folder / stream).mkdir(exist_ok=True)
    (folder / "leeway.yaml").write_text(PROJECT.format(task=task))
    return Project.load(folder).model()


def good(stream: str, task: str, i: int) -> dict[str, Any]:
    """Return the usual event number *i*, whose id and time nothing else has."""
    at = START + timedelta(hours=i) + (timedelta(minutes=5) if stream == "labels" else timedelta())
    base: dict[str, Any] = {"id": f"e{i}", "time": at.isoformat()}
    truth = "ab"[i % 2] if task == "multiclass" else i % 2
    if stream == "labels":
        return {**base, "label": truth}
    score = truth if task == "multiclass" else 0.2 + 0.1 * (i % 5)
    return {**base, "x": 1.5 + i % 7, "c": "uvw"[i % 3], "prediction": score}


def decoded(model: Model, stream: Role) -> decode.Decoded:
    """Return what the decoder makes of all of a stream."""
    source = model.events.labels if stream == "labels" else model.events.predictions
    assert source is not None
    return decode.read_events(model.schema, stream, source)


def refused(model: Model, stream: Role) -> bool:
    """Say whether no row of a stream can be used, or half of its records are set aside."""
    result = decoded(model, stream)
    bad = sum(letter.records for letter in result.rejects)
    return not result.table.num_rows or 2 * bad >= result.table.num_rows + bad


def lacking(model: Model, stream: Role) -> bool:
    """Say whether some file's header has not all columns that the project file names, or no record of JSON has one."""
    source = model.events.labels if stream == "labels" else model.events.predictions
    assert source is not None
    folder = Path(str(source.path))
    heads = files.heads(sorted(folder.iterdir()), source.csv, "id")
    everywhere = {name for head in heads.values() for name in head}
    strict = [set(head) for name, head in heads.items() if not name.endswith(".jsonl")] + [everywhere] * bool(heads)
    return any(not set(COLUMNS[stream]) <= head for head in strict)


def agree(model: Model) -> list[Check]:
    """Assert that the check and the decoder agree on each stream, and return what was checked."""
    found = list(event_checks.events(model))
    streams: tuple[Role, ...] = ("predictions", "labels")
    for stream in streams:
        own = [c for c in found if c.name == f"m: {stream}"]
        errors = [c.message for c in own if c.result == "error" and "events.positive: " not in c.message]
        assert bool(errors) == (refused(model, stream) or lacking(model, stream)), (stream, errors)
        rows = [int(count[1]) for c in own if (count := re.match(r"(\d+) rows? in ", c.message))]
        if not lacking(model, stream):
            assert ([n] if (n := decoded(model, stream).table.num_rows) else []) == rows
    return found


VALUES = st.one_of(
    st.sampled_from([value for _, value in ODD.values()]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=3,
    ).map(lambda value: json.dumps(value).encode()),
    st.datetimes(datetime(1600, 1, 1), datetime(2400, 1, 1)).flatmap(
        lambda at: st.sampled_from(sorted(CLOCKS)).map(lambda way: _clocked(way, at))
    ),
    st.sampled_from(
        ["yes", "no", "1.0", "01", "NA", "None", " ", "12.3 kg", "1,5", "True", "nan", "inf", "2", "-1"]
    ).map(lambda text: json.dumps(text).encode()),
)
"""A value as JSON writes it, or nearly."""


def _clocked(way: str, at: datetime) -> bytes:
    return json.dumps(CLOCKS[way](at.replace(tzinfo=UTC)), default=str).encode()


EDITS = st.lists(st.tuples(st.integers(0, 39), st.integers(0, 4), VALUES), max_size=30)
"""Which rows have another value in which column."""
OVERALL = st.none() | st.tuples(st.integers(0, 4), VALUES)
"""A column that has one value in all rows, as where a writer was changed."""


def lines(stream: str, task: str, rows: int, edits: list[tuple[int, int, bytes]]) -> list[bytes]:
    """Return events as lines of JSON, with the *edits*."""
    columns, out = COLUMNS[stream], []
    changed = {(row, columns[at % len(columns)]): value for row, at, value in edits}
    for i in range(rows):
        event = {
            name: changed.get((i, name), json.dumps(value).encode()) for name, value in good(stream, task, i).items()
        }
        out.append(b"{%s}" % b", ".join(b'"%s": %s' % (name.encode(), value) for name, value in event.items()))
    return out


def write(folder: Path, suffix: str, events: list[bytes]) -> None:
    """Write lines of JSON in a format; where it can hold a value that is none in JSON, as its text."""
    if suffix == "jsonl":
        (folder / "a.jsonl").write_bytes(b"\n".join(events) + b"\n")
        return
    records = [_record(line) for line in events]
    frame = pd.DataFrame([{name: _cell(value) for name, value in record.items()} for record in records])
    if suffix == "csv":
        frame.to_csv(folder / "a.csv", index=False, errors="replace")
        return
    texts = {
        name: [None if v is None else str(v).encode("utf-8", "replace").decode() for v in frame[name]] for name in frame
    }
    pq.write_table(
        pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()}), folder / "a.parquet"
    )


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        record = {}
    return record if isinstance(record, dict) else {}


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
@settings(deadline=None, max_examples=examples(25), suppress_health_check=SLOW)
@given(task=st.sampled_from(TASKS), made=EDITS, true=EDITS, overall=OVERALL, rows=st.integers(1, 40))
def test_check_refuses_what_the_decoder_refuses(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    task: str,
    made: list[tuple[int, int, bytes]],
    true: list[tuple[int, int, bytes]],
    overall: tuple[int, bytes] | None,
    rows: int,
) -> None:
    """Logs with odd values here and there, or in a whole column: an error is one of both, and rows are as many."""
    folder = tmp_path_factory.mktemp("log")
    model = project(folder, task)
    every = [] if overall is None else [(i, *overall) for i in range(rows)]
    write(folder / "predictions", suffix, lines("predictions", task, rows, [*made, *every]))
    write(folder / "labels", suffix, lines("labels", task, rows, true))

    agree(model)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
@settings(deadline=None, max_examples=examples(40), suppress_health_check=SLOW)
@given(
    data=st.binary(max_size=300) | st.text(alphabet='id,time\n"{}:;1.5\ufeff\r\x00é', max_size=80).map(str.encode),
    at=st.integers(0, 300), cut=st.booleans(), beside=st.booleans(),
)  # fmt: skip
def test_any_bytes_are_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: bytes, at: int, *, cut: bool, beside: bool
) -> None:
    """Files into which anything is written, alone or beside good ones, are judged as the decoder reads them."""
    folder = tmp_path_factory.mktemp("bytes")
    model = project(folder, "binary")
    for stream in ("predictions", "labels"):
        write(folder / stream, suffix, lines(stream, "binary", 4, []))
        path = folder / stream / f"a.{suffix}"
        whole = path.read_bytes()
        if beside:
            (folder / stream / f"b.{suffix}").write_bytes(whole)
        path.write_bytes(whole[:at] + data + (b"" if cut else whole[at:]) or b"\n")

    agree(model)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_the_command_ends_with_a_word(tmp_path: Path, odd: tuple[str, bytes]) -> None:
    """Each odd value of a record is a warning with its place and reason; as all of a column it is an error."""
    column, value = odd
    project(tmp_path, "binary")
    at = COLUMNS["predictions"].index(column)
    write(tmp_path / "labels", "jsonl", lines("labels", "binary", 30, []))
    for edits, code in (([(3, at, value)], 0), ([(i, at, value) for i in range(30)], 1)):
        write(tmp_path / "predictions", "jsonl", lines("predictions", "binary", 30, edits))
        done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "check", "--json"], catch_exceptions=False)

        found = [c for c in json.loads(done.stdout)["checks"] if "set aside, first a.jsonl:" in c["message"]]
        assert code == done.exit_code
        assert [("error" if code else "warning", "m: predictions")] == [(c["result"], c["name"]) for c in found]
