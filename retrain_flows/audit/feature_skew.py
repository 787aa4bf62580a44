"""Skew of features in an audit: what was logged in the period, compared with what the facts give by now."""

from __future__ import annotations

from datetime import datetime

from monitors.baseline import budget_shares
from monitors.quality import feature_skew
from registry import queries
from retrain_flows.audit.notes import Notes
from retrain_flows.data.event_log import StoredEvents
from retrain_flows.data.feature_skew import FeatureSkew
from retrain_flows.data.workspace import Workspace


def check(ws: Workspace, start: datetime, end: datetime, notes: Notes, *, now: datetime) -> None:
    """Compare a seeded sample of each slice in [start, end); a feature that differs too often is a finding.

    Too often is what is a fault in a window (:mod:`monitors.quality.feature_skew`), here over the whole period and with
    all facts that have come since.

    Raises
    ------
    DataError
        The log, or a directory of facts, does not exist.
    """
    champion = queries.champion(ws.registry, ws.model)
    baseline = queries.baseline_of(ws.registry, ws.model, champion.version) if champion else None
    if not ws.facts.features or baseline is None:
        return
    skew = FeatureSkew(StoredEvents(ws.schema, ws.events, ws.sets, facts=ws.facts))
    slice_of = ws.schema.windows.slice_of
    sample = skew.counts(slice_of(start), slice_of(end), now=now)
    notes.numbers |= {"fact_values": sum(sample.rows.values()), "fact_values_different": sum(sample.different.values())}
    before = skew.before(baseline.end, baseline.start, now=now)
    level = budget_shares.quality_level(baseline, ws.monitor, "")
    faults = list(feature_skew.faults(sample, before, ws.monitor, level))
    words = [f"{f.variables[0]} ({f.share:.1%} of sampled rows, line {f.line:.1%})" for f in faults]
    notes.several("feature", "logged with other values than the facts give (`leeway features diff`)", words)
