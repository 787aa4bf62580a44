"""Baseline rows: the events that a version's baseline is computed from, with out-of-sample predictions.

In-sample predictions are too good: compared with a baseline of them, each later day would look like drift.
"""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.events import encode
from features.schema import EventSchema
from features.scoring import Values
from features.security import file_names
from registry.files import artifacts
from retrain_flows.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class BaselineRows:
    """The directories of a version's prediction and label events, which the baseline job reads."""

    predictions: Path
    labels: Path


def place(state: Path, model: str, version: str) -> BaselineRows:
    """Return the directories of a version's baseline rows under the state folder."""
    root = state / "reference" / model / file_names.file_name(version)
    return BaselineRows(root / "predictions", root / "labels")


def write(at: BaselineRows, schema: EventSchema, version: str, rows: Dataset, answers: Values) -> None:
    """Write prediction and label events of a version, in place of those that are there.

    Parameters
    ----------
    at
        Where to write.
    schema
        The schema that the events are written in.
    version
        The version that the predictions are logged under.
    rows
        Features, labels, ids and times.
    answers
        Out-of-sample predictions, (rows,).
    """
    c = schema.columns
    times = pd.to_datetime(
        rows.times, unit="ms", utc=True
    )  # timestamps, so that the unit of numbers in the project file does not matter
    predictions = {c.id: rows.ids, c.time: times, c.version: version, **rows.frame, c.prediction: answers}
    _write_events(at.predictions, predictions)
    # The baseline does not depend on when a label came, so it has the time of its prediction.
    labels = encode.labels(schema, rows.target.tolist()).to_pandas()
    _write_events(at.labels, {c.id: rows.ids, c.label_time: times, c.label: labels})


def _write_events(directory: Path, columns: dict[Any, Any]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False), buffer)
    artifacts.write_whole(directory / "part-0.parquet", buffer.getvalue())
