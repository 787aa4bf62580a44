"""A retrain in words and in a table, for whoever looks at it in the orchestrator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from registry import queries
from registry.records import Check, Decision, RetrainRun
from retrain_flows.data.workspace import Workspace


def table(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Return one row a check: version, name, result, what it got and what it wanted."""
    return [
        {"version": c.version, "check": c.name, "result": c.result.value, "got": c.got, "wanted": c.want}
        for c in checks
    ]


def markdown(ws: Workspace, run: RetrainRun, page: Path | str) -> str:
    """Return what was decided, what came of it and why; *page* is the comparison's path, or why there is none."""
    decision = queries.decision(ws.registry, run.decision_id)
    return "\n".join(_lines(run, decision, queries.checks(ws.registry, run.id), page))


def _lines(run: RetrainRun, decision: Decision, checks: Sequence[Check], page: Path | str) -> Iterator[str]:
    yield f"# {run.model}: retrain {run.state.value}"
    yield f"\n{run.reason}\n"
    about = f"about incident {decision.incident_id}" if decision.incident_id else "by hand"
    known = f"with what was known at {run.as_of:%Y-%m-%d %H:%M} UTC"
    yield f"**Decision {decision.id}** {about} ({decision.actor}), {known}, because\n"
    yield from (f"- {reason}" for reason in decision.because)
    for version in dict.fromkeys(c.version for c in checks):
        yield f"\n## {version}\n"
        yield "| check | result | got | wanted |\n|---|---|---|---|"
        own = (c for c in checks if c.version == version)
        yield from (f"| {c.name} | {c.result.value} | {_cell(c.got)} | {_cell(c.want)} |" for c in own)
    yield f"\nBaseline against drifted window: `{page.name}`" if isinstance(page, Path) else f"\n{page}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
