"""Checks of baseline and windows (enough rows and slices), and of labels (matching ids, delay)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.events import decode
from features.schema import LABEL
from features.window import format_span, from_ms, to_ms
from leeway import version_service
from leeway.check import late_labels
from leeway.check.environment import Check
from leeway.check.sample import Sample
from leeway.infer import periods as infer_periods
from leeway.project.load import Model
from leeway.project.validation_errors import count
from monitors.baseline import published
from monitors.sequential.exchangeability import MIN_SLICES

SURE_ROWS = 500
"""Rows of a window from which on the default least effect is told from chance in one window of ten bins; fewer are
judged by the evidence of several slices alone."""
MIN_SHARE_TO_MONITOR = 0.01
"""Share of predictions after the baseline below which there is a warning: the baseline holds nearly all."""
_TOLERATED_LATE_SHARE = 0.01
"""Share of labels later than `label_delay` up to which there is no warning."""
_NAMED_VERSIONS, _LISTED_VERSIONS = 3, 10
"""Versions without a baseline that get a line of their own, and those that are listed in another."""
Times = npt.NDArray[np.int64]


def baseline(model: Model, samples: Sequence[Sample], predictions: Sample | None) -> Iterator[Check]:
    """Yield whether the baseline period has events, and leaves some to monitor; only where all events were read.

    *samples* are those of history and predictions, *predictions* that of predictions alone.
    """
    if not all(taken.complete for taken in samples):
        return
    times = np.concatenate([taken.table[decode.TIME].to_numpy() for taken in samples])
    yield from _strays(model, times)
    if model.baseline is None:
        yield from _rows(model, "log", times)
        return
    name = f"{model.name}: baseline"
    start, end = to_ms(model.baseline.start), to_ms(model.baseline.end)
    inside = times[(times >= start) & (times < end)]
    period = f"from {model.baseline.start:%Y-%m-%d} to {model.baseline.end:%Y-%m-%d}"
    if not len(inside):
        yield Check(name, "error", f"no event {period}; choose a period with events")
        return
    yield Check(name, "ok", f"{count(len(inside), 'event')} {period}")
    yield from _rows(model, "baseline", inside)
    if predictions is None:
        return
    later = int((predictions.table[decode.TIME].to_numpy() >= end).sum())
    if not later:
        what = f"no prediction after {model.baseline.end:%Y-%m-%d}, where the baseline ends: nothing is monitored"
        lost = "the newest may be among those set aside: fix these first" if predictions.rejects else ""
        advice = lost or "end the baseline earlier to have existing events judged"
        yield Check(name, "warning", f"{what} until newer ones arrive; {advice}")
    elif later < MIN_SHARE_TO_MONITOR * predictions.table.num_rows:
        what = f"only {later:,} of {count(predictions.table.num_rows, 'prediction')} are monitored, those after"
        yield Check(name, "warning", f"{what} {model.baseline.end:%Y-%m-%d}, where the baseline ends; end it earlier")


def _strays(model: Model, times: Times) -> Iterator[Check]:
    """Yield a warning where a few events lie far beyond all others, as those of a wrong year do."""
    if not len(times):
        return
    first, last = infer_periods.bounds(times)
    for far, key, edge in ((times < first, "earliest", first), (times > last, "latest", last)):
        if number := int(far.sum()):
            farthest = int(times[far].max() if key == "latest" else times[far].min())
            what = f"{count(number, 'event')} far from all others: up to {from_ms(farthest):%Y-%m-%d}, the others to"
            yield Check(f"{model.name}: times", "warning", f"{what} {from_ms(edge):%Y-%m-%d}; correct their times, "
                        f"or set events.times.{key}: then they are set aside")  # fmt: skip


def _rows(model: Model, what: str, times: Times) -> Iterator[Check]:
    """Yield a warning where a baseline, or a log, has too few rows or slices for verdicts."""
    least, name = model.monitor.min_rows, f"{model.name}: {what}"
    windows = model.schema.windows
    slices = len(np.unique(times // to_ms(windows.slide)))
    if len(times) < least:
        have = (
            f"the {what} has {count(len(times), 'event')} in {count(slices, 'slice')} of {format_span(windows.slide)}"
        )
        need = f"baseline and each window need at least {least} events (monitor.min_rows)"
        yield Check(name, "warning", f"{have}: {need}; log more, or take a longer period")
        return
    if slices < 2:
        have = f"all {count(len(times), 'event')} of the {what} are in one slice of {format_span(windows.slide)}"
        yield Check(name, "warning", f"{have}: variation between slices cannot be estimated; take a longer period "
                                     "or a shorter windows.slide")  # fmt: skip
        return
    if what == "baseline" and slices < MIN_SLICES:
        have = (
            f"{slices} slices of {format_span(windows.slide)} have events: a false-alarm guarantee needs {MIN_SLICES}"
        )
        yield Check(name, "warning", f"{have}; take a longer period, or have it renewed by the slices to come")
    spanned = max(times.max() - times.min(), to_ms(windows.slide))
    usual = len(times) * min(1.0, to_ms(windows.size) / spanned)
    have = f"a window of {format_span(windows.size)} has about {count(round(usual), 'event')}"
    if usual < least:
        yield Check(name, "warning", f"{have}: below {least} it is not judged (monitor.min_rows); "
                                     "set a longer windows.size")  # fmt: skip
    elif usual < SURE_ROWS:
        yield Check(name, "ok", f"{have}: with fewer than {SURE_ROWS}, small changes show over several slices only; "
                                "a longer windows.size shows them in one window")  # fmt: skip


def versions(model: Model, predictions: Sample, baselines: Path | None) -> Iterator[Check]:
    """Yield a warning for versions whose predictions a job would set aside, with the command that gives a baseline.

    *baselines* is the folder of the published baselines of all models; None before there are any.
    """
    services = version_service.of_versions(predictions.table)
    folder = baselines / model.name if baselines else None
    found = [one.version for one in services if folder and published.baseline_path(folder, one.version).is_file()]
    period = (model.baseline.start, model.baseline.end) if model.baseline else None
    lacking = version_service.without_baseline(services, found, period)
    for one in lacking[:_NAMED_VERSIONS]:
        have = f"{one.version!r} ({count(one.rows, 'row')} from {from_ms(one.first):%Y-%m-%d} on)"
        command = version_service.baseline_command(model.name, one, model.schema.windows)
        yield Check(f"{model.name}: versions", "warning", f"{count(len(services), 'version')}; {have} will have no "
                    f"baseline, and its rows are set aside: `{command}`")  # fmt: skip
    if more := lacking[_NAMED_VERSIONS:]:
        names = ", ".join(repr(one.version) for one in more[:_LISTED_VERSIONS])
        yield Check(f"{model.name}: versions", "warning", f"{count(len(more), 'more version')} without a baseline: "
                    f"{names}{', ...' if len(more) > _LISTED_VERSIONS else ''}")  # fmt: skip


def labels_match(model: Model, samples: Sequence[Sample], labels: Sample) -> Iterator[Check]:
    """Yield whether labels match predictions by id, and arrive within the declared delay."""
    name, total = f"{model.name}: labels", labels.table.num_rows
    arrived = labels.table.select([decode.ID, decode.TIME, LABEL]).rename_columns(["id", "arrived", "value"])
    made = pa.concat_tables(taken.table.select([decode.ID, decode.TIME]) for taken in samples)
    first = made.group_by(decode.ID).aggregate([(decode.TIME, "min")])  # the earliest of a repeated id counts
    both = arrived.join(first, keys="id", join_type="inner")
    if not both.num_rows:
        example = labels.table[decode.ID][0].as_py()
        message = f"no label matches a prediction by `{model.schema.columns.id}` (first label's id: {example!r})"
        yield Check(name, "warning", f"{message}: check that ids and periods are the same")
        return
    if both.num_rows < total and all(taken.complete for taken in samples):
        yield Check(name, "warning", f"{total - both.num_rows} of {total} labels match no prediction by id")
    delays = both["arrived"].to_numpy() - both[f"{decode.TIME}_min"].to_numpy()
    yield from _delays(name, delays, model.schema.label_delay, both["value"].to_pandas())


def _delays(name: str, delays: Times, declared: timedelta, values: pd.Series) -> Iterator[Check]:
    """Yield whether labels, *delays* milliseconds after their predictions, come within the *declared* delay.

    *values* are the labels: where late ones differ from the others, a model learns from a biased part.
    """
    is_early = delays < 0
    if early := int(is_early.sum()):
        yield Check(name, "warning", f"{early} of {count(len(delays), 'label')} ({is_early.mean():.1%}) are older than "
                                     "their predictions and do not count; check `columns.label_time`")  # fmt: skip
        delays, values = delays[~is_early], values[~is_early]
    if not len(delays):
        return
    late = float((delays > to_ms(declared)).mean())
    usual = format_span(timedelta(minutes=math.ceil(np.quantile(delays, 0.99) / 60_000)))
    limit = format_span(declared)
    if late > _TOLERATED_LATE_SHARE:
        message = (
            f"{late:.0%} of labels arrive later than label_delay {limit} and are left out; 99% arrive within {usual}"
        )
        others = late_labels.difference(values, delays > to_ms(declared))
        yield Check(name, "warning", f"{message}; {others}: raise label_delay" if others else message)
    else:
        yield Check(
            name,
            "ok",
            f"{count(len(delays), 'label')} match a prediction; 99% arrive within {usual} (label_delay {limit})",
        )
