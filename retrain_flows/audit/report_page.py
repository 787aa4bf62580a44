"""Audit report: the findings and figures of one audit, as Markdown for people and as JSON for programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from registry.files import artifacts
from retrain_flows.audit.notes import Notes

LABELS = {
    "windows": "windows on record in the period",
    "windows_equal": "- of these, equal when counted again",
    "windows_different": "- of these, with other counts",
    "windows_not_replayed": "- of these, not in the events",
    "windows_not_stored": "windows in the events, but not on record",
    "verdicts_equal": "verdicts equal when computed again",
    "verdicts_different": "verdicts that differ",
    "answers": "logged predictions that were predicted again",
    "answers_different": "- of these, different from the registered model's",
    "model_files": "model files compared with their sha256",
    "incidents": "incidents on record",
    "undecided": "- of these, without a decision",
    "promotions": "promotions in the period",
    "log_lines": "lines of the audit log",
    "rows": "rows of the registry compared with the log",
    "signed_heads": "signed heads of the log",
}
"""What each figure of an audit is called on the page, by its name on record."""


def write(
    folder: Path, model: str, period: tuple[datetime, datetime], notes: Notes, *, now: datetime
) -> tuple[Path, str]:
    """Write the report as ``<model>-<now>.md`` and ``.json`` into a folder, which is made if need be.

    Returns
    -------
    tuple
        The path of the Markdown file, and its sha256 in hex.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}-{now:%Y-%m-%dT%H%M%S}.md"
    text = "\n".join(_lines(model, period, notes, now)).encode()
    artifacts.write_whole(path, text)
    start, end = period
    content = {"model": model, "start": start.isoformat(), "end": end.isoformat(), "made_at": now.isoformat(),
               "passed": not notes.findings, "findings": notes.findings, "numbers": notes.numbers}  # fmt: skip
    artifacts.write_whole(path.with_suffix(".json"), json.dumps(content, indent=2).encode())
    return path, hashlib.sha256(text).hexdigest()


def _lines(model: str, period: tuple[datetime, datetime], notes: Notes, now: datetime) -> Iterator[str]:
    """Yield the lines of the page: result, period, findings, and a table of what was checked."""
    start, end = period
    count = len(notes.findings)
    result = f"not passed, {count} finding{'' if count == 1 else 's'}" if count else "passed"
    yield f"# Audit of {model}: {result}"
    yield f"\nPeriod: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC. Made: {now:%Y-%m-%d %H:%M} UTC.\n"
    yield "## Findings\n"
    yield from (f"- {finding}" for finding in notes.findings or ["none: all that was compared is equal"])
    yield "\n## What was checked\n"
    yield "| | number |\n|---|---:|"
    yield from (f"| {LABELS.get(name, name)} | {value:g} |" for name, value in notes.numbers.items())
    yield ""
