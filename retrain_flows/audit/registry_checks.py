"""Checks of the registry itself: files, incidents, promotions, alerts, and each row against the audit log."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from features import errors
from monitors.baseline import published
from registry import audit_export, baseline_plan, outbox, queries
from registry.audit_log import verification
from registry.records import EXTERNAL
from retrain_flows.audit.notes import Notes
from retrain_flows.data.workspace import Workspace

MAX_LOG_FINDINGS = 50
"""How many findings about the log and its rows an audit lists: alerts carry them."""


def check_files(ws: Workspace, notes: Notes) -> None:
    """Compare model files and published baselines with their sha256 on record; a baseline on record with its own."""
    versions = queries.versions(ws.registry, ws.model)
    files = [(v.version, v.artifact) for v in versions if v.artifact is not None]
    notes.numbers["model_files"] = len(files)
    altered = [version for version, digest in files if not ws.registry.artifacts.verify(digest)]
    notes.several("model file", "missing or altered", altered)
    edited = [name for v in versions for name in _edited_baselines(ws, v.version)]
    notes.several("published baseline", "different from the one on record", edited)
    for version in versions:
        try:
            queries.baseline_of(ws.registry, ws.model, version.version)
        except errors.LeewayError as error:
            notes.findings.append(error.message)


def _edited_baselines(ws: Workspace, version: str) -> list[str]:
    """Return the name of each published revision of a version's baseline whose file is not the one on record.

    Each revision stays published, since windows of its time are counted and judged again with it.
    """
    folder, edited = ws.state / "baselines" / ws.model, []
    for revision, digest in enumerate(baseline_plan.digests(ws.registry, ws.model, version), start=1):
        if _altered(published.baseline_path(folder, version, revision), digest):
            edited.append(version if revision == 1 else f"{version} (revision {revision})")
    return edited


def check_incidents(ws: Workspace, end: datetime, notes: Notes) -> None:
    """Find incidents that are undecided after `retrain.wait`, and decisions to retrain that were not carried out.

    A model without a `retrain` section is only monitored: nobody need decide there.
    """
    undecided = queries.undecided(ws.registry, ws.model)
    overdue = [i for i in undecided if i.opened_at + ws.retrain.wait <= end] if ws.retrain else []
    late = [f"{i.id} ({i.signal.value}, {i.pending or 'no reason on record'})" for i in overdue]
    notes.numbers |= {"incidents": len(queries.incidents(ws.registry, ws.model)), "undecided": len(undecided)}
    notes.several("incident", "without a decision, though the longest wait is over", late)
    open_decisions = [str(d.id) for d in queries.not_carried_out(ws.registry, ws.model)]
    notes.several("decision", "to retrain without a finished run", open_decisions)


def check_promotions(ws: Workspace, start: datetime, end: datetime, notes: Notes) -> None:
    """Find promotions of [start, end] without gate checks on record.

    Exempt are first versions, which have no champion to be compared with, rollbacks to an earlier champion, and
    promotions from one version to another of which Leeway trained neither: others deploy them, and ask no gate.
    """
    external = {v.version for v in queries.versions(ws.registry, ws.model) if v.mode == EXTERNAL}
    promotions = [p for p in queries.promotions(ws.registry, ws.model) if start <= p.effective_at <= end]
    by_comparison = [p for p in promotions if p.kind == "promote" and not {p.from_version, p.to_version} <= external]
    gated = {p.id for p in by_comparison if p.run_id is not None and queries.checks(ws.registry, p.run_id)}
    notes.numbers["promotions"] = len(promotions)
    ungated = [f"{p.to_version} (by {p.actor}: {p.reason})" for p in by_comparison if p.id not in gated]
    notes.several("promotion", "without a gate", ungated)


def check_deliveries(ws: Workspace, notes: Notes) -> None:
    """Find alerts that were given up after their last attempt."""
    messages = {m.id: m for m in outbox.messages(ws.registry, ws.model)}
    dead = [d for d in outbox.deliveries(ws.registry, state="dead") if d.message_id in messages]
    undelivered = [f"{messages[d.message_id].type} to {d.endpoint}" for d in dead]
    notes.several("alert", "never delivered", undelivered)


def check_log(ws: Workspace, notes: Notes) -> None:
    """Compare each row of the registry with the audit log, the log with its signed heads, and audit reports with both.

    See :mod:`registry.audit_log.verification`.
    """
    evidence = audit_export.collect(ws.registry)
    rows = sum(len(table) for table in evidence.rows.values())
    notes.numbers |= {"log_lines": len(evidence.log), "rows": rows, "signed_heads": len(evidence.heads)}
    findings = verification.verify(evidence)
    notes.findings += findings[:MAX_LOG_FINDINGS]
    if len(findings) > MAX_LOG_FINDINGS:
        more = len(findings) - MAX_LOG_FINDINGS
        notes.findings.append(f"and {more} more findings about rows and log: `leeway audit verify` lists them all")
    reports = {e.details.get("report", ""): e.details.get("report_digest") for e in evidence.log if e.model == ws.model}
    altered = [path for path, digest in reports.items() if digest and _altered(ws.state / path, digest)]
    notes.several("audit report", "altered after it was written", altered)


def _altered(path: Path, digest: str) -> bool:
    """Return whether a file is there and has another sha256; that a report was deleted is no alteration."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest
