"""The rows that a version's baseline is computed from: its training's events with predictions out of sample.

A model's answers to the rows it was fitted on are too good, and a baseline of them would call every later day drift.
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
    """Directories of a version's reference events, as the baseline job reads them."""

    predictions: Path
    labels: Path


def place(state: Path, model: str, version: str) -> BaselineRows:
    """Return where the reference events of a version are."""
    root = state / "reference" / model / file_names.file_name(version)
    return BaselineRows(root / "predictions", root / "labels")


def write(at: BaselineRows, schema: EventSchema, version: str, rows: Dataset, answers: Values) -> None:
    """Write *rows* and their *answers* as prediction and label events of *version*, whatever was there before."""
    c = schema.columns
    times = pd.to_datetime(rows.times, unit="ms", utc=True)  # as such, whatever a number means in the project file
    made = {c.id: rows.ids, c.time: times, c.version: version, **rows.frame, c.prediction: answers}
    _write_events(at.predictions, made)
    # A label counts from its prediction's time on; when exactly it came is no part of the reference.
    labels = encode.labels(schema, rows.target.tolist()).to_pandas()
    _write_events(at.labels, {c.id: rows.ids, c.label_time: times, c.label: labels})


def _write_events(directory: Path, columns: dict[Any, Any]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False), buffer)
    artifacts.write_whole(directory / "part-0.parquet", buffer.getvalue())
