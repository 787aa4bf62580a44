"""Baselines built in this process: the baseline job without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from features.events.location import Place
from features.schema import EventSchema
from monitors.baseline import build
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.in_process import slices


def run(  # noqa: PLR0913 - a baseline is of a version, its events and a period
    schema: EventSchema,
    policy: MonitorPolicy,
    *,
    version: str,
    predictions: Place,
    labels: Place | None,
    start: datetime,
    end: datetime,
    importance: Mapping[str, float] | None = None,
) -> Baseline:
    """Return the baseline of a model version; parameters and errors as of :func:`monitors.flink.baseline_job.run`."""
    events = build.read(schema, version=version, predictions=predictions, labels=labels, start=start, end=end)
    return build.build(schema, policy, events, slices.count_baseline, importance)
