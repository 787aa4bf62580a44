"""Links from Prefect's pages to Leeway's: the model, the incident, and the Evidently report of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from registry.records import Decision, RetrainRun

EVIDENTLY: Final = "evidently"
"""The key of the link to the Evidently report, which a run may lack."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link: its address and its text."""

    url: str
    text: str


def of_run(pages: str, decision: Decision, run: RetrainRun) -> dict[str, Link]:
    """Return the links of a run by kind; none without an address.

    Parameters
    ----------
    pages
        The address of Leeway's pages, like ``http://127.0.0.1:8321``; "" if unknown.
    decision
        The decision that the run carries out.
    run
        The run.
    """
    if not pages:
        return {}
    model = f"{pages.rstrip('/')}/models/{quote(run.model, safe='')}"
    links = {"page": Link(model, f"{run.model} in Leeway")}
    if decision.incident_id is not None:
        number = decision.incident_id
        links["incident"] = Link(f"{model}/incidents/{number}", f"Incident {number} in Leeway")
    links[EVIDENTLY] = Link(f"{model}/runs/{run.id}/evidently", f"Evidently report of run {run.id}")
    return links
