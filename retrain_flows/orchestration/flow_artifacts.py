"""What a run leaves on Prefect's pages: its name and tags, the gate's checks, its summary, and links to Leeway's pages.

None of it decides anything, and all of it is in the registry: while Prefect's server is away, it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prefect import get_run_logger, runtime
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client

from registry import queries
from registry.records import AuditResult, RetrainRun
from retrain_flows.orchestration import page_links, prefect_outage, run_summary
from retrain_flows.orchestration.model_jobs import Job


def rename(name: str, tags: Sequence[str]) -> None:
    """Give the running flow run a name in words, and tags."""
    with _optional(), get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=name, tags=tags)


def publish(job: Job, run: RetrainRun, page: Path | str) -> None:
    """Store the gate's checks, the summary and the links of a run as Prefect artifacts.

    Parameters
    ----------
    job
        The model's job.
    run
        The run.
    page
        The path of its Evidently report, or why there is none.
    """
    ws = job.workspace
    if isinstance(page, str):
        get_run_logger().warning("run %s: %s", run.id, page)
    links = page_links.of_run(job.pages, queries.decision(ws.registry, run.decision_id), run)
    with _optional():
        checks = run_summary.table(queries.checks(ws.registry, run.id))
        create_table_artifact(checks, key=key(ws.model, "gate"), description=f"Gate checks of run {run.id}")
        summary = run_summary.markdown(ws, run, page, links)
        create_markdown_artifact(summary, key=key(ws.model, "retrain"), description=f"Summary of run {run.id}")
        for kind, link in links.items():
            if kind != page_links.EVIDENTLY or isinstance(page, Path):
                create_link_artifact(link.url, link.text, key=key(ws.model, kind), description=f"Of run {run.id}")


def publish_audit(job: Job, done: AuditResult) -> None:
    """Store the report of an audit as a Prefect artifact."""
    text = (job.workspace.state / done.report).read_text()
    with _optional():
        create_markdown_artifact(text, key=key(job.workspace.model, "audit"), description=f"Audit {done.id}")


def key(model: str, kind: str) -> str:
    """Return the key of an artifact; an artifact with the same key is a new version of it.

    >>> key("late_Flights", "gate")
    'late-flights-gate'
    """
    return re.sub(r"[^a-z0-9]+", "-", f"{model}-{kind}".lower()).strip("-")


@contextmanager
def _optional() -> Iterator[None]:
    """Log an outage of Prefect's server in place of raising it."""
    try:
        yield
    except Exception as error:
        if not prefect_outage.is_outage(error):
            raise
        get_run_logger().warning("not shown on Prefect's pages: %s", prefect_outage.cause(error))
