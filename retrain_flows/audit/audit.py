"""Scheduled audit: the registry's record is checked against the events, the files and its own log.

What cannot be checked is a finding and never a pass: an audit passes only if it has compared something and found it
equal.
"""

from __future__ import annotations

from datetime import datetime

from registry import operations
from registry.records import AuditResult
from retrain_flows.audit import feature_skew, recount, registry_checks, report_page
from retrain_flows.audit.notes import UNREADABLE, Notes, message
from retrain_flows.audit.recount import Replay
from retrain_flows.data.workspace import Workspace


def audit(ws: Workspace, *, start: datetime, end: datetime, replay: Replay, now: datetime) -> AuditResult:
    """Audit one model, record the result, and write its report under ``audits/`` in the state folder.

    Parameters
    ----------
    ws
        The model's workspace.
    start, end
        The period, in event time, of which windows, predictions and promotions are checked. Verdicts, files, incidents,
        alerts and the log are checked as a whole.
    replay
        Counts the windows of a period again, in batch.
    now
        The time that is recorded.

    Returns
    -------
    AuditResult
        With id 0 where the registry refuses to record it, which is a finding too.
    """
    notes = Notes()
    notes.run("windows", lambda: recount.compare_windows(ws, start, end, replay, notes))
    notes.run("verdicts", lambda: recount.check_verdicts(ws, notes))
    notes.run("served predictions", lambda: recount.check_serving(ws, start, end, notes))
    notes.run("features of facts", lambda: feature_skew.check(ws, start, end, notes, now=now))
    notes.run("model files and baselines", lambda: registry_checks.check_files(ws, notes))
    notes.run("incidents", lambda: registry_checks.check_incidents(ws, end, notes))
    notes.run("promotions", lambda: registry_checks.check_promotions(ws, start, end, notes))
    notes.run("alerts", lambda: registry_checks.check_deliveries(ws, notes))
    notes.run("audit log", lambda: registry_checks.check_log(ws, notes))
    return _record(ws, start, end, notes, now)


def _record(ws: Workspace, start: datetime, end: datetime, notes: Notes, now: datetime) -> AuditResult:
    """Write the report and record the audit; if the registry refuses, add that as a finding and write the report again.

    The second result has id 0, since it is not on record.
    """
    path, digest = report_page.write(ws.state / "audits", ws.model, (start, end), notes, now=now)
    report = str(path.relative_to(ws.state))
    try:
        return operations.record_audit(
            ws.registry, model=ws.model, period_start=start, period_end=end, passed=not notes.findings,
            findings=notes.findings, numbers=notes.numbers, report=report, report_digest=digest, now=now,
        )  # fmt: skip
    except UNREADABLE as error:
        notes.findings.append(f"the audit could not be recorded: {message(error)}")
        report_page.write(ws.state / "audits", ws.model, (start, end), notes, now=now)
        return AuditResult(
            id=0, model=ws.model, period_start=start, period_end=end, passed=False, findings=tuple(notes.findings),
            numbers=notes.numbers, report=report, made_at=now,
        )  # fmt: skip
