"""Baseline job: freezes bins from a version's training period, then counts every slice with the profile job."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from features.events.location import Place
from features.schema import EventSchema
from features.window import to_ms
from monitors.baseline import build, published
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.flink import environment_job, files_source_job, profile_job, run_job
from monitors.flink.committed_output import committed_lines
from monitors.flink.sinks_job import Folders
from monitors.job_spec import JobSpec


def run(  # noqa: PLR0913 - a baseline is of a version, its events and a period
    schema: EventSchema,
    policy: MonitorPolicy,
    *,
    version: str,
    predictions: Place,
    labels: Place | None,
    start: datetime,
    end: datetime,
    logs: Path,
    importance: Mapping[str, float] | None = None,
) -> Baseline:
    """Return the baseline of a model version.

    Parameters
    ----------
    schema
        The model's event schema.
    policy
        The monitoring policy.
    version
        The model version.
    predictions
        Where its predictions are.
    labels
        Where the labels are; None if there are none.
    start
        Start of the period.
    end
        End of the period, exclusive.
    logs
        Directory of Flink's log.
    importance
        Importance of each feature to the version; None if unknown.

    Raises
    ------
    NotEnoughData
        No prediction of that version lies in the period, or none of the labels can be used.
    EngineError
        The Flink job fails.
    """
    events = build.read(schema, version=version, predictions=predictions, labels=labels, start=start, end=end)
    directories = files_source_job.Directories(predictions, labels)

    def count(draft: Baseline, _: build.BaselineEvents) -> dict[Stage, list[Slice]]:
        return _count(draft, policy, directories, logs)

    return build.build(schema, policy, events, count, importance)


def _count(
    draft: Baseline, policy: MonitorPolicy, directories: files_source_job.Directories, logs: Path
) -> dict[Stage, list[Slice]]:
    """Return the counts of every slice by stage, from a batch run of the profile job with the draft's bins."""
    with tempfile.TemporaryDirectory(prefix="leeway-") as work:
        folder = Path(work, "baselines")
        folder.mkdir()
        published.baseline_path(folder, draft.version).write_text(draft.model_dump_json())
        spec = JobSpec(draft.events, policy, str(folder), to_ms(draft.start), to_ms(draft.end))
        outputs = Folders.under(Path(work, "out"))
        tables = environment_job.environment(logs, streaming=False)
        with run_job.flink_errors(logs):
            result = profile_job.submit_slices(tables, spec, directories, outputs)
        run_job.finish(result, logs)
        counted: dict[Stage, list[Slice]] = {stage: [] for stage in Stage}
        for text in sorted(committed_lines(outputs.reports)):
            line = json.loads(text)
            counted[Stage(line.pop("stage"))].append(Slice(**line))
        return {stage: sorted(slices, key=lambda s: (s.start, s.segment)) for stage, slices in counted.items()}
