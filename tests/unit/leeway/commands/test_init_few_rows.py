"""`leeway init` on logs of few rows: windows are long enough to be judged, and the least rows fit them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import errors
from leeway.init import starter_file
from leeway.project.load import Model
from monitors.config import MonitorPolicy

DAY = timedelta(days=1)


def model_of(folder: Path, rows: int, every: timedelta) -> Model:
    """Return the model that is inferred for a log with a row *every* so often."""
    rng = np.random.default_rng(2)
    times = pd.date_range("1990-01-01", periods=rows, freq=every)
    log = pd.DataFrame({"id": range(rows), "time": times, "x": rng.normal(size=rows), "label": rng.normal(size=rows)})
    log.to_csv(folder / "log.csv", index=False)
    return starter_file.write(folder / "leeway.yaml", folder / "log.csv").model()


@pytest.mark.parametrize(
    ("rows", "every", "size", "slide", "least"),
    [
        (6_000, DAY / 20, 7 * DAY, DAY, 30),  # as ever
        (1_000, DAY / 5, 7 * DAY, DAY, 17),
        (1_000, DAY, 28 * DAY, 7 * DAY, 14),  # a row a day for three years
        (300, DAY, 21 * DAY, DAY, 10),  # too short for slices of a week
        (2_000, 7 * DAY, 140 * DAY, 28 * DAY, 10),  # a row a week for forty years
        (200, 7 * DAY, 140 * DAY, 7 * DAY, 10),  # too short for slices of four weeks
        (40, DAY, 7 * DAY, DAY, 10),  # too short for any; a quarter of it is no more
    ],
)
def test_a_window_has_enough_rows_to_be_judged(
    tmp_path: Path, rows: int, every: timedelta, size: timedelta, slide: timedelta, least: int
) -> None:
    """A window of 28 rows with a least number of 30 would never be judged, however far the world moved."""
    made = model_of(tmp_path, rows, every)
    windows = made.schema.windows
    assert (size, slide, least) == (windows.size, windows.slide, made.monitor.min_rows)
    assert size / every >= least or rows < 100


@pytest.mark.parametrize(("every", "days"), [(DAY, 91), (DAY / 20, 90), (7 * DAY, 364)])
def test_the_budget_is_of_thirteen_slices_at_least(tmp_path: Path, every: timedelta, days: int) -> None:
    """One false alarm in three slices of four weeks would be one in each that is told."""
    made = model_of(tmp_path, 2_000, every)
    assert timedelta(days=days) == made.monitor.false_alarms.span
    assert MonitorPolicy().false_alarms.count == made.monitor.false_alarms.count


def test_a_column_of_two_values_is_named_where_no_label_is_found(tmp_path: Path) -> None:
    """`is_fraud` may be a feature as well: it is not taken, and the hint names it."""
    times = pd.date_range("2025-01-01", periods=50, freq="h")
    log = pd.DataFrame({"id": range(50), "time": times, "x": np.arange(50) * 0.3, "is_fraud": [0, 1] * 25})
    log.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(errors.DataError) as refused:
        starter_file.write(tmp_path / "leeway.yaml", tmp_path / "log.csv")
    assert "it may be is_fraud, of two values" in str(refused.value.hint)
