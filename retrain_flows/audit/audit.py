"""The scheduled audit: is what the registry says still so? History is counted again in batch and compared.

What cannot be checked is a finding and never a pass: an audit without findings has compared something and found it
equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from features import errors
from monitors.profiles.side_channels import NOT_RECOUNTED
from monitors.report import Report
from registry import audit_export, operations, queries
from registry.audit_log import verification
from registry.files import artifacts
from registry.incidents import sequential_verdicts
from registry.records import Action, AuditResult, RunState
from retrain_flows.audit import serving_skew
from retrain_flows.data.workspace import Workspace

Replay = Callable[[datetime, datetime], Sequence[Report]]
"""Counts every window inside [start, end) again, in batch, and returns its report (Flink does it)."""
Key = tuple[str, str, str, str, datetime, datetime]
MAX_LOG_FINDINGS = 50
"""How many findings about the log and its rows an audit holds: alerts carry them."""
MAX_NAMED = 10
"""How many windows of a kind are named one by one; the report is for people."""


UNREADABLE = (errors.LeewayError, ValidationError)
"""What is raised where a row on record cannot be read as what it was."""


@dataclass
class Notes:
    """What an audit has found so far: sentences, and how much was looked at."""

    findings: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)

    def several(self, what: str, which: Sequence[str]) -> None:
        """Note *which* of *what* in one sentence, if there are any."""
        if which:
            more = f" and {len(which) - MAX_NAMED} more" if len(which) > MAX_NAMED else ""
            self.findings.append(f"{len(which)} {what}: {', '.join(which[:MAX_NAMED])}{more}")

    def look(self, what: str, check: Callable[[], None]) -> None:
        """Run one part of the audit; where what is on record cannot even be read, that is a finding."""
        try:
            check()
        except UNREADABLE as error:
            self.findings.append(f"{what} could not be checked: {_words(error)}")


def audit(ws: Workspace, *, start: datetime, end: datetime, replay: Replay, now: datetime) -> AuditResult:
    """Audit the windows and promotions of [start, end] in event time, and of all times everything else.

    That is files, incidents, deliveries, and each row with the log that accounts for it. The result is recorded, and
    written as Markdown and JSON under ``audits/`` in the state folder.
    """
    notes = Notes()
    notes.look("the windows", lambda: _compare_windows(ws, start, end, replay, notes))
    notes.look("the verdicts", lambda: _check_verdicts(ws, notes))
    notes.look("the answers", lambda: _check_serving(ws, start, end, notes))
    notes.look("model files and baselines", lambda: _check_files(ws, notes))
    notes.look("the incidents", lambda: _check_incidents(ws, end, notes))
    notes.look("the promotions", lambda: _check_promotions(ws, start, end, notes))
    notes.look("the deliveries", lambda: _check_deliveries(ws, notes))
    notes.look("the audit log", lambda: _check_log(ws, notes))
    return _recorded(ws, start, end, notes, now)


def _recorded(ws: Workspace, start: datetime, end: datetime, notes: Notes, now: datetime) -> AuditResult:
    """Put the audit on record. Where the registry refuses, that is a finding too, and the result has the number 0."""
    path, digest = _write(ws, start, end, notes, now)
    report = str(path.relative_to(ws.state))
    try:
        return operations.record_audit(
            ws.registry, model=ws.model, period_start=start, period_end=end, passed=not notes.findings,
            findings=notes.findings, numbers=notes.numbers, report=report, report_digest=digest, now=now,
        )  # fmt: skip
    except UNREADABLE as error:
        notes.findings.append(f"the audit is not on record: {_words(error)}")
        _write(ws, start, end, notes, now)
        return AuditResult(
            id=0, model=ws.model, period_start=start, period_end=end, passed=False, findings=tuple(notes.findings),
            numbers=notes.numbers, report=report, made_at=now,
        )  # fmt: skip


def _compare_windows(ws: Workspace, start: datetime, end: datetime, replay: Replay, notes: Notes) -> None:
    """Count every window again. One that the monitors have not come to yet is no finding; any other difference is.

    Predictions that came too late are left out: in batch none does, and the stream has lost them to their slice. So are
    records of no use: in batch, one without a time lies elsewhere. A window on record for nothing but such is none.
    """
    rows = queries.windows(ws.registry, ws.model, since=start, until=end)
    reports = (Report.model_validate(row.report) for row in rows)
    stored = {r.key: _counted(r) for r in reports if r.window_start >= start}
    reached: dict[str, datetime] = {}
    for key in stored:
        reached[key[3]] = max(key[5], reached.get(key[3], key[5]))
    try:
        inside = [r for r in replay(start, end) if r.window_start >= start]
    except errors.LeewayError as error:
        notes.findings.append(f"the period could not be replayed: {error.message}")
        return
    again = {r.key: _counted(r) for r in inside if r.window_end <= reached.get(r.stage.value, start)}
    if not stored:
        notes.findings.append(f"no window of {start:%Y-%m-%d} to {end:%Y-%m-%d} is on record: nothing to compare")
    both = stored.keys() & again.keys()
    differ = {key for key in both if stored[key] != again[key]}
    gone = {key for key in stored.keys() - both if any(map(any, stored[key].values()))}
    new = again.keys() - both
    sizes = {"equal": stored.keys() - gone - differ, "different": differ, "not_replayed": gone, "not_stored": new}
    notes.numbers |= {"windows": len(stored), **{f"windows_{name}": len(keys) for name, keys in sizes.items()}}
    notes.several("windows have other counts when counted again (late events?)", _names(differ))
    notes.several("windows are on record but not in the events", _names(gone))
    notes.several("windows are in the events but not on record", _names(new))


def _counted(report: Report) -> dict[str, list[int]]:
    """Return what was counted of the rows that are in the window."""
    return {name: row for name, row in report.counts.items() if name not in NOT_RECOUNTED}


def _check_verdicts(ws: Workspace, notes: Notes) -> None:
    """Judge the windows on record again, from the first on: a verdict must follow from what is on record."""
    try:
        differ, same = sequential_verdicts.recheck(ws.registry, ws.model, ws.monitor)
    except errors.ArtifactError as error:
        notes.findings.append(f"the verdicts could not be checked: {error.message}")
        return
    notes.numbers |= {"verdicts_equal": same, "verdicts_different": len(differ)}
    notes.several("verdicts do not follow from the windows on record", _names({r.key for r in differ}))


def _words(error: Exception) -> str:
    return error.message if isinstance(error, errors.LeewayError) else str(error).splitlines()[0]


def _names(keys: set[Key]) -> list[str]:
    """Return windows in words, oldest first."""
    ordered = sorted(keys, key=lambda k: (k[4], k))
    return [f"{k[1]} {k[3]} {k[4]:%Y-%m-%d %H:%M}{f' ({k[2]})' if k[2] else ''}" for k in ordered]


def _check_serving(ws: Workspace, start: datetime, end: datetime, notes: Notes) -> None:
    """Ask the registered models again what was answered: a difference is training-serving skew."""
    try:
        found = list(serving_skew.measure(ws, start, end))
    except errors.LeewayError as error:
        notes.findings.append(f"the answers could not be asked again: {error.message}")
        return
    notes.numbers |= {"answers": sum(s.rows for s in found), "answers_different": sum(s.different for s in found)}
    differ = [f"{s.version} ({s.different} of {s.rows})" for s in found if s.different]
    notes.several("versions are served otherwise than they are registered (training-serving skew)", differ)


def _check_files(ws: Workspace, notes: Notes) -> None:
    versions = queries.versions(ws.registry, ws.model)
    files = [(v.version, v.artifact) for v in versions if v.artifact is not None]
    notes.numbers["model_files"] = len(files)
    altered = [version for version, digest in files if not ws.registry.artifacts.verify(digest)]
    notes.several("model files are missing or altered", altered)
    published = [(v.version, ws.state / "baselines" / ws.model / f"{v.version}.json", v.baseline) for v in versions]
    edited = [version for version, path, digest in published if digest and _altered(path, digest)]
    notes.several("published baselines are not those on record", edited)
    for version in versions:
        try:
            queries.baseline_of(ws.registry, ws.model, version.version)
        except errors.LeewayError as error:
            notes.findings.append(error.message)


def _check_incidents(ws: Workspace, end: datetime, notes: Notes) -> None:
    """An incident may wait for its decision, but not for longer than the policy allows."""
    wait = ws.retrain.wait if ws.retrain else timedelta(0)
    undecided = queries.undecided(ws.registry, ws.model)
    overdue = [i for i in undecided if i.opened_at + wait <= end]
    late = [f"{i.id} ({i.signal.value}, {i.pending or 'no reason given'})" for i in overdue]
    notes.numbers |= {"incidents": len(queries.incidents(ws.registry, ws.model)), "undecided": len(undecided)}
    notes.several("incidents have no decision though their wait is over", late)
    ended = {r.decision_id for r in queries.runs(ws.registry, ws.model) if r.state is not RunState.RUNNING}
    decided = [d for d in queries.decisions(ws.registry, ws.model) if d.action is Action.RETRAIN]
    notes.several("decisions to retrain have no finished run", [str(d.id) for d in decided if d.id not in ended])


def _check_promotions(ws: Workspace, start: datetime, end: datetime, notes: Notes) -> None:
    """A first version has nothing to be compared with, and a roll-back is an old decision; all else needs its gate."""
    every = queries.promotions(ws.registry, ws.model)
    recent = [p for p in every if start <= p.effective_at <= end and p.kind == "promote"]
    checked = {p.id for p in recent if p.run_id is not None and queries.checks(ws.registry, p.run_id)}
    notes.numbers["promotions"] = len([p for p in every if start <= p.effective_at <= end])
    ungated = [f"{p.to_version} (by {p.actor}: {p.reason})" for p in recent if p.id not in checked]
    notes.several("promotions went without a gate", ungated)


def _check_deliveries(ws: Workspace, notes: Notes) -> None:
    told = {m.id: m for m in queries.messages(ws.registry, ws.model)}
    dead = [d for d in queries.deliveries(ws.registry, state="dead") if d.message_id in told]
    given_up = [f"{told[d.message_id].type} to {d.endpoint}" for d in dead]
    notes.several("alerts were never delivered", given_up)


def _check_log(ws: Workspace, notes: Notes) -> None:
    """Each row follows from the log, and the log ends where it was seen to end.

    See :mod:`registry.audit_log.verification`.
    """
    evidence = audit_export.collect(ws.registry)
    rows = sum(len(table) for table in evidence.rows.values())
    notes.numbers |= {"log_lines": len(evidence.log), "rows": rows, "signed_heads": len(evidence.heads)}
    found = verification.verify(evidence)
    notes.findings += found[:MAX_LOG_FINDINGS]
    if len(found) > MAX_LOG_FINDINGS:
        notes.findings.append(f"and {len(found) - MAX_LOG_FINDINGS} more of that kind: `leeway audit verify` names all")
    reports = {e.details.get("report", ""): e.details.get("report_digest") for e in evidence.log if e.model == ws.model}
    altered = [path for path, digest in reports.items() if digest and _altered(ws.state / path, digest)]
    notes.several("reports of earlier audits were altered", altered)


def _altered(path: Path, digest: str) -> bool:
    """Return whether the file is another one; a report may be thrown away."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest


def _write(ws: Workspace, start: datetime, end: datetime, notes: Notes, now: datetime) -> tuple[Path, str]:
    """Write the audit under its date, for people and for programs; return the path of the text, and its sha256."""
    folder = ws.state / "audits"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ws.model}-{now:%Y-%m-%dT%H%M%S}.md"
    text = "\n".join(_lines(ws.model, start, end, notes, now)).encode()
    artifacts.write_whole(path, text)
    content = {"model": ws.model, "start": start.isoformat(), "end": end.isoformat(), "made_at": now.isoformat(),
               "passed": not notes.findings, "findings": notes.findings, "numbers": notes.numbers}  # fmt: skip
    artifacts.write_whole(path.with_suffix(".json"), json.dumps(content, indent=2).encode())
    return path, hashlib.sha256(text).hexdigest()


def _lines(model: str, start: datetime, end: datetime, notes: Notes, now: datetime) -> Iterator[str]:
    yield f"# Audit of {model}: {'passed' if not notes.findings else 'findings'}"
    yield f"\n{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, made {now:%Y-%m-%d %H:%M} UTC.\n"
    yield "## Findings\n"
    yield from (f"- {finding}" for finding in notes.findings or ["none"])
    yield "\n## What was looked at\n"
    yield "| | |\n|---|---:|"
    yield from (f"| {name.replace('_', ' ')} | {value:g} |" for name, value in notes.numbers.items())
    yield ""
