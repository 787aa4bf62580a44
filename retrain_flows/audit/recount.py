"""Batch recount: windows, verdicts and predictions computed again from the events, and compared with what is on record.

Streaming and batch must give the same counts, the verdicts must follow from the counts, and the registered models must
give the predictions that were logged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from datetime import datetime

from monitors.profiles.side_channels import NOT_RECOUNTED
from monitors.report import Report
from registry import queries
from registry.incidents import sequential_verdicts
from retrain_flows.audit import serving_skew
from retrain_flows.audit.notes import Notes
from retrain_flows.data.workspace import Workspace

Replay = Callable[[datetime, datetime], Sequence[Report]]
"""Counts the windows inside [start, end) again, in batch, and returns their reports (a Flink job does it)."""
Key = tuple[str, str, str, str, datetime, datetime]
"""What identifies a window: model, version, segment, stage, start, end."""
Counts = dict[str, list[int]]
"""The counts of a window by variable."""


def compare_windows(ws: Workspace, start: datetime, end: datetime, replay: Replay, notes: Notes) -> None:
    """Count all windows of [start, end) again; a window that differs, or that one side lacks, is a finding.

    Not compared are: windows that monitoring has not reached yet; predictions that came after their slice was closed,
    since a batch has no late events; records without a usable time. A window on record that holds nothing else is not
    missed in the batch.
    """
    rows = queries.windows(ws.registry, ws.model, since=start, until=end)
    reports = (Report.model_validate(row.report) for row in rows)
    stored = {r.key: _recountable(r) for r in reports if r.window_start >= start}
    recounted = _recounted_windows(replay(start, end), start, _newest_by_stage(stored))
    if not stored:
        notes.findings.append(f"no window of {start:%Y-%m-%d} to {end:%Y-%m-%d} is on record: nothing to compare")
    both = stored.keys() & recounted.keys()
    different = {key for key in both if stored[key] != recounted[key]}
    absent = {key for key in stored.keys() - both if any(map(any, stored[key].values()))}
    unknown = recounted.keys() - both
    equal = stored.keys() - absent - different
    sizes = {"equal": equal, "different": different, "not_replayed": absent, "not_stored": unknown}
    notes.numbers |= {"windows": len(stored), **{f"windows_{name}": len(keys) for name, keys in sizes.items()}}
    notes.several("window", "with other counts when counted again (late events?)", _names(different))
    notes.several("window", "on record but not in the events", _names(absent))
    notes.several("window", "in the events but not on record", _names(unknown))


def _newest_by_stage(stored: dict[Key, Counts]) -> dict[str, datetime]:
    """Return the end of the newest window on record, by stage: outcomes lag behind inputs by the label delay."""
    newest: dict[str, datetime] = {}
    for key in stored:
        newest[key[3]] = max(key[5], newest.get(key[3], key[5]))
    return newest


def _recounted_windows(reports: Sequence[Report], start: datetime, newest: dict[str, datetime]) -> dict[Key, Counts]:
    """Return the counts of the recounted windows that monitoring has reached."""
    inside = (r for r in reports if r.window_start >= start)
    return {r.key: _recountable(r) for r in inside if r.window_end <= newest.get(r.stage.value, start)}


def _recountable(report: Report) -> Counts:
    """Return the counts that a batch must give again: those of the rows in the window."""
    return {name: row for name, row in report.counts.items() if name not in NOT_RECOUNTED}


def check_verdicts(ws: Workspace, notes: Notes) -> None:
    """Compute all verdicts again from the windows on record, from the first on; one that differs is a finding."""
    different, equal = sequential_verdicts.recheck(ws.registry, ws.model, ws.monitor)
    notes.numbers |= {"verdicts_equal": equal, "verdicts_different": len(different)}
    notes.several("window", "whose verdict does not follow from its counts", _names({r.key for r in different}))


def check_serving(ws: Workspace, start: datetime, end: datetime, notes: Notes) -> None:
    """Predict again with the registered models what was served in [start, end); a difference is serving skew."""
    skews = list(serving_skew.measure(ws, start, end))
    notes.numbers |= {"answers": sum(s.rows for s in skews), "answers_different": sum(s.different for s in skews)}
    different = [f"{s.version} ({s.different} of {s.rows} answers differ)" for s in skews if s.different]
    notes.several("version", "served differently from the registered model (training-serving skew)", different)


def _names(keys: Set[Key]) -> list[str]:
    """Return windows in words (version, stage, start, segment), oldest first."""
    ordered = sorted(keys, key=lambda k: (k[4], k))
    return [f"{k[1]} {k[3]} {k[4]:%Y-%m-%d %H:%M}{f' ({k[2]})' if k[2] else ''}" for k in ordered]
