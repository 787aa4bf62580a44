"""Summary of a run for Prefect's pages: the decision and its reasons, the outcome, and the gate's checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from registry import queries
from registry.records import Check, Decision, RetrainRun
from retrain_flows.data.workspace import Workspace


def table(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Return a row for each check: version, name, result, what it measured and what it requires."""
    return [
        {"version": c.version, "check": c.name, "result": c.result.value, "measured": c.got, "required": c.want}
        for c in checks
    ]


def markdown(ws: Workspace, run: RetrainRun, page: Path | str) -> str:
    """Return the summary of a run as Markdown; *page* is the path of its Evidently report, or why there is none."""
    decision = queries.decision(ws.registry, run.decision_id)
    return "\n".join(_lines(run, decision, queries.checks(ws.registry, run.id), page))


def _lines(run: RetrainRun, decision: Decision, checks: Sequence[Check], page: Path | str) -> Iterator[str]:
    """Yield the lines: outcome, decision with its reasons, a table of checks for each version, the Evidently report."""
    yield f"# {run.model}: retrain {run.state.value}"
    yield f"\n{run.reason}\n"
    about = f"about incident {decision.incident_id}" if decision.incident_id else "without an incident"
    as_of = f"on data as of {run.as_of:%Y-%m-%d %H:%M} UTC"
    yield f"**Decision {decision.id}** {about} (by {decision.actor}), {as_of}. Reasons:\n"
    yield from (f"- {reason}" for reason in decision.because)
    for version in dict.fromkeys(c.version for c in checks):
        yield f"\n## {version}\n"
        yield "| check | result | measured | required |\n|---|---|---|---|"
        own = (c for c in checks if c.version == version)
        yield from (f"| {c.name} | {c.result.value} | {_cell(c.got)} | {_cell(c.want)} |" for c in own)
    yield f"\nEvidently report of baseline and drifted window: `{page.name}`" if isinstance(page, Path) else f"\n{page}"


def _cell(text: str) -> str:
    """Return text that fits into a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
