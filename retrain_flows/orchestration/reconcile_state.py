"""Digest of what a reconcile of a model would act on: it changes when a new reconcile could have another result.

An incident whose decision is deferred waits for labels, for an end of the cool-down, for a later window. To reconcile
it each minute would start a process and read all events, only to defer it again. All of what it waits for moves with
the records that are digested here.
"""

from __future__ import annotations

import hashlib
import json

from monitors.finding import Stage
from registry import queries
from registry.connection import Registry
from retrain_flows import reconcile
from retrain_flows.config import Retrain

_NOT_A_CAUSE = {"pending"}
"""What a reconcile itself writes about an incident that it defers."""


def digest(reg: Registry, model: str, policy: str = "", *, retrain: Retrain | None = None) -> str:
    """Return the sha256 of what a reconcile of *model* would act on; "" where it has nothing to do.

    Parameters
    ----------
    reg
        The registry.
    model
        The model.
    policy
        The text of its settings; a change of them may change decisions too.
    retrain
        How it is retrained: a schedule and the watch of a promotion are looked at with each new window.
    """
    if not reconcile.looks_on(reg, model, retrain):
        return ""
    newest = {stage.value: str(queries.newest_window(reg, model, stage)) for stage in Stage}
    incidents = [i.model_dump(mode="json", exclude=_NOT_A_CAUSE) for i in queries.incidents(reg, model)]
    others = (*queries.decisions(reg, model), *queries.runs(reg, model), *queries.promotions(reg, model))
    records = [newest, incidents, [record.model_dump(mode="json") for record in others], policy]
    return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()
