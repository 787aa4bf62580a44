"""Baseline job: freezes bins from a version's training period, then counts every slice with the profile job."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features import errors
from features.events import decode, location
from features.events.location import Place
from features.schema import EventSchema
from features.values.untyped import Reject, by_reason, records_of
from features.window import to_ms
from monitors.baseline import freeze, published
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
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
    rows = _rows(schema, version, predictions, start, end)
    truth = _labels(schema, rows, labels)
    learned = freeze.freeze_derived(schema, policy, freeze.freeze_bins(schema, policy, rows, truth), rows, truth)
    frozen = learned.frozen
    draft = Baseline(events=schema, version=version, start=start, end=end, rows=rows.num_rows, bins=dict(frozen.bins),
                     derived=frozen.derived, inputs=())  # fmt: skip
    slices = _count(draft, policy, files_source_job.Directories(predictions, labels), logs)
    inputs = learned.out_of_sample(schema, rows, slices["inputs"])
    update = {"importance": dict(importance or {}), "inputs": inputs, "outcomes": tuple(slices["outcomes"])}
    return draft.model_copy(update=update)


def _rows(schema: EventSchema, version: str, predictions: Place, start: datetime, end: datetime) -> pa.Table:
    """Return the version's predictions in the period; raise NotEnoughData where there are none."""
    decoded = decode.read_events(schema, "predictions", predictions)
    table = decoded.table
    time = table["time"].to_numpy()
    inside = (time >= to_ms(start)) & (time < to_ms(end))
    own = table.filter(pc.and_(pa.array(inside), pc.equal(table["model_version"], version)))
    if own.num_rows == 0:
        known = ", ".join(sorted(set(table["model_version"].to_pylist()))) or "none"
        span = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        msg = f"no prediction by version {version!r} of {schema.model} lies in {span} in {location.name(predictions)}"
        hint = f"versions found at any time: {known}; see `baseline` in the project file"
        raise errors.NotEnoughData(msg + _aside(decoded.rejects), hint=hint)
    return own


def _aside(rejects: Sequence[Reject]) -> str:
    """Return a clause with the number of rejected records and the most frequent reason; empty where there are none."""
    reasons = by_reason(rejects)
    if not reasons:
        return ""
    total, most = records_of(rejects), reasons[0]
    return f"; {total} records were set aside, {most.records} of them because {most.first.reason}"


def _labels(schema: EventSchema, rows: pa.Table, labels: Place | None) -> pa.Table:
    table = _usable_labels(schema, labels) if labels else decode.empty(schema, "labels")
    return table.filter(pc.is_in(table["id"], value_set=rows["id"].combine_chunks()))


def _usable_labels(schema: EventSchema, labels: Place) -> pa.Table:
    """Return the labels. There may be none yet, but where there are records, at least one must be usable."""
    decoded = decode.read_events(schema, "labels", labels)
    if decoded.rejects and not decoded.table.num_rows:
        msg = f"no label of {schema.model} in {location.name(labels)} can be used{_aside(decoded.rejects)}"
        raise errors.NotEnoughData(msg, hint="`leeway check` says more; without `events.labels`, none are expected")
    return decoded.table


def _count(
    draft: Baseline, policy: MonitorPolicy, directories: files_source_job.Directories, logs: Path
) -> dict[str, list[Slice]]:
    """Return the counts of every slice by stage, from a batch run of the profile job with the draft's bins."""
    with tempfile.TemporaryDirectory(prefix="leeway-") as work:
        folder = Path(work, "baselines")
        folder.mkdir()
        published.baseline_path(folder, draft.version).write_text(draft.model_dump_json())
        spec = JobSpec(draft.events, policy, str(folder), to_ms(draft.start), to_ms(draft.end))
        outputs = Folders.under(Path(work, "out"))
        tables = environment_job.environment(logs, streaming=False)
        run_job.finish(profile_job.submit_slices(tables, spec, directories, outputs), logs)
        found: dict[str, list[Slice]] = {"inputs": [], "outcomes": []}
        for text in sorted(committed_lines(outputs.reports)):
            line = json.loads(text)
            found[line.pop("stage")].append(Slice(**line))
        return {stage: sorted(slices, key=lambda s: (s.start, s.segment)) for stage, slices in found.items()}
