"""Operations on the registry as one namespace: each is one transaction, with its line in the audit log.

They are in one module a noun; callers write ``operations.promote(reg, ...)``.
"""

from registry.operations.acceptances import accept_incident, settle_lasting_fault
from registry.operations.audits import accept, record_audit
from registry.operations.baselines import record_published, renew_baseline
from registry.operations.champion import promote, rollback
from registry.operations.incidents import (
    acknowledge_incident,
    record_decision,
    resolve_incident,
    schedule_retrain,
    set_pending,
)
from registry.operations.runs import finish_run, hold_run, record_checks, record_look, set_challenger, start_run
from registry.operations.versions import MOVES, add_model, add_version, next_version, store_baseline

__all__ = [
    "MOVES",
    "accept",
    "accept_incident",
    "acknowledge_incident",
    "add_model",
    "add_version",
    "finish_run",
    "hold_run",
    "next_version",
    "promote",
    "record_audit",
    "record_checks",
    "record_decision",
    "record_look",
    "record_published",
    "renew_baseline",
    "resolve_incident",
    "rollback",
    "schedule_retrain",
    "set_challenger",
    "set_pending",
    "settle_lasting_fault",
    "start_run",
    "store_baseline",
]
