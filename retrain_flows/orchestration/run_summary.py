"""Summary of a run for Prefect's pages: the decision and its reasons, the outcome, and the gate's checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from registry import baseline_plan, queries
from registry.records import Check, Decision, RetrainRun
from retrain_flows.data.workspace import Workspace
from retrain_flows.orchestration import page_links, run_log
from retrain_flows.orchestration.page_links import Link

NO_LINKS: Mapping[str, Link] = MappingProxyType({})


def table(checks: Sequence[Check]) -> list[dict[str, str]]:
    """Return a row for each check: version, name, result, what it measured and what it requires."""
    return [
        {"version": c.version, "check": c.name, "result": c.result.value, "measured": c.got, "required": c.want}
        for c in checks
    ]


def markdown(ws: Workspace, run: RetrainRun, page: Path | str, links: Mapping[str, Link] = NO_LINKS) -> str:
    """Return the summary of a run as Markdown.

    Parameters
    ----------
    ws
        The model's workspace.
    run
        The run.
    page
        The path of its Evidently report, or why there is none.
    links
        Links to Leeway's pages (:func:`retrain_flows.orchestration.page_links.of_run`).
    """
    decision, checks = queries.decision(ws.registry, run.decision_id), queries.checks(ws.registry, run.id)
    lines = [*_outcome(ws, run, checks), *_decision(run, decision), *_checks(checks), *_pages(page, links)]
    return "\n".join(lines)


def _outcome(ws: Workspace, run: RetrainRun, checks: Sequence[Check]) -> Iterator[str]:
    """Yield the outcome with its reason, and what comes next."""
    yield f"# {run.model}: retrain {run_log.state_name(run, checks).lower()}"
    yield f"\n{run.reason}\n"
    yield f"{run_log.next_step(run, checks, ws.retrain, baseline_plan.read(ws.registry, ws.model))}\n"


def _decision(run: RetrainRun, decision: Decision) -> Iterator[str]:
    """Yield the decision with its reasons."""
    about = f"about incident {decision.incident_id}" if decision.incident_id else "without an incident"
    as_of = f"on data as of {run.as_of:%Y-%m-%d %H:%M} UTC"
    yield f"**Decision {decision.id}** {about} (by {decision.actor}), {as_of}. Reasons:\n"
    yield from (f"- {reason}" for reason in decision.because)


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    """Yield a table of checks for each version."""
    for version in dict.fromkeys(c.version for c in checks):
        yield f"\n## {version}\n"
        yield "| check | result | measured | required |\n|---|---|---|---|"
        own = (c for c in checks if c.version == version)
        yield from (f"| {c.name} | {c.result.value} | {_cell(c.got)} | {_cell(c.want)} |" for c in own)


def _pages(page: Path | str, links: Mapping[str, Link]) -> Iterator[str]:
    """Yield the name of the Evidently report or why there is none, and links to pages."""
    yield f"\nEvidently report of baseline and drifted window: `{page.name}`" if isinstance(page, Path) else f"\n{page}"
    shown = [link for kind, link in links.items() if kind != page_links.EVIDENTLY or isinstance(page, Path)]
    if shown:
        yield "\n" + " · ".join(f"[{link.text}]({link.url})" for link in shown)


def _cell(text: str) -> str:
    """Return text that fits into a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
