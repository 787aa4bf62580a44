"""`leeway init` on files that are no log: refused with a message; a log without ids gets some."""

from __future__ import annotations

import os
import pty
import select
import sys
import tempfile
import time
import uuid
from datetime import datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from features.errors import DataError, LeewayError
from features.events import decode
from features.schema import FeatureKind
from features.window import UTC
from leeway import cli
from leeway.infer import columns, csv_dialect, feature_columns, log_sample, time_columns
from leeway.infer.roles import ColumnWishes
from leeway.init import draft
from leeway.project.load import Project
from tests.support.example_counts import examples

HEADER = b"id,time,x,prediction\n"
CELLS = st.sampled_from(
    ["", "1", "1e308", "NaN", "2024-01-01", "99999999999999999999", '"', "a;b", "\ud83d", "é", "\x1f"]
)


@given(
    st.sampled_from([".csv", ".jsonl", ".parquet"]),
    st.binary(max_size=200)
    | st.lists(CELLS, max_size=40).map(lambda cells: ",".join(cells).encode("utf-8", "replace")),
    st.booleans(),
)
@example(".jsonl", b'{"id": 1, "time": 18446744073709551616, "x": [1], "prediction": {"a": "\\ud83d"}}\n' * 30, False)
@example(".csv", b"id,id,time\n1,2,2024-01-01\n", False)
@example(".csv", b"\xff\xfei\x00d\x00\n\x00", False)
@example(".csv", b"\n\n", False)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
def test_no_file_ends_it_with_a_traceback(suffix: str, data: bytes, headed: bool) -> None:
    """Bytes of any sort are a log or are refused with a hint; nothing else is raised."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / f"a{suffix}").write_bytes((HEADER if headed else b"") + data)
        done = CliRunner().invoke(cli.app, ["-p", root, "init", "--from", str(Path(root) / f"a{suffix}")])

    assert done.exception is None or isinstance(done.exception, LeewayError | SystemExit)
    assert not isinstance(done.exception, LeewayError) or done.exception.hint


def odd() -> pa.Table:
    """Return a log with columns of every type that Parquet has."""
    n = 40
    numbers = pa.array(range(n), pa.int64())
    return pa.table(
        {
            "id": numbers.cast(pa.string()).dictionary_encode(),
            "time": pa.array(range(1_700_000_000, 1_700_000_000 + n), pa.int64()).cast(pa.timestamp("s")),
            "prediction": pa.array([i / n for i in range(n)], pa.float32()),
            "list": [[i] for i in range(n)],
            "struct": [{"a": i} for i in range(n)],
            "bytes": [b"\xff"] * n,
            "nothing": pa.nulls(n),
            "text": pa.nulls(n, pa.string()),
            "large": pa.array(["a", "b"] * 20, pa.large_string()),
            "cost": pa.array([Decimal(i) / 4 for i in range(n)], pa.decimal128(9, 2)),
            "huge": pa.array([2**63 + i % 3 for i in range(n)], pa.uint64()),
            "nan": [float("nan")] * n,
            "late": [i % 2 for i in range(n)],
            "": [i % 5 for i in range(n)],
        }
    )


def test_columns_of_every_type(tmp_path: Path) -> None:
    """Those that can be no feature are left out with the reason; the others have their kinds."""
    pq.write_table(odd(), tmp_path / "a.parquet")
    done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "init", "--from", str(tmp_path / "a.parquet")])

    text = (tmp_path / "leeway.yaml").read_text()
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert {"large", "cost", "huge"} == set(Project.load(tmp_path).model().schema.features)
    for name in ("nothing", "text", "nan"):
        assert f"# left out: {name}: it never has a value in the sample" in text
    assert "# left out: late: Leeway has a column of this name" in text
    assert '# left out: "": it has no name' in text


def every_type() -> dict[str, pa.Array]:
    """Return a column of each kind of type that pyarrow writes to Parquet, by a name for it."""
    n = range(40)
    ints, words = pa.array([i % 5 for i in n], pa.int64()), pa.array([f"w{i % 3}" for i in n])
    plain = [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float32(),
             pa.float64(), pa.decimal128(30, 2), pa.decimal256(60, 2), pa.bool_(), pa.duration("us")]  # fmt: skip
    clocks = [pa.timestamp("s"), pa.timestamp("ns", "Europe/Berlin"), pa.date32(), pa.date64()]
    at = pa.array([datetime(2024, 1, 1 + i % 28, tzinfo=UTC) for i in n], pa.timestamp("us", "UTC"))
    columns = {str(kind): ints.cast(kind) for kind in plain} | {str(kind): at.cast(kind) for kind in clocks}
    pairs = pa.array([[i, i] for i in n], pa.list_(pa.int32(), 2))
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.int32(), [2]), pairs)
    return columns | {
        "halffloat": pa.array(np.array([np.nan, *n[1:]], np.float16)),
        "nulls": pa.nulls(40), "text": words, "large": words.cast(pa.large_string()),
        "dictionary": words.dictionary_encode(), "numbers as dictionary": ints.dictionary_encode(),
        "bytes": pa.array([b"\xff\xfe"] * 40), "large bytes": pa.array([b"\xff"] * 40, pa.large_binary()),
        "fixed bytes": pa.array([bytes([255 - i] * 16) for i in n], pa.binary(16)),
        "time32": pa.array([time_of_day(i % 24) for i in n], pa.time32("s")),
        "time64": pa.array([time_of_day(i % 24) for i in n], pa.time64("ns")),
        "list": pa.array([[i] for i in n]), "large list": pa.array([[i] for i in n], pa.large_list(pa.int8())),
        "fixed list": pairs, "struct": pa.array([{"a": i} for i in n]), "tensor": tensors,
        "map": pa.array([[("k", i)] for i in n], pa.map_(pa.string(), pa.int64())),
    }  # fmt: skip


EVERY_TYPE = every_type()


@pytest.mark.parametrize("kind", sorted(EVERY_TYPE))
@pytest.mark.parametrize("part", ["feature", "id", "time", "prediction", "label"])
def test_no_type_of_parquet_stops_it(tmp_path: Path, kind: str, part: str) -> None:
    """A column is a feature or left out with the reason; for a part that it cannot have it is refused."""
    n = range(40)
    log = pa.table({
        "id": [f"e{i}" for i in n], "time": [datetime(2024, 1, 1, i % 24, i, tzinfo=UTC) for i in n],
        "prediction": [i / 40 for i in n], "label": [i % 2 for i in n], "x": [i % 7 / 2 for i in n],
        "odd": EVERY_TYPE[kind],
    })  # fmt: skip
    pq.write_table(log, tmp_path / "a.parquet")
    words = ["-p", str(tmp_path), "init", "--from", str(tmp_path / "a.parquet")]
    done = CliRunner().invoke(cli.app, words if part == "feature" else [*words, f"--{part}", "odd"]).exception

    assert done is None or isinstance(done, SystemExit | LeewayError)
    if part == "feature":
        text = (tmp_path / "leeway.yaml").read_text()
        assert ("odd" in Project.load(tmp_path).model().schema.features) != ("# left out: odd: " in text)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(3)], ids=str)
def test_bytes_that_are_text_are_read_as_such(tmp_path: Path, kind: pa.DataType) -> None:
    """Old writers do not mark text; the decoder reads it, so ids, labels and categories among it have their roles."""
    n = range(40)
    log = pa.table({
        "id": pa.array([b"e%02d" % i for i in n], kind),
        "time": [datetime(2024, 1, 1, i % 24, i, tzinfo=UTC) for i in n], "prediction": [i / 40 for i in n],
        "label": pa.array([[b"no!", b"yes"][i % 2] for i in n], kind),
        "town": pa.array([[b"Ulm", b"Rom", b"K\xc3\xb6"][i % 3] for i in n], kind),
    })  # fmt: skip
    pq.write_table(log, tmp_path / "a.parquet")
    CliRunner().invoke(cli.app, ["-p", str(tmp_path), "init", "--from", str(tmp_path / "a.parquet")])
    model = Project.load(tmp_path).model()
    made = decode.read_events(model.schema, "predictions", model.events.predictions)

    assert ("id", "label") == (model.schema.columns.id, model.schema.columns.label)
    assert "yes" == model.events.positive
    assert {"town": FeatureKind.CATEGORICAL} == dict(model.schema.features)
    assert (40, 0) == (made.table.num_rows, len(made.rejects))


def test_an_id_of_bytes_that_are_no_text_is_left_out_with_the_fix(tmp_path: Path) -> None:
    """Its name is not the reason: UUIDs in 16 bytes have to be written as text."""
    ids = pa.array([uuid.uuid5(uuid.NAMESPACE_OID, str(i)).bytes for i in range(40)], pa.binary(16))
    at = [datetime(2024, 1, 1, i % 24, i, tzinfo=UTC) for i in range(40)]
    log = pa.table(
        {"id": ids, "time": at, "prediction": [i / 40 for i in range(40)], "x": [i % 7 / 2 for i in range(40)]}
    )
    inferred = columns.infer_columns(log)

    assert "holds fixed_size_binary[16] that is no text in UTF-8; write it as text" == inferred.left_out["id"]


def test_other_encodings_are_plain_columns() -> None:
    """Types that other writers than this pyarrow may use: views, runs, and half floats in a dictionary."""
    words = pa.array(["a", "a", "b"])
    half = pa.DictionaryArray.from_arrays(pa.array([0, 0, 1], pa.int8()), pa.array(np.array([1, 2], np.float16)))
    table = pa.table({"view": pa.array(["a", "a", "b"], pa.string_view()), "runs": pc.run_end_encode(words), "f": half})
    plain = feature_columns.plain_columns(table)

    assert words.to_pylist() == plain["view"].to_pylist() == plain["runs"].to_pylist()
    assert [1.0, 1.0, 2.0] == plain["f"].to_pylist()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_log_without_ids_gets_some(tmp_path: Path, suffix: str) -> None:
    """--number-rows makes a copy with the file and the number of each row as id; without it the refusal names it."""
    frame = pd.DataFrame({"time": ["2024-01-01", "2024-01-02"] * 20, "x": [0.5, 1.5] * 20, "score": [0.1, 0.2] * 20})
    log = tmp_path / f"log{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(log)
    else:
        frame.to_csv(log, index=False) if suffix == ".csv" else frame.to_json(log, orient="records", lines=True)
    words = ["-p", str(tmp_path), "init", "--from", str(log)]
    refused = CliRunner().invoke(cli.app, words).exception

    assert isinstance(refused, DataError)
    assert "--number-rows" in refused.hint
    assert 0 == CliRunner().invoke(cli.app, [*words, "--number-rows"]).exit_code
    copied = log_sample.rows(tmp_path / "events" / "numbered" / log.name, 100)
    assert [f"log:{i}" for i in range(1, 41)] == copied["id"].to_pylist()
    assert frame["x"].tolist() == copied["x"].to_pylist()


def test_each_part_can_be_named(tmp_path: Path) -> None:
    """What the user says goes before any guess; a name that the log does not have is told with the one meant."""
    frame = pd.DataFrame({"id": range(40), "time": range(40), "score": [0.5] * 40, "p": [i / 40 for i in range(40)]})
    frame["at"] = pd.date_range("2024-01-01", periods=40, freq="h")
    frame["x"], frame["truth"], frame["key"] = 1.5, ["bad", "good"] * 20, [f"k{i}" for i in range(40)]
    frame.to_csv(tmp_path / "a.csv", index=False)
    named = {"prediction": "p", "label": "truth", "id": "key", "time": "at"}
    words = ["-p", str(tmp_path), "init", "--from", str(tmp_path / "a.csv"), "--positive", "good"]
    CliRunner().invoke(cli.app, [*words, *(word for part, column in named.items() for word in (f"--{part}", column))])
    model = Project.load(tmp_path).model()
    slip = CliRunner().invoke(cli.app, [*words, "--force", "--prediction", "scor"]).exception

    assert named == {part: getattr(model.schema.columns, part) for part in named}
    assert "good" == model.events.positive
    assert "did you mean `score`" in str(slip)


def typed(folder: Path, answers: list[str], *words: str) -> str:
    """Return what `leeway` shows on a terminal where somebody gives *answers*."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-c", "from leeway.cli import main; main()", *words])
    shown, until = "", time.monotonic() + 120
    while time.monotonic() < until and select.select([terminal], [], [], 60)[0]:
        try:
            shown += os.read(terminal, 4096).decode("utf-8", "replace")
        except OSError:  # it has ended
            break
        if shown.rstrip().endswith(":") and "?" in shown.splitlines()[-1]:
            os.write(terminal, (answers.pop(0) if answers else "").encode() + b"\n")
            shown += "\n"
    os.waitpid(pid, 0)
    return shown


@pytest.mark.slow
def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """Each part with what seems likely as the answer to Enter; a word that is no column is asked again."""
    frame = pd.DataFrame({"id": range(40), "time": pd.date_range("2024-01-01", periods=40, freq="h"), "x": 1.5})
    frame["score"], frame["other"] = 0.5, [i / 40 for i in range(40)]
    frame.to_csv(tmp_path / "a.csv", index=False)
    shown = typed(tmp_path, ["", "", "othr", "other", "", "", ""], "init", "--from", "a.csv")

    assert "did you mean `other`" in shown
    assert "[score]" in shown
    assert "other" == Project.load(tmp_path).model().schema.columns.prediction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1,5;2\n2,5;3\n", (";", ",", "utf-8")), ("a,b\n1.5,2\n", (",", ".", "utf-8")),
        ("a\tb\n1,5\t2\n", ("\t", ",", "utf-8")), ('a|b\n"1,5|x"|2\n', ("|", ".", "utf-8")),
        ("Größe;b\nä;1.234,5\nö;2\n", (";", ",", "cp1252")),
    ],
)  # fmt: skip
def test_a_csv_dialect_is_told_from_its_rows(tmp_path: Path, text: str, expected: tuple[str, str, str]) -> None:
    """Delimiter, decimal mark and encoding under which most rows fall into place."""
    (tmp_path / "a.csv").write_bytes(text.encode(expected[2]))
    found = csv_dialect.csv_format(tmp_path / "a.csv")

    assert expected == (found.delimiter, found.decimal, found.encoding)


@pytest.mark.parametrize(
    "way", ["%d.%m.%Y %H:%M", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %I:%M %p"]
)
@pytest.mark.parametrize("step", ["h", "D"])
def test_day_and_month_are_told_apart_by_order(way: str, step: str) -> None:
    """Where both readings can be parsed, a log goes forward in time, and does so evenly."""
    moments = pd.date_range("2024-01-01", periods=60, freq=step, tz="UTC")
    found = time_columns.time_format(pa.chunked_array([[at.strftime(way) for at in moments]]))

    assert found is not None
    expected = pd.to_datetime([at.strftime(way) for at in moments], format=way, utc=True)
    assert expected.astype("datetime64[ms, UTC]").astype("int64").tolist() == found.ms.tolist()


def test_labels_that_do_not_go_with_the_log_are_left_out(tmp_path: Path) -> None:
    """What lies beside it by chance stops nobody; named with --labels it is an error."""
    frame = pd.DataFrame({"id": range(40), "time": pd.date_range("2024-01-01", periods=40, freq="h"), "x": 1.5})
    frame.assign(score=0.5).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({"name": ["a"], "colour": ["red"]}).to_csv(tmp_path / "labels.csv", index=False)
    log = draft.read_log(tmp_path / "a.csv", ColumnWishes())

    assert (None, 1) == (log.labels, len(log.remarks))
    with pytest.raises(DataError):
        draft.read_log(tmp_path / "a.csv", ColumnWishes(), tmp_path / "labels.csv")
