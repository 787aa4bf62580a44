"""The baseline job refuses a period without usable rows or labels before it starts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from features import errors
from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC
from monitors.config import MonitorPolicy
from monitors.flink import baseline_job

SCHEMA = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC}, version="v1")
GOOD = "id,time,x,prediction\na,2024-01-01,1.5,0.25\n"


def freeze(folder: Path, predictions: str, labels: str) -> None:
    """Ask for the baseline of January from these files."""
    for name, text in (("predictions", predictions), ("labels", labels)):
        (folder / name).mkdir()
        (folder / name / "a.csv").write_text(text)
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
    baseline_job.run(
        SCHEMA, MonitorPolicy(), version="v1", predictions=folder / "predictions", labels=folder / "labels",
        start=start, end=end, logs=folder,
    )  # fmt: skip


def test_labels_none_of_which_can_be_used_are_told(tmp_path: Path) -> None:
    """With the most frequent reason, which names the key to set."""
    with pytest.raises(errors.NotEnoughData, match=r"2 records were set aside, 2 of them because .*events\.positive"):
        freeze(tmp_path, GOOD, "id,time,label\na,2024-01-02,yes\nb,2024-01-02,no\n")


def test_predictions_that_were_all_set_aside_are_told(tmp_path: Path) -> None:
    """Not only that there are none."""
    with pytest.raises(errors.NotEnoughData, match="1 records were set aside, 1 of them because x is not a number"):
        freeze(tmp_path, GOOD.replace("1.5", "tall"), "id,time,label\n")
