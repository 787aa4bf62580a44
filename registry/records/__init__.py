"""The registry's records as frozen values, one class a table: what operations return and queries read. No SQL here."""

from registry.records.comparisons import ComparedSlice, Comparison, ComparisonKind
from registry.records.incidents import (
    BASELINE_REPLACED,
    Acceptance,
    AcceptedAs,
    Action,
    Decision,
    Incident,
    IncidentState,
    WindowRow,
)
from registry.records.messages import AuditEntry, AuditResult, Delivery, Message
from registry.records.record import Record
from registry.records.runs import APPROVAL, OTHER_CHAMPION, SUPERSEDED, Check, CheckResult, RetrainRun, RunState
from registry.records.versions import EXTERNAL, Champion, Promotion, Version, VersionState

__all__ = [
    "APPROVAL",
    "BASELINE_REPLACED",
    "EXTERNAL",
    "OTHER_CHAMPION",
    "SUPERSEDED",
    "Acceptance",
    "AcceptedAs",
    "Action",
    "AuditEntry",
    "AuditResult",
    "Champion",
    "Check",
    "CheckResult",
    "ComparedSlice",
    "Comparison",
    "ComparisonKind",
    "Decision",
    "Delivery",
    "Incident",
    "IncidentState",
    "Message",
    "Promotion",
    "Record",
    "RetrainRun",
    "RunState",
    "Version",
    "VersionState",
    "WindowRow",
]
