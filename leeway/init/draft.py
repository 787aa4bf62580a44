"""All that `leeway init` has to decide before it writes a project file, from a log and what its user says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.conventions import Times
from features.errors import DataError
from features.window import from_ms
from leeway.infer import feature_columns, log_files, log_sample, periods
from leeway.infer.columns import InferredColumns, infer_columns
from leeway.infer.log_sample import LogSample
from leeway.infer.periods import Periods
from leeway.infer.roles import ColumnWishes
from leeway.infer.time_columns import time_format

_FEW = 0.01
"""A share of times that may lie anywhere without being taken for what the log is like."""


@dataclass(frozen=True, eq=False)
class Log:
    """A log that was looked at: its events, and its labels where they are elsewhere. *remarks* are for the user."""

    events: Path
    seen: LogSample
    labels: Path | None = None
    labels_seen: LogSample | None = None
    remarks: tuple[str, ...] = ()

    @property
    def label_rows(self) -> pa.Table | None:
        """The first label events, where they are elsewhere."""
        return self.labels_seen.table if self.labels_seen else None

    def without_labels(self, why: DataError) -> Log:
        """Return the log as if nothing had been found beside it, with the reason for the user."""
        remark = f"{self.labels.name if self.labels else 'labels'} is left out: {why.message}; {why.hint}"
        return replace(self, labels=None, labels_seen=None, remarks=(*self.remarks, remark))


@dataclass(frozen=True, eq=False)
class Draft:
    """What a project file is to say. Paths are absolute; *labels* is None where there are none."""

    guess: InferredColumns
    events: Path
    labels: Path | None
    seen: LogSample
    labels_seen: LogSample
    pace: Periods
    label_delay: timedelta
    times: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def look(source: Path, wishes: ColumnWishes, labels: Path | None = None) -> Log:
    """Return the log at *source*, with the labels at *labels*, or with those beside it if they go with it.

    Raises DataError if there is nothing, or it cannot be read.
    """
    place = log_files.events(source).resolve()
    seen = log_sample.read_sample(log_files.files(place))
    beside = labels or log_files.labels_beside(place)
    if beside is None:
        return Log(place, seen)
    if not log_files.files(beside):
        msg = f"{beside} holds no labels"
        raise DataError(msg, hint="--labels names a file or a folder of label events: id, time and label")
    log = Log(place, seen, beside.resolve(), log_sample.read_sample(log_files.files(beside)))
    try:
        infer_columns(seen.table, wishes, log.label_rows)
    except DataError as error:
        if labels is not None:
            raise
        return log.without_labels(error)
    return log


def of(log: Log, wishes: ColumnWishes, home: Path, now: datetime) -> Draft:
    """Return what to write into *home* about *log*, as *wishes* say, or as seems likely where they say nothing.

    Raises:
        NotEnoughData: no rows.
        DataError: a part is not to be found, or no feature is left.
        ProjectError: a wish names no column.
    """
    found = infer_columns(log.seen.table, wishes, log.label_rows)
    found, events = _everywhere(found, log.events, home.resolve())
    has_labels = "label" in found.parts
    times = _times(found, now)
    limits = Times.model_validate(times).range_ms(now)
    ms = found.clock.ms[(found.clock.ms >= limits[0]) & (found.clock.ms < limits[1])]
    if not len(ms):
        msg = f"no time in `{found.parts['time']}` lies between 1990 and now"
        raise DataError(msg, hint="--time names another column")
    low, high = (int(value) for value in np.quantile(ms, (_FEW / 10, 1 - _FEW / 10), method="nearest"))
    cut = periods.periods(ms[(ms >= low) & (ms <= high)])
    return Draft(
        guess=found,
        events=events,
        labels=(log.labels or events) if has_labels else None,
        seen=log.seen,
        labels_seen=log.labels_seen or log.seen,
        pace=cut,
        label_delay=periods.delay(_gaps(log, found), cut.windows.slide),
        times=times,
        remarks=log.remarks,
    )


def _everywhere(found: InferredColumns, log: Path, home: Path) -> tuple[InferredColumns, Path]:
    """Return the guess without the features that some files do not have, and the folder that they are in.

    Raises DataError if a file has no id, time or prediction: then it is no file of the same kind.
    """
    needed = {found.parts[part] for part in ("id", "time", "prediction", "version") if part in found.parts}
    place = log_files.folder(log, needed, found.features, home)
    lack = log_files.lacking(place, needed, found.features) if place.is_dir() else {}
    if odd := needed & set(lack):
        name = min(odd)
        msg = f"{lack[name]} has no column `{name}`, which other files of {place.name} have"
        raise DataError(msg, hint="put files of another kind into a folder of their own, or name one with --from")
    features = {name: value for name, value in found.features.items() if name not in lack}
    left_out = {**found.left_out, **{name: f"{file} does not have it" for name, file in lack.items()}}
    if not features:
        msg = f"the files of {place.name} have no feature in common"
        raise DataError(msg, hint="put files of another kind into a folder of their own, or name one with --from")
    return replace(found, features=features, left_out=left_out), place


def _times(found: InferredColumns, now: datetime) -> dict[str, str]:
    """Return what `times` has to say: the unit or the format, and a range where many events lie outside the usual."""
    told = found.clock
    out: dict[str, str | None] = {"unit": None if told.unit == "ms" else told.unit, "format": told.format}
    earliest, latest = Times().range_ms(now)
    if (told.ms < earliest).mean() > _FEW:
        out["earliest"] = f"{from_ms(int(np.quantile(told.ms, _FEW))):%Y}-01-01"
    if (told.ms >= latest).mean() > _FEW:
        out["latest"] = f"{from_ms(int(np.quantile(told.ms, 1 - _FEW))) + timedelta(days=366):%Y}-12-31"
    return {key: value for key, value in out.items() if value}


def _gaps(log: Log, found: InferredColumns) -> npt.NDArray[np.int64]:
    """Return how many milliseconds after its prediction each label became known, as far as the samples tell."""
    if "label_time" not in found.parts:
        return np.zeros(0, np.int64)
    own, known = feature_columns.plain(log.seen.table), feature_columns.plain((log.labels_seen or log.seen).table)
    names = found.parts
    made_at, known_at = _dated(own, names["id"], names["time"]), _dated(known, names["id"], names["label_time"])
    both = [at - made_at[key] for key, at in known_at.items() if key in made_at]
    return np.array([gap for gap in both if gap >= 0], np.int64)


def _dated(table: pa.Table, key: str, time: str) -> dict[str, int]:
    there = table.filter(table[time].is_valid())
    read = time_format(there[time])
    if read is None or len(read.ms) != there.num_rows:
        return {}
    return dict(zip(map(str, there[key].to_pylist()), read.ms.tolist(), strict=True))
