"""A training set as files for others: Parquet in order of time and id, and a manifest with digest and counts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features import errors, scoring
from features.events.decode import ID, TIME, VERSION
from features.schema import LABEL, PREDICTION, Task
from features.window import from_ms
from monitors.training_set.built import BuiltSet
from monitors.training_set.digest import RowDigest
from monitors.training_set.join import LABEL_TIME, targets
from monitors.training_set.period import TrainingPeriod

MANIFEST = "manifest.json"
FILE_ROWS = 1 << 20
"""Rows of a file."""
GROUP_ROWS = 1 << 16
"""Rows of a row group."""
MAX_REASONS = 20
"""Reasons of rejected records that a manifest lists, those of most records first."""
_TIMES = {"label_time": LABEL_TIME, "matured_at": TIME}
_STAMP = pa.timestamp("ms", "UTC")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a training set is: stored beside its files, and printed.

    Parameters
    ----------
    model
        The model.
    start, end
        The period of its predictions, [start, end): *end* is not after the last moment whose predictions had matured.
    digest
        The digest of ids, times, features and labels in order, which is also that of a retrain on the same rows.
    counts
        What became of the predictions.
    read, rejected
        Records that were read and could be used or not, by role.
    reasons
        The most frequent reasons of rejected records, and how many each has.
    columns
        The columns of the files, with their types.
    files
        The files in order, each with rows and sha256.
    """

    model: str
    start: datetime
    end: datetime
    digest: str
    counts: dict[str, int]
    read: dict[str, int]
    rejected: dict[str, int]
    reasons: dict[str, int]
    columns: dict[str, str]
    files: list[dict[str, Any]]

    def text(self) -> str:
        """Return the manifest as JSON: the same set gives the same text."""
        own = {**asdict(self), "start": self.start.isoformat(), "end": self.end.isoformat()}
        return json.dumps(own, indent=2, sort_keys=True) + "\n"


def write(built_set: BuiltSet, target: Path) -> Manifest:
    """Write a built set to a folder, which appears with all its files or not at all.

    Columns are ``id``, ``time``, ``model_version``, ``prediction``, the features as a model gets them (infinite numbers
    are missing), ``label``, ``label_time`` and ``matured_at``, the time from which the label counts as final: the rows
    with ``matured_at`` up to a moment are the training set as of that moment.

    Raises
    ------
    DataError
        The folder exists and is not empty.
    ProjectError
        A feature has the name of another column.
    """
    check_target(target)
    if taken := _TIMES.keys() & built_set.period.schema.features.keys():
        msg = f"{sorted(taken)} is a feature, and a column that each training set has"
        raise errors.ProjectError(msg, hint="rename it in the log and in the project file")
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        digest, files = RowDigest(), []
        for number, (schema, groups) in enumerate(_by_file(built_set, digest)):
            files.append(_write_file(draft / f"part-{number:05}.parquet", schema, groups))
        manifest = _manifest(built_set, digest.hex(), files)
        (draft / MANIFEST).write_text(manifest.text())
        if target.is_dir():
            target.rmdir()  # it is empty
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return manifest


def check_target(target: Path) -> None:
    """Check that a set can be written to a folder.

    Raises
    ------
    DataError
        It exists and is not empty.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        msg = f"{target} exists already and is not empty"
        raise errors.DataError(msg, hint="name another folder, or remove this one")


def _by_file(built_set: BuiltSet, digest: RowDigest) -> Iterator[tuple[pa.Schema, Iterator[pa.Table]]]:
    """Yield the row groups of each file, of a length that does not depend on how the set was built."""
    groups = _groups(built_set, digest)
    while (first := next(groups, None)) is not None:
        yield first.schema, _with_others(first, groups, FILE_ROWS // GROUP_ROWS)


def _with_others(first: pa.Table, others: Iterator[pa.Table], n: int) -> Iterator[pa.Table]:
    yield first
    for _ in range(n - 1):
        if (group := next(others, None)) is None:
            return
        yield group


def _groups(built_set: BuiltSet, digest: RowDigest) -> Iterator[pa.Table]:
    """Yield the rows in groups of :data:`GROUP_ROWS`, the last one shorter; a set without rows is one empty group."""
    waiting, rows, any_yet = list[pa.Table](), 0, False
    for table in built_set.tables():
        waiting.append(columns(built_set.period, table, digest))
        rows += table.num_rows
        while rows >= GROUP_ROWS:
            whole = pa.concat_tables(waiting).combine_chunks()
            yield whole.slice(0, GROUP_ROWS)
            waiting, rows, any_yet = [whole.slice(GROUP_ROWS)], rows - GROUP_ROWS, True
    if rows or not any_yet:
        yield pa.concat_tables(waiting).combine_chunks()


def columns(period: TrainingPeriod, table: pa.Table, digest: RowDigest) -> pa.Table:
    """Return the columns of the files for joined rows, which the digest takes in."""
    schema, times = period.schema, table[TIME].to_numpy()
    frame = scoring.inputs(schema, table)
    digest.add(frame, np.asarray(table[ID].to_pandas(), dtype=object), times, targets(schema, table))
    features = pa.Table.from_pandas(frame, preserve_index=False).cast(table.select(list(schema.features)).schema)
    return pa.table({
        ID: table[ID], TIME: pa.array(times).cast(_STAMP), VERSION: table[VERSION], PREDICTION: table[PREDICTION],
        **dict(zip(features.column_names, features.columns, strict=True)), LABEL: table[LABEL],
        "label_time": table[LABEL_TIME].cast(_STAMP), "matured_at": pa.array(times + period.delay).cast(_STAMP),
    })  # fmt: skip


def _write_file(path: Path, schema: pa.Schema, groups: Iterator[pa.Table]) -> dict[str, Any]:
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in groups:
            writer.write_table(group, row_group_size=GROUP_ROWS)
            rows += group.num_rows
    with path.open("rb") as file:
        return {"name": path.name, "rows": rows, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _manifest(built_set: BuiltSet, digest: str, files: list[dict[str, Any]]) -> Manifest:
    """Return the manifest of a set that was written to files."""
    schema, reasons = built_set.period.schema, Counter[str]()
    for letter in built_set.letters():
        reasons[letter["reason"]] += letter["records"]
    kinds = {name: kind.value for name, kind in schema.features.items()}
    label = "categorical" if schema.task is Task.MULTICLASS else "numeric"
    columns = {ID: "text", TIME: "time", VERSION: "text", PREDICTION: schema.prediction_kind.value, **kinds,
               LABEL: label, "label_time": "time", "matured_at": "time"}  # fmt: skip
    start, until = built_set.period.predictions
    return Manifest(
        model=schema.model, start=from_ms(start), end=from_ms(max(start, until)), digest=digest,
        counts=asdict(built_set.counts), read=built_set.read, rejected=built_set.rejected,
        reasons=dict(reasons.most_common(MAX_REASONS)), columns=columns, files=files,
    )  # fmt: skip
