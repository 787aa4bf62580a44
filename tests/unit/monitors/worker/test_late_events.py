"""Late events: predictions after their slice was closed are counted once, in the slice that was open then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from features.schema import LATE, PREDICTION, REFUSED, UNUSABLE, EventSchema, FeatureKind, Task
from features.window import to_ms
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.job_spec import FIELD_SEPARATOR, JobSpec
from monitors.profiles import counting
from monitors.profiles.cells import Layout
from monitors.worker import late_events
from tests.support import learned_baselines as learned

SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC})
SLIDE = to_ms(SCHEMA.windows.slide)


def published(folder: Path) -> tuple[JobSpec, Layout]:
    """Return what a worker knows, and where the cells are."""
    known = learned.baseline(SCHEMA, {"x": np.arange(9.0), "prediction": np.full(9, 0.5), "label": np.arange(9) % 2.0})
    (folder / "v1.json").write_text(known.model_dump_json())
    return JobSpec(SCHEMA, MonitorPolicy(), str(folder)), counting.layout(SCHEMA, known.frozen, Stage.INPUTS)


def test_late_predictions_count_in_the_slice_that_is_open(tmp_path: Path) -> None:
    """Once each, however many variables it has; a line tells how many, and the newest of their slices."""
    spec, layout = published(tmp_path)
    answer, x = layout.offsets[PREDICTION], layout.offsets["x"]
    closed = 5 * SLIDE - 1
    cells, line = late_events.late_cells(
        spec,
        [(0, "v1", answer, 2, closed), (SLIDE, "v1", answer + 1, 1, closed + 7), (SLIDE, "v1", x, 3, closed)],
    ) or ([], "")  # fmt: skip

    assert {"late": 3, "newest": SLIDE} == json.loads(line)
    assert [[str(5 * SLIDE), "v1", "", str(layout.offsets[LATE]), "3"]] == [c.split(FIELD_SEPARATOR) for c in cells]


def test_records_without_a_time_count_in_the_slice_that_is_open(tmp_path: Path) -> None:
    """By what they were set aside for: they came now, whenever they were made, and are no late predictions."""
    spec, layout = published(tmp_path)
    told = [(0, "v1", layout.offsets[REFUSED], 2, 5 * SLIDE), (0, "v1", layout.offsets[UNUSABLE] + 3, 4, 5 * SLIDE)]
    cells, line = late_events.late_cells(spec, told) or ([], "")

    assert {"late": 0, "newest": 0} == json.loads(line)
    assert [(5 * SLIDE, cell, n) for _, _, cell, n, _ in told] == [
        (int(start), int(cell), int(n)) for start, _, _, cell, n in (c.split(FIELD_SEPARATOR) for c in cells)
    ]


def test_cells_of_no_prediction_tell_nothing(tmp_path: Path) -> None:
    """A feature's value that comes late is no late prediction."""
    spec, layout = published(tmp_path)
    assert late_events.late_cells(spec, [(0, "v1", layout.offsets["x"], 3, SLIDE)]) is None
    assert late_events.late_cells(spec, []) is None
