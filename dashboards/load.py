"""Reads the registry for pages and API answers; the only module of the dashboard that queries it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dashboards import incident_page, performance_chart, timeline, view_models, window_page
from dashboards.incident_page import IncidentPage
from dashboards.timeline import Address
from features import errors
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.report import Report
from registry import baseline_plan, model_status, queries
from registry.connection import Registry
from registry.incidents import explain
from registry.incidents.explain import IncidentExplanation
from registry.records import Incident, IncidentState, Promotion, WindowRow
from registry.views import incident_response, promotion_effect, retrain_record

WINDOWS: Final = 60
"""Most windows on one page of a timeline, and most windows that one can be compared with."""
AHEAD_WINDOWS: Final = 4
"""How far ahead of a window its followers are looked for, in lengths of a window."""
RECENT: Final = 30
"""Most windows in a model's row of the overview."""
INCIDENT_WINDOWS: Final = 90
"""Most windows on one page of an incident's window history."""
LATEST: Final = 20
"""Most incidents, runs, versions and promotions on a model's page; the API returns all."""


def overview(reg: Registry) -> tuple[view_models.ModelSummary, ...]:
    """Return every model's summary, by name."""
    return tuple(summary(reg, model) for model in queries.models(reg))


def summary(reg: Registry, model: str) -> view_models.ModelSummary:
    """Return one model's summary; NotFound if it is not registered."""
    names = queries.models(reg)
    if model not in names:
        msg = f"there is no model {model!r}"
        raise errors.NotFound(msg, hint=f"registered: {', '.join(names) or 'none yet'}")
    champion = queries.champion(reg, model)
    inputs, outcomes = (_recent(reg, model, champion.version if champion else None, stage) for stage in Stage)
    audits, stands = queries.audits(reg, model), model_status.read(reg, model)
    return view_models.ModelSummary(
        model=model,
        status=stands,
        status_lines=stands.lines,
        champion=champion,
        inputs=view_models.window(inputs[-1]) if inputs else None,
        outcomes=view_models.window(outcomes[-1]) if outcomes else None,
        recent_inputs=tuple(view_models.neighbour(row) for row in inputs),
        recent_outcomes=tuple(view_models.neighbour(row) for row in outcomes),
        unresolved=len(queries.open_incidents(reg, model)),
        undecided=len(queries.undecided(reg, model)),
        audit=audits[-1] if audits else None,
        baseline=baseline_plan.read(reg, model),
    )


def _recent(reg: Registry, model: str, version: str | None, stage: Stage) -> list[WindowRow]:
    return queries.windows(reg, model, version=version, segment="", stage=stage, limit=RECENT)


def model(reg: Registry, name: str, *, segment: str = "", until: datetime | None = None) -> view_models.ModelView:
    """Return a model's page, its timeline ending at *until* (or now); NotFound if it is not registered."""
    about = summary(reg, name)
    promotions = queries.promotions(reg, name)
    windows, pages = history(reg, name, promotions, segment=segment, until=until)
    return view_models.ModelView(
        summary=about,
        segment=segment,
        segments=_segments(reg, name),
        timeline=timeline.timeline(windows, promotions),
        pages=pages,
        performance=performance_chart.performance(windows),
        incidents=incidents(reg, name)[:LATEST],
        runs=runs(reg, name, limit=LATEST),
        versions=tuple(queries.versions(reg, name)[: -LATEST - 1 : -1]),
        promotions=tuple(promotions[: -LATEST - 1 : -1]),
        effects=promotion_effect.read(reg, name),
    )


def history(
    reg: Registry, name: str, promotions: list[Promotion], *, segment: str, until: datetime | None
) -> tuple[list[timeline.ServedWindow], view_models.Pages]:
    """Return the newest WINDOWS windows that end by *until*, and the pages beside them."""
    rows: list[WindowRow] = []
    whole_since: list[datetime] = []
    for stage in Stage:
        found = queries.windows(reg, name, segment=segment, stage=stage, until=until, limit=2 * WINDOWS)
        rows += found
        if len(found) == 2 * WINDOWS:
            whole_since.append(found[0].window_end)
    # A stage that was cut short may hold only part of its oldest window: show what lies after.
    since = max(whole_since, default=None)
    windows = timeline.served([r for r in rows if since is None or r.window_end > since], promotions)
    shown = windows[-WINDOWS:]
    cut = since is not None or len(windows) > WINDOWS
    newest = max((end for s in Stage if (end := queries.newest_window(reg, name, s))), default=None)
    return shown, view_models.pages([w.end for w in shown], cut=cut, newest=newest)


def _segments(reg: Registry, name: str) -> tuple[str, ...]:
    """Return the segments of the newest window; all traffic is the empty name."""
    newest = queries.newest_window(reg, name, Stage.INPUTS)
    rows = queries.windows(reg, name, stage=Stage.INPUTS, since=newest) if newest else []
    return tuple(sorted({row.segment for row in rows}))


def incidents(reg: Registry, name: str) -> tuple[view_models.IncidentView, ...]:
    """Return a model's incidents: unresolved ones, then resolved ones, newest first."""
    found = sorted(queries.incidents(reg, name), key=lambda i: (i.state is IncidentState.RESOLVED, -i.id))
    newest = incident_response.newest(reg, found)
    return tuple(view_models.incident(i, newest[i.id].decision, newest[i.id].waits_for) for i in found)


def runs(reg: Registry, name: str, *, limit: int | None = None) -> tuple[view_models.RunView, ...]:
    """Return a model's newest retrains with their checks, newest first."""
    return tuple(view_models.run(record) for record in retrain_record.records(reg, name, limit=limit)[::-1])


def incident(
    reg: Registry,
    name: str,
    number: int,
    *,
    until: datetime | None = None,
    policies: Mapping[str, MonitorPolicy] | None = None,
) -> IncidentPage:
    """Return an incident's page, its windows ending at *until* (or with the newest that the incident has judged).

    NotFound if the model has no such incident.
    """
    if queries.incident(reg, number).model != name:
        msg = f"there is no incident {number} of {name}"
        raise errors.NotFound(msg, hint=f"choose one on the page of {name}")
    explanation = explain.explain(reg, number, policies)
    of, lines = explanation.incident, _stages_and_segments(explanation)
    response = incident_response.read(reg, of)
    traffic = functools.partial(queries.windows, reg, name, version=of.version, segment="", stage=lines[0][0])
    ends = [row.window_end for row in traffic(until=until or of.judged_until, limit=INCIDENT_WINDOWS)]
    newest = [row.window_end for row in traffic(limit=1)]
    return IncidentPage(
        view=view_models.incident(of, explanation.decision, response.waits_for),
        first=explanation.first,
        newest=explanation.newest,
        evidence=_evidence(reg, of, lines, ends),
        grid=incident_page.verdict_grid(explain.window_verdicts(reg, of, ends[0], ends[-1]) if ends else [], of),
        pages=view_models.pages(ends, cut=len(ends) == INCIDENT_WINDOWS, newest=next(iter(newest), None)),
        log=explanation.log,
        response=response,
    )


def _evidence(
    reg: Registry, of: Incident, lines: list[tuple[Stage, str]], ends: list[datetime]
) -> tuple[incident_page.EvidenceTrace, ...]:
    """Return the evidence of an incident's signal in the stages and segments of *lines*, over the windows of *ends*."""
    stored = functools.partial(queries.windows, reg, of.model, version=of.version)
    rows = [
        row
        for stage, segment in (lines if ends else ())
        for row in stored(stage=stage, segment=segment, since=ends[0], until=ends[-1])
    ]
    return incident_page.evidence_traces((Report.model_validate(row.report) for row in rows), of.signal)


def _stages_and_segments(explanation: IncidentExplanation) -> list[tuple[Stage, str]]:
    """Return the stages and segments whose evidence is drawn: all traffic, and those of the drifted variables."""
    drifted = [*explanation.newest.of(explanation.incident.signal), *explanation.first.of(explanation.incident.signal)]
    stages = dict.fromkeys(m.stage for m in drifted) or {e.stage: None for e in explanation.incident.evidence}
    pairs = [*((stage, "") for stage in stages or Stage), *((m.stage, m.segment) for m in drifted)]
    return list(dict.fromkeys(pairs))


def window(
    reg: Registry, name: str, where: Address, *, variable: str | None = None, against: datetime | None = None
) -> view_models.WindowView:
    """Return one window's page; NotFound if the window, the *variable* in it or the window *against* is not stored."""
    row = _stored(reg, name, where)
    report = Report.model_validate(row.report)
    baseline = queries.baseline(reg, report.baseline)
    samples = [("this window", report)]
    if against is not None:
        other = _stored(reg, name, Address(where.version, where.stage, against, where.segment))
        samples.append(("other window", Report.model_validate(other.report)))
    choices = window_page.variables(baseline, report)
    if variable is not None and variable not in choices:
        msg = f"this window has no variable {variable!r} to draw"
        raise errors.NotFound(msg, hint=f"it has {', '.join(choices)}")
    chosen = variable or next(iter(choices), None)
    return view_models.WindowView(
        model=name,
        summary=view_models.window(row),
        revision=row.revision,
        created_at=row.created_at,
        baseline=report.baseline,
        findings=window_page.ranked(report.findings),
        variables=choices,
        distribution=window_page.distribution(baseline, chosen, samples) if chosen else None,
        neighbours=_around(reg, name, row),
        against=against,
        incidents=view_models.during(incidents(reg, name), where),
    )


def _stored(reg: Registry, name: str, where: Address) -> WindowRow:
    rows = queries.windows(
        reg, name, version=where.version, segment=where.segment, stage=where.stage, since=where.end, until=where.end
    )
    if not rows:
        msg = f"there is no {where.stage.value} window of {name} {where.version} that ends at {where.end.isoformat()}"
        raise errors.NotFound(msg, hint=f"choose one on the page of {name}")
    return rows[-1]


def _around(reg: Registry, name: str, row: WindowRow) -> tuple[view_models.Neighbour, ...]:
    """Return the windows on the same bins as *row* and itself, oldest first: up to `WINDOWS` before, a few after."""
    soon = row.window_end + AHEAD_WINDOWS * (row.window_end - row.window_start)
    same = functools.partial(queries.windows, reg, name, version=row.version, segment=row.segment, stage=row.stage)
    before = same(until=row.window_end, limit=WINDOWS)
    after = same(since=row.window_end, until=soon)
    return tuple(view_models.neighbour(r) for r in (*before, *(r for r in after if r.window_end > row.window_end)))
