"""Resource bounds of decoding: hostile files cannot end it, exhaust memory, or take valid records along."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import errors
from features.events import decode, row_decoder
from features.files import file_chunks
from features.kafka import arrow_sizes
from features.kafka.records import Records
from features.schema import Source
from features.window import to_ms
from tests.support import malformed_records as records
from tests.support import odd_columns as columns
from tests.support.fuzz_invariants import NOW
from tests.support.malformed_records import SCHEMA

SOUND = {name: [records.event(i)[name] for i in range(2)] for name in records.COLUMNS}
LINE = ",".join(map(str, records.event(0).values())).encode()
HEAD = ",".join(records.COLUMNS).encode()


def decoded(folder: Path) -> decode.Decoded:
    """Return what the files of *folder* decode to."""
    return decode.read_events(SCHEMA, "predictions", Source(path=str(folder)), now=NOW)


def told(result: decode.Decoded) -> int:
    """Return how many records are rows or stand behind a letter."""
    return int(result.table.num_rows) + sum(letter.records for letter in result.rejects)


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    """Return *table* as an Arrow IPC stream."""
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(out.getvalue())


@pytest.mark.parametrize("name", records.COLUMNS)
@pytest.mark.parametrize("kind", columns.COLUMNS)
def test_a_column_of_any_type_costs_its_rows_only(tmp_path: Path, name: str, kind: str) -> None:
    """Each row of a Parquet file is counted, though its dead letter cannot be made as others are."""
    try:
        pq.write_table(pa.table({**SOUND, name: columns.COLUMNS[kind]()}), tmp_path / "e.parquet")
    except (pa.ArrowException, OSError):
        pytest.skip("Parquet does not have this type")
    result = decoded(tmp_path)

    assert told(result) == 2
    assert [] == [letter.reason for letter in result.rejects if "cannot be decoded" in letter.reason]


def test_text_that_is_not_utf_8_costs_its_row_in_an_arrow_record(tmp_path: Path) -> None:
    """The other events of the record are rows."""
    value = stream(pa.table({**SOUND, "c": columns.no_text()}))
    result = decode.decode_records(SCHEMA, "predictions", Records("t", "arrow", [0], [1], [value]), now=NOW)

    assert (["good1"], ["c is not UTF-8"]) == (
        result.table["id"].to_pylist(), [letter.reason for letter in result.rejects]
    )  # fmt: skip


@pytest.mark.parametrize("line", [b"," * 600_000, b'"",' * 600_000, b'x","y' + b'","y' * 300_000, LINE + b"," * 256])
@pytest.mark.parametrize("at", [0, 60, 7000])
def test_a_line_of_many_separators_is_one_letter(tmp_path: Path, line: bytes, at: int) -> None:
    """Arrow's reader would write beyond its memory; sound lines around it are rows."""
    lines = [LINE] * 7000
    lines.insert(at, line)
    (tmp_path / "e.csv").write_bytes(b"\n".join([HEAD, *lines]))
    result = decoded(tmp_path)

    assert (7000, [at + 2]) == (result.table.num_rows, [letter.line for letter in result.rejects])


def test_two_open_quotes_are_two_letters(tmp_path: Path) -> None:
    """They do not enclose what stands between them as if it were one value."""
    bad = LINE.replace(b",a,", b',"a,')
    (tmp_path / "e.csv").write_bytes(b"\n".join([HEAD, LINE, bad, bad, LINE]))
    result = decoded(tmp_path)

    assert (2, [3, 4]) == (result.table.num_rows, [letter.line for letter in result.rejects])


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl"])
def test_a_line_without_end_costs_itself_only(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set aside unread, and lines before and after it are rows."""
    monkeypatch.setattr(file_chunks, "MAX_CHUNK_BYTES", 4000)
    line = LINE if name == "e.csv" else records.json_line(records.Rng(1), 0, 0)
    head = [HEAD] if name == "e.csv" else []
    (tmp_path / name).write_bytes(b"\n".join([*head, line, b"x" * 10_000, line]))
    parts = file_chunks.chunks(tmp_path / name, 1000)
    result = decode.join(SCHEMA, "predictions", [decode.decode(SCHEMA, "predictions", p, now=NOW) for p in parts])

    assert (2, 1) == (result.table.num_rows, sum(letter.records for letter in result.rejects))


@pytest.mark.parametrize("lines", [1, 2, 7])
def test_a_chunk_has_so_many_lines_at_most(tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line costs memory of its own; lines keep their numbers, and each is in one chunk."""
    monkeypatch.setattr(file_chunks, "MAX_CHUNK_LINES", lines)
    (tmp_path / "e.csv").write_bytes(b"\n".join([HEAD, *[LINE] * 20]) + b"\n")
    parts = [decode.decode(SCHEMA, "predictions", p, now=NOW) for p in file_chunks.chunks(tmp_path / "e.csv")]

    assert list(range(2, 22)) == [line for part in parts for line in part.lines.tolist()]


def test_one_record_that_starts_as_utf_16_does_is_one_letter(tmp_path: Path) -> None:
    """The file is not UTF-16 for that."""
    line = records.json_line(records.Rng(1), 0, 0)
    (tmp_path / "e.jsonl").write_bytes(line.decode().encode("utf-16") + b"\n" + line + b"\n")

    assert (1, 1) == ((result := decoded(tmp_path)).table.num_rows, len(result.rejects))


@pytest.mark.parametrize("name", ["x", "x.y", "other"])
def test_a_small_parquet_file_does_not_take_much_memory(tmp_path: Path, name: str) -> None:
    """Not by a column with a point in its name, nor by rows of which no column is ours."""
    pq.write_table(pa.table({name: np.zeros(9_000_000, np.int8)}), tmp_path / "e.parquet", row_group_size=1 << 30)
    before = pa.default_memory_pool().max_memory()
    schema = SCHEMA.model_copy(update={"features": {**SCHEMA.features, "x.y": SCHEMA.features["x"]}})
    result = decode.read_events(schema, "predictions", tmp_path, now=NOW)

    assert told(result) == 9_000_000
    assert pa.default_memory_pool().max_memory() - before < 200 << 20


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_an_arrow_record_that_grows_is_refused_unread(compression: str) -> None:
    """What it promises is told by its messages; one that is not compressed is no larger than it is."""
    bomb = stream(pa.table({"id": np.zeros(20_000_000, np.int64)}), compression)

    with pytest.raises(errors.DataError, match="MB of memory"):
        arrow_sizes.check(bomb, 5)
    with pytest.raises(errors.DataError, match="MB of memory"):
        arrow_sizes.check(stream(pa.table({"id": pa.nulls(10**9)})), 5)
    assert arrow_sizes.check(stream(pa.table(SOUND), compression), 5) == 2


def test_events_without_our_columns_are_counted() -> None:
    """An Arrow record of somebody else's events is as many letters."""
    value = stream(pa.table({"other": [1, 2, 3]}))
    result = decode.decode_records(SCHEMA, "predictions", Records("t", "arrow", [0], [1], [value]), now=NOW)

    assert ["id is missing"] * 3 == [letter.reason for letter in result.rejects]


def test_the_last_letter_of_very_many_stands_for_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Parquet file of a kilobyte may have millions of bad rows: all are counted, not all are written out."""
    monkeypatch.setattr(row_decoder, "MAX_DEAD_LETTERS", 10)
    pq.write_table(pa.table({"x": np.zeros(1000)}), tmp_path / "e.parquet")
    result = decoded(tmp_path)

    assert (10, 1000, 991) == (len(result.rejects), told(result), result.rejects[-1].records)


def test_what_is_no_file_is_passed_over_and_what_is_none_of_ours_is_told(tmp_path: Path) -> None:
    """A pipe holds nobody up; a name that is not UTF-8 is a name."""
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.parquet").mkdir()
    (tmp_path / "c.csv").symlink_to(tmp_path / "nowhere")
    for name in (b"d\xff\n.csv", b"e\xff.parquet"):
        (tmp_path / os.fsdecode(name)).write_bytes(HEAD + b"\n" + LINE)
    result = decoded(tmp_path)

    assert (1, 1) == (result.table.num_rows, len(result.rejects))
    assert result.table["time"][0].as_py() == records.TIME <= to_ms(NOW)
