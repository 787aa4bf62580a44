"""Files of Kafka records: they decode as the records do, and what is damaged is set aside."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from features.events import decode
from features.events.decode import Decoded
from features.files import file_chunks, readers
from features.kafka import avro, record_files, stored_schemas
from features.kafka.records import Records
from features.topic import RecordFormat
from tests.support.example_counts import examples
from tests.unit.features.kafka.test_records import ROWS, SCHEMA, WRITERS, as_json, batch

AVRO = avro.derive(decode.event_columns(SCHEMA, "predictions"))


def written(folder: Path, records: Records, row_group: int = 2) -> Path:
    """Return a file of *records*, with its schema where they are Avro."""
    path = folder / "1.parquet"
    stored = {stored_schemas.OF_ALL: AVRO} if records.format == "avro" else None
    pq.write_table(record_files.table(replace(records, schemas=stored)), path, row_group_size=row_group)
    return path


def decoded(path: Path) -> Decoded:
    """Return what the file decodes to."""
    return decode.read_events(SCHEMA, "predictions", path)


VALUES = st.lists(st.none() | st.binary(max_size=8) | st.sampled_from(as_json(ROWS)), max_size=12)


@pytest.mark.parametrize("form", WRITERS)
@settings(deadline=None, max_examples=examples(40))
@given(rows=st.lists(st.sampled_from(ROWS), max_size=6), odd=VALUES)
def test_a_file_of_records_decodes_as_the_records_do(
    tmp_path_factory: pytest.TempPathFactory, form: RecordFormat, rows: list[object], odd: list[bytes | None]
) -> None:
    """Good records and bad ones, tombstones too: the same rows, and the same letters with partition and offset."""
    records = batch(form, [*WRITERS[form](rows), *odd])  # type: ignore[arg-type]
    direct = decode.decode_records(SCHEMA, "predictions", records)
    stored = decoded(written(tmp_path_factory.mktemp("files"), records))
    assert direct.table.equals(stored.table.combine_chunks())
    assert sorted(direct.rejects, key=repr) == sorted(stored.rejects, key=repr)


def test_its_chunks_say_what_they_are(tmp_path: Path) -> None:
    """Row groups of records, which travel as any chunk does and are counted as rows."""
    path = written(tmp_path, batch("json", as_json(ROWS)))
    first, second = file_chunks.chunks(path)
    assert {"records"} == {first.format, second.format}
    assert (2, 1) == (readers.count(first), readers.count(second))
    assert [100, 101] == list(record_files.read(first).offsets)


@pytest.mark.parametrize("what", ["no bytes", "other columns", "other metadata", "unknown format"])
def test_a_damaged_file_is_one_letter(tmp_path: Path, what: str) -> None:
    """Whatever is in it that calls itself a file of records."""
    table = record_files.table(batch("json", as_json(ROWS)))
    if what == "no bytes":
        table = table.set_column(2, "value", pa.array([1.5, None, 2.5]))
    elif what == "other columns":
        table = table.drop_columns(["offset"])
    elif what == "other metadata":
        table = table.replace_schema_metadata({file_chunks.RECORDS_MARK: b"[1"})
    else:
        table = record_files.table(replace(batch("json", as_json(ROWS)), format="xml"))  # type: ignore[arg-type]
    pq.write_table(table, tmp_path / "1.parquet")
    found = decoded(tmp_path / "1.parquet")
    assert (0, [3]) == (found.table.num_rows, [one.records for one in found.rejects])


def test_a_schema_that_the_registry_did_not_have_is_a_letter(tmp_path: Path) -> None:
    """With its number; the records beside it are read by theirs."""
    (value,) = WRITERS["avro"](ROWS[:1])
    values = [b"\0\0\0\0\7" + value, b"\0\0\0\0\10" + value, value]
    records = Records("t", "avro", [0] * 3, [5, 6, 7], values, schemas={"7": AVRO})
    pq.write_table(record_files.table(records), tmp_path / "1.parquet")
    found = decoded(tmp_path / "1.parquet")
    assert 1 == found.table.num_rows
    assert [("t/0", 6), ("t/0", 7)] == [(one.path, one.line) for one in found.rejects]
    assert "schema 8 was not in the registry when the record landed" == found.rejects[0].reason


def test_a_schema_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """Before anything lands that could not be read."""
    with pytest.raises(DataError, match="cannot be read"):
        stored_schemas.of([], str(tmp_path / "none.avsc"), None)
    (tmp_path / "bad.avsc").write_text('{"type": "strange"}')
    with pytest.raises(DataError, match="this is not an Avro schema"):
        stored_schemas.of([], str(tmp_path / "bad.avsc"), None)


def test_a_schema_file_that_changes_is_read_again(tmp_path: Path) -> None:
    """A follower stores the text with each file of records, which is never written again."""
    file, other = tmp_path / "one.avsc", AVRO.replace('"Event"', '"Other"')
    file.write_text(AVRO)
    os.utime(file, ns=(1, 1))
    assert {stored_schemas.OF_ALL: AVRO} == stored_schemas.of([], str(file), None)
    file.write_text(other)
    assert len(AVRO) == len(other)
    assert {stored_schemas.OF_ALL: other} == stored_schemas.of([], str(file), None)
