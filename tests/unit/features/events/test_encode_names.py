"""Encoding in the project file's terms: names of labels, and units of times."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from features.conventions import Times
from features.events import encode
from features.schema import EventSchema, FeatureKind, Task

SCHEMA = EventSchema(
    model="m",
    task=Task.BINARY,
    features={"x": FeatureKind.NUMERIC},
    positive="yes",
    times=Times(format="%d.%m.%Y %H:%M"),
)


@pytest.mark.parametrize(("negative", "other"), [(None, "0"), ("no", "no")])
def test_labels_and_times_are_written_as_they_are_read(negative: str | None, other: str) -> None:
    """1.0 would be no label where the positive one is called yes, and ISO 8601 no time where there is a format."""
    table = pa.table({"id": ["a", "b"], "time": [1_700_000_040_000, 1_700_000_100_000], "label": [1.0, 0.0]})
    named = encode.events(SCHEMA.model_copy(update={"negative": negative}), "labels", table)
    lines = [json.loads(line) for line in encode.json_lines(named, SCHEMA.times.format)]

    expected = [("yes", "14.11.2023 22:14"), (other, "14.11.2023 22:15")]
    assert expected == [(line["label"], line["time"]) for line in lines]
