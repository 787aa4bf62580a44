"""The draft of a project file: everything that `leeway init` infers from a log and from what its user names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.conventions import Times
from features.errors import DataError
from features.window import from_ms
from leeway.infer import (
    answer_remarks,
    feature_columns,
    label_delays,
    log_files,
    log_sample,
    periods,
    prediction_columns,
)
from leeway.infer.columns import InferredColumns, infer_columns
from leeway.infer.log_sample import LogSample
from leeway.infer.periods import InferredPeriods
from leeway.infer.roles import ColumnWishes

_OUTLIER_SHARE = 0.01
"""Share of times that are ignored as outliers when periods are inferred."""


@dataclass(frozen=True, eq=False)
class Log:
    """A sampled log: its events, and its labels where they are elsewhere. *remarks* are for the user."""

    events: Path
    sample: LogSample
    labels: Path | None = None
    labels_sample: LogSample | None = None
    remarks: tuple[str, ...] = ()

    @property
    def label_rows(self) -> pa.Table | None:
        """The sample of label events, where labels are elsewhere."""
        return self.labels_sample.table if self.labels_sample else None

    def without_labels(self, why: DataError) -> Log:
        """Return the log without the labels beside it, with the reason as a remark."""
        remark = f"{self.labels.name if self.labels else 'labels'} is left out: {why.message}; {why.hint}"
        return replace(self, labels=None, labels_sample=None, remarks=(*self.remarks, remark))


@dataclass(frozen=True, eq=False)
class Draft:
    """The content of a project file. Paths are absolute; *labels* is None where there are none."""

    inferred: InferredColumns
    events: Path
    labels: Path | None
    sample: LogSample
    labels_sample: LogSample
    periods: InferredPeriods
    label_delay: timedelta
    times: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def read_log(source: Path, wishes: ColumnWishes, labels: Path | None = None) -> Log:
    """Return the log at *source*, with the labels at *labels* or, if they fit, with those beside it.

    Raises DataError if it has no events, or cannot be read.
    """
    place = log_files.events(source).resolve()
    sample = log_sample.read_sample(log_files.files(place))
    beside = labels or log_files.labels_beside(place)
    if beside is None:
        return Log(place, sample)
    if not log_files.files(beside):
        msg = f"{beside} has no labels"
        raise DataError(msg, hint="--labels names a file or a folder of label events: id, time and label")
    log = Log(place, sample, beside.resolve(), log_sample.read_sample(log_files.files(beside)))
    try:
        infer_columns(sample.table, wishes, log.label_rows)
    except DataError as error:
        if labels is not None:
            raise
        return log.without_labels(error)
    return log


def draft(log: Log, wishes: ColumnWishes, project_folder: Path, now: datetime, *, one_file: bool = False) -> Draft:
    """Return the draft for *log*: as *wishes* say, else as inferred.

    Parameters
    ----------
    log
        The sampled log.
    wishes
        What the user has set.
    project_folder
        The folder of the project file.
    now
        Times later than this are outliers.
    one_file
        Whether a log that is a file is all of it. Otherwise its folder is the log, where later files are expected.

    Raises
    ------
    NotEnoughData
        The log has no rows.
    DataError
        A required role has no column, or no feature is left.
    ProjectError
        A wish names no column.
    """
    inferred = infer_columns(log.sample.table, wishes, log.label_rows)
    events = log.events
    if not (one_file and events.is_file()):
        inferred, events = _in_all_files(inferred, events, project_folder.resolve())
    has_labels = "label" in inferred.columns
    times = _times(inferred, now)
    limits = Times.model_validate(times).range_ms(now)
    ms = inferred.time_format.ms[(inferred.time_format.ms >= limits[0]) & (inferred.time_format.ms < limits[1])]
    if not len(ms):
        msg = f"no time in `{inferred.columns['time']}` lies between 1990 and now"
        raise DataError(msg, hint="--time names another column")
    first, last = periods.bounds(ms)
    ms = ms[(ms >= first) & (ms <= last)]
    low, high = (
        int(value) for value in np.quantile(ms, (_OUTLIER_SHARE / 10, 1 - _OUTLIER_SHARE / 10), method="nearest")
    )
    cut = periods.periods(ms[(ms >= low) & (ms <= high)], log.sample.log_rows)
    return Draft(
        inferred=inferred,
        events=events,
        labels=(log.labels or events) if has_labels else None,
        sample=log.sample,
        labels_sample=log.labels_sample or log.sample,
        periods=cut,
        label_delay=periods.label_delay(label_delays.observed(log.events, log.labels, inferred), cut.windows.slide),
        times=times,
        remarks=(*log.remarks, *_remarks(log, wishes, inferred)),
    )


def _remarks(log: Log, wishes: ColumnWishes, inferred: InferredColumns) -> Iterator[str]:
    """Yield what the user should know of the predictions and labels; of the task only where it was not named."""
    table, parts = feature_columns.plain_columns(log.sample.table), inferred.columns
    yield from answer_remarks.possible_labels(table, parts, inferred.features)
    if wishes.task is None:
        others = None if log.label_rows is None else feature_columns.plain_columns(log.label_rows)
        made = table[parts["prediction"]] if "prediction" in parts else None
        yield from answer_remarks.on_task(inferred.task, made, prediction_columns.label_sample(table, parts, others))


def _in_all_files(inferred: InferredColumns, log: Path, project_folder: Path) -> tuple[InferredColumns, Path]:
    """Return *inferred* without the features that some files lack, and the folder of the files.

    Raises DataError if a file has no id, time or prediction: then it is another kind of file.
    """
    needed = {inferred.columns[part] for part in ("id", "time", "prediction", "version") if part in inferred.columns}
    place = log_files.folder(log, needed, inferred.features, project_folder)
    file_without = log_files.lacking(place, needed, inferred.features) if place.is_dir() else {}
    if odd := needed & set(file_without):
        name = min(odd)
        msg = f"{file_without[name]} has no column `{name}`, which other files of {place.name} have"
        raise DataError(msg, hint="move files of another kind to a folder of their own, or name one file with --from")
    features = {name: value for name, value in inferred.features.items() if name not in file_without}
    left_out = {**inferred.left_out, **{name: f"{file} does not have it" for name, file in file_without.items()}}
    if not features:
        msg = f"the files of {place.name} have no feature in common"
        raise DataError(msg, hint="move files of another kind to a folder of their own, or name one file with --from")
    return replace(inferred, features=features, left_out=left_out), place


def _times(inferred: InferredColumns, now: datetime) -> dict[str, str]:
    """Return the keys of `events.times`: unit or format, and a range where many events lie outside the default."""
    time_format = inferred.time_format
    out: dict[str, str | None] = {
        "unit": None if time_format.unit == "ms" else time_format.unit,
        "format": time_format.format,
    }
    earliest, latest = Times().range_ms(now)
    if (time_format.ms < earliest).mean() > _OUTLIER_SHARE:
        out["earliest"] = f"{from_ms(int(np.quantile(time_format.ms, _OUTLIER_SHARE))):%Y}-01-01"
    if (time_format.ms >= latest).mean() > _OUTLIER_SHARE:
        out["latest"] = (
            f"{from_ms(int(np.quantile(time_format.ms, 1 - _OUTLIER_SHARE))) + timedelta(days=366):%Y}-12-31"
        )
    return {key: value for key, value in out.items() if value}
