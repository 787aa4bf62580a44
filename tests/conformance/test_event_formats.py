"""Conformance of event formats: the same events decode to the same table, from files and topics, and no bytes raise."""

from __future__ import annotations

import csv
import importlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.events import decode, encode, location
from features.files import file_chunks
from features.kafka.records import Records
from features.schema import EventSchema, FeatureKind, Role, Source, Task
from features.topic import RecordFormat
from features.window import UTC

ROOT = Path(__file__).parents[2]
NOW = datetime(2024, 6, 1, tzinfo=UTC)
SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL})
SUFFIXES = tuple(file_chunks.FORMATS)
TOPICS: tuple[RecordFormat, ...] = get_args(RecordFormat)
ROLES: tuple[Role, ...] = ("predictions", "labels")
TEXTS = ("JFK", "a,b", 'with "quotes"', "über 東京 🛫", " spaces ", None)
NUMBERS = (0.1, -3.0, 1e30, 5e-324, 123456789012.5, None)


def table(role: Role, rows: int = 60) -> pa.Table:
    """Return events as decoding gives them, with texts that some format has to quote and numbers to their last bit."""
    start = 1_706_000_000_000
    common = {"id": [f"id-{i}" for i in range(rows)], "time": [start + 61_001 * i for i in range(rows)]}
    columns = (
        {**common, "label": [float(i % 2) for i in range(rows)]}
        if role == "labels"
        else {
            **common,
            "model_version": [f"v{i % 3}" for i in range(rows)],
            "prediction": [i / rows for i in range(rows)],
            "x": [NUMBERS[i % len(NUMBERS)] for i in range(rows)],
            "c": [TEXTS[i % len(TEXTS)] for i in range(rows)],
        }
    )
    return pa.table(columns, schema=decode.empty(SCHEMA, role).schema)


def write_jsonl(events: pa.Table, path: Path) -> None:
    """Write *events* as JSON Lines."""
    path.write_bytes(b"".join(line + b"\n" for line in encode.json_lines(events)))


def write_csv(events: pa.Table, path: Path) -> None:
    """Write *events* as CSV, with a header."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, events.column_names)
        writer.writeheader()
        writer.writerows(json.loads(line) for line in encode.json_lines(events))


def write_parquet(events: pa.Table, path: Path) -> None:
    """Write *events* as Parquet, in several row groups."""
    pq.write_table(events, path, row_group_size=25)


WRITERS: dict[file_chunks.FileFormat, Callable[[pa.Table, Path], None]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
}


def written(role: Role, suffix: str, folder: Path) -> Path:
    """Return a file of the format of *suffix* with the events of :func:`table`."""
    path = folder / f"events{suffix}"
    WRITERS[file_chunks.FORMATS[suffix]](encode.events(SCHEMA, role, table(role)), path)
    return path


def batch(form: RecordFormat, values: list[Any]) -> Records:
    """Return *values* as the records of one partition."""
    return Records.of(Source(topic="t", format=form), [0] * len(values), list(range(len(values))), values)


def encoded(role: Role, form: RecordFormat) -> list[Any]:
    """Return the events of :func:`table` as records of *form*."""
    return list(encode.records(SCHEMA, role, table(role), Source(topic="t", format=form)))


def test_every_file_format_has_a_writer_here() -> None:
    """A new format of files is tested by a way to write it: add one to WRITERS."""
    assert set(file_chunks.FORMATS.values()) == set(get_args(file_chunks.FileFormat)) == set(WRITERS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_decodes_to_the_events_that_were_written(suffix: str, role: Role, tmp_path: Path) -> None:
    """Every value to the last bit, every missing one missing, nothing set aside, in the order of the file."""
    decoded = decode.read_events(SCHEMA, role, written(role, suffix, tmp_path), now=NOW)

    assert () == decoded.rejects
    assert table(role).to_pylist() == decoded.table.select(table(role).column_names).to_pylist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_may_be_cut_anywhere(suffix: str, tmp_path: Path) -> None:
    """Small chunks, each a reference that travels as text, give the same rows and the same lines as one."""
    path = written("predictions", suffix, tmp_path)
    references = [location.decode(chunk.encode()) for chunk in file_chunks.chunks(path, size=300)]
    parts = [decode.decode(SCHEMA, "predictions", reference, now=NOW) for reference in references]
    whole = decode.read_events(SCHEMA, "predictions", path, now=NOW)

    assert len(references) > 1
    assert whole.table.equals(decode.join(SCHEMA, "predictions", parts).table)
    assert whole.lines.tolist() == np.concatenate([part.lines for part in parts]).tolist()


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "other"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_file_raises_nothing(suffix: str, damage: str, tmp_path: Path) -> None:
    """What cannot be read is set aside with the file's name and a reason; an empty file is no rows."""
    path = written("predictions", suffix, tmp_path)
    data, rng = path.read_bytes(), np.random.default_rng(5)
    path.write_bytes(
        {"empty": b"", "cut": data[: len(data) * 2 // 3], "noise": rng.bytes(5000), "other": b"\0" * 99}[damage]
    )
    decoded = decode.read_events(SCHEMA, "predictions", path, now=NOW)

    assert all(reject.path == str(path) and reject.reason for reject in decoded.rejects)
    assert decoded.table.schema == decode.empty(SCHEMA, "predictions").schema
    assert damage == "cut" or not decoded.table.num_rows


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("form", TOPICS)
def test_records_decode_to_the_events_that_were_encoded(form: RecordFormat, role: Role) -> None:
    """What `leeway produce` writes into a topic is what a job reads from it, to the last bit."""
    decoded = decode.decode_records(SCHEMA, role, batch(form, encoded(role, form)), now=NOW)

    assert () == decoded.rejects
    assert table(role).to_pylist() == decoded.table.select(table(role).column_names).to_pylist()


@pytest.mark.parametrize("form", TOPICS)
def test_a_bad_record_costs_itself_only(form: RecordFormat) -> None:
    """Noise, nothing and a record that is cut are set aside by partition and offset; those beside them are read."""
    good, rng = encoded("predictions", form), np.random.default_rng(9)
    bad = [None, b"", rng.bytes(40), good[0][: len(good[0]) // 2]]
    decoded = decode.decode_records(SCHEMA, "predictions", batch(form, [*bad, *good]), now=NOW)

    assert table("predictions").to_pylist() == decoded.table.select(table("predictions").column_names).to_pylist()
    assert [("t/0", offset) for offset in range(len(bad))] == sorted({(r.path, r.line) for r in decoded.rejects})


OF_TOPICS = (
    "features.events.encode:CONTENT",
    "features.kafka.records:_READERS",
    "features.kafka.offset_ranges:OFFSETS_PER_RANGE",
    "leeway.check.event_source:_RECORDS_PER_RANGE",
    "leeway.topics.tail_records:_READ",
)
OF_FILES = ("leeway.init.add_ids:_COPY",)


def looked_up(name: str) -> set[str]:
    """Return the keys of a table, named as ``module:name``."""
    module, _, attribute = name.partition(":")
    return set(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("name", OF_TOPICS)
def test_a_table_by_format_of_topics_has_them_all(name: str) -> None:
    """Reading, writing, cutting, checking and tailing know every format: a missing one would be a KeyError in a job."""
    assert set(TOPICS) == looked_up(name)


@pytest.mark.parametrize("name", OF_FILES)
def test_a_table_by_format_of_files_has_them_all(name: str) -> None:
    """`leeway init --number-rows` can copy a file of every format."""
    assert set(get_args(file_chunks.FileFormat)) == looked_up(name)


@pytest.mark.parametrize(("page", "words"), [("events.md", SUFFIXES), ("kafka.md", TOPICS)], ids=["files", "topics"])
def test_every_format_is_on_its_page(page: str, words: tuple[str, ...]) -> None:
    """`docs/events.md` names every ending of files, `docs/kafka.md` every format of records."""
    text = (ROOT / "docs" / page).read_text()

    assert [] == [word for word in words if not re.search(rf"`[^`]*{re.escape(word)}\b[^`]*`|\|\s*`?{word}", text)]
