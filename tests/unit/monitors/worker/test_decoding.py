"""Decoding in Flink workers: records of a topic to rows; a dead letter has its offset and the record's bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from features.kafka.records import Records
from features.schema import REFUSED, UNUSABLE, EventSchema, FeatureKind, Task
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.job_spec import FIELD_SEPARATOR, JobSpec
from monitors.profiles import counting
from monitors.worker import decoding, row_batches
from tests.support import learned_baselines as learned

SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC})


def records(*values: bytes | None) -> Records:
    """Return records of partition 3, from offset 10 on."""
    return Records("t", "json", [3] * len(values), list(range(10, 10 + len(values))), list(values))


def event(identity: str, version: str = "v1") -> bytes:
    """Return a prediction."""
    return json.dumps(
        {"id": identity, "time": 1_704_067_200_000, "model_version": version, "x": 1.0, "prediction": 0.5}
    ).encode()


def test_labels_are_rows_and_bad_ones_are_letters(tmp_path: Path) -> None:
    """Id, time and label; what has no label is set aside with role, topic, partition, offset, reason and bytes."""
    good, bad = b'{"id": "a", "time": 1704067200007, "label": 1}', b'{"id": "b", "time": 1704067200008}'
    spec = JobSpec(SCHEMA, MonitorPolicy(), str(tmp_path))
    cells, packed, letters, progress = decoding.decode_records(spec, "labels", records(good, bad))

    assert [] == cells
    assert [("a", 1704067200007, 1.0)] == [
        tuple(row)
        for sheet in packed
        for row in row_batches.unpack("labels", [sheet.split(FIELD_SEPARATOR)[3]]).to_numpy()
    ]
    assert [["labels", "t", "3", "11", "label is missing", bad.hex()]] == [
        letter.split(FIELD_SEPARATOR) for letter in letters
    ]
    assert {
        "role": "labels",
        "topic": "t",
        "rows": 1,
        "rejected": 1,
        "newest": 0,
        "reasons": {"label is missing": 1},
    } == json.loads(progress)


def test_predictions_of_a_version_without_a_baseline_are_letters_of_their_own_record(tmp_path: Path) -> None:
    """Each with the offset and the bytes of its record, beside one that cannot be read and one without a value."""
    spec, first, last = JobSpec(SCHEMA, MonitorPolicy(), str(tmp_path)), event("a"), event("b", "v2")
    *_, letters, progress = decoding.decode_records(spec, "predictions", records(first, b"\xff", None, last))
    found = [letter.split(FIELD_SEPARATOR) for letter in letters]

    assert [("10", first), ("11", b"\xff"), ("12", b""), ("13", last)] == [
        (letter[3], bytes.fromhex(letter[5])) for letter in found
    ]
    assert "no baseline for model version 'v2'" == found[3][4]
    assert 4 == json.loads(progress)["rejected"]


def test_refused_values_are_counted_by_variable(tmp_path: Path) -> None:
    """In the slice of their own time and version, also where nothing else came, or by what they lack, in the newest."""
    rng = np.random.default_rng(1)
    known = learned.baseline(
        SCHEMA,
        {"x": rng.normal(size=200), "prediction": rng.random(200), "label": rng.integers(2, size=200).astype(float)},
    )
    (tmp_path / "v1.json").write_text(known.model_dump_json())
    spec = JobSpec(SCHEMA, MonitorPolicy(), str(tmp_path))
    told = {"id": "a", "time": 1_704_067_200_123, "model_version": "v1", "x": "blue", "prediction": 0.5}
    bad = [told, {**told, "id": "b", "x": 1.0, "prediction": "high"}, {**told, "time": "soon"}, {**told, "id": None}]
    cells, *_ = decoding.decode_records(spec, "predictions", records(*(json.dumps(b).encode() for b in bad)))
    offsets = counting.layout(SCHEMA, known.frozen, Stage.INPUTS).offsets
    prediction, x = (offsets[REFUSED] + i for i in range(2))
    no_id, no_time, *_ = (offsets[UNUSABLE] + i for i in range(4))
    rows = [c.split(FIELD_SEPARATOR) for c in cells]
    found = {int(cell): int(n) for start, version, segment, cell, n in rows}

    assert {prediction: 1, x: 1, no_id: 1, no_time: 1} == found
    assert {("1704067200000", "v1", "")} == {tuple(row[:3]) for row in rows if int(row[3]) != no_time}


def test_predictions_wait_only_where_labels_may_come(tmp_path: Path) -> None:
    """A place without labels has no outcomes: its predictions are counted, and no row of them is sent on."""
    known = learned.baseline(SCHEMA, {"x": np.arange(9.0), "prediction": np.full(9, 0.5), "label": np.arange(9) % 2.0})
    (tmp_path / "v1.json").write_text(known.model_dump_json())
    packed = {}
    for outcomes in (True, False):
        spec = JobSpec(SCHEMA, MonitorPolicy(), str(tmp_path), outcomes=outcomes)
        cells, packed[outcomes], *_ = decoding.decode_records(spec, "predictions", records(event("a")))
        assert cells

    assert (1, 0) == (len(packed[True]), len(packed[False]))
