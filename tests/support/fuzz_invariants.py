"""Invariants of fuzzing, as files and as Kafka records: each record is counted once, and no valid one is lost."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from features.events import decode
from features.kafka.records import Records
from features.schema import Source
from features.topic import RecordFormat
from features.window import UTC
from tests.support import malformed_records as records
from tests.support.malformed_records import SCHEMA

NOW = datetime(2024, 6, 1, tzinfo=UTC)
SHARE = 0.7
"""So many records are malformed."""


@dataclass
class Tally:
    """Records of one format by one door: how many, how many of them rows, and why the others were set aside."""

    records: int = 0
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, decoded: decode.Decoded) -> None:
        """Count a batch of so many records."""
        self.records += number
        self.rows += decoded.table.num_rows
        for letter in decoded.rejects:
            self.reasons[letter.reason[:40]] += letter.records


def _check_sound(decoded: decode.Decoded, expected: Iterable[str]) -> None:
    ids = decoded.table["id"].to_pylist()
    found = Counter(word for word in ids if word.startswith("good"))
    lost = Counter(expected) - found
    assert not lost, f"sound records are lost: {list(lost)[:5]}"


def _sound(values: Iterable[bytes], mark: bytes) -> list[str]:
    """Return the ids of those records that are sound: they stand in the order of their numbers."""
    return [f"good{i}" for i, value in enumerate(values) if mark % i in value]


def topic(form: RecordFormat, seed: int, number: int) -> Tally:
    """Decode so many records of a topic, and check that each is a row or a letter, with all of its bytes."""
    make = {"json": records.json_record, "avro": records.avro_record, "arrow": records.arrow_record}[form]
    values: list[bytes | None] = list(records.many(make, (seed, 1), number, SHARE))
    rng = random.Random(seed)
    for i in rng.sample(range(number), max(number // 500, 1)):
        values[i] = rng.choice((None, b""))
    batch = Records("t", form, [0] * number, list(range(number)), values)
    decoded = decode.decode_records(SCHEMA, "predictions", batch, now=NOW)

    rows = Counter(decoded.lines.tolist())
    letters = Counter(letter.line for letter in decoded.rejects)
    if form == "arrow":  # a record holds many events, or none
        events = sum(1 for i in range(number) if not rows[i] and not letters[i])
        assert events <= number * 0.35, f"{events} records are neither rows nor letters"
        tally = Tally()
        tally.add(decoded.table.num_rows + sum(letter.records for letter in decoded.rejects), decoded)
        return tally
    assert rows + letters == Counter(range(number)), "a record is not counted once"
    for letter in decoded.rejects:
        whole = values[letter.line] or b""
        assert whole.startswith(bytes.fromhex(letter.raw_hex) if letter.raw_hex else letter.raw.encode())
    if form == "json":
        _check_sound(decoded, _sound((v or b"" for v in values), b'{"id": "good%d",'))
    tally = Tally()
    tally.add(number, decoded)
    return tally


def jsonl(seed: int, number: int) -> Tally:
    """Decode so many lines of a JSON Lines file, and check that each is a row or a letter."""
    lines = records.many(records.json_line, (seed, 2), number, SHARE)
    decoded = _files(b"\n".join(lines) + b"\n", "e.jsonl")

    told = Counter(decoded.lines.tolist()) + Counter(letter.line for letter in decoded.rejects)
    assert told == Counter(range(1, number + 1)), "a line is not counted once"
    _check_sound(decoded, _sound(lines, b'{"id": "good%d",'))
    tally = Tally()
    tally.add(number, decoded)
    return tally


def csv(seed: int, number: int) -> Tally:
    """Decode so many records of a CSV file, and check that each line is one, or part of one that has line ends."""
    lines = [",".join(records.COLUMNS).encode(), *records.many(records.csv_line, (seed, 3), number, SHARE)]
    data = b"\n".join(lines) + b"\n"
    decoded = _files(data, "e.csv")

    starts = Counter(decoded.lines.tolist()) + Counter(letter.line for letter in decoded.rejects)
    assert max(starts.values()) == 1, "a line is counted twice"
    texts = decoded.table.select(["id", "c", "model_version"]).to_pylist()
    pairs = zip(decoded.lines.tolist(), texts, strict=True)
    long = {line for line, row in pairs if "\u240a" in "".join(map(str, row.values()))}
    long |= {letter.line for letter in decoded.rejects if "\n" in letter.raw}
    inside = False
    for number_of, line in enumerate(data.split(b"\n")[1:], 2):
        if starts[number_of]:
            inside = number_of in long
        elif line.strip():
            assert inside, f"line {number_of} is neither a row nor a letter: {line[:80]!r}"
    _check_sound(decoded, _sound(lines[1:], b"good%d,"))
    tally = Tally()
    tally.add(len(starts), decoded)
    return tally


def parquet(seed: int, number: int) -> Tally:
    """Decode Parquet files of about so many rows in all, and check that each row is a row or a letter."""
    rng, tally = random.Random(seed), Tally()
    while tally.records < number:
        data, rows = records.parquet_file(rng, 0, SHARE)
        decoded = _files(data, "e.parquet")
        counted = decoded.table.num_rows + sum(letter.records for letter in decoded.rejects)
        if rows >= 0:  # a file without rows may be told as one that cannot be read
            assert counted == rows or (rows, counted) == (0, 1), f"{counted} of {rows} rows are told"
        tally.add(counted, decoded)
    return tally


def _files(data: bytes, name: str) -> decode.Decoded:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        return decode.read_events(SCHEMA, "predictions", Source(path=folder), now=NOW)


WAYS: dict[str, Callable[[int, int], Tally]] = {
    "JSON Lines": jsonl,
    "CSV": csv,
    "Parquet": parquet,
    "JSON records": lambda seed, number: topic("json", seed, number),
    "Avro records": lambda seed, number: topic("avro", seed, number),
    "Arrow records": lambda seed, number: topic("arrow", seed, number),
}
