"""The registry's nouns as frozen values: what moves return and queries read. No SQL here."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from monitors.report import DriftEvidence, Signal, Stage, Verdict
from monitors.signals import Severity
from registry.config import UNHELPED


class Record(BaseModel):
    """A row read back. Frozen; all times aware and in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionState(str, Enum):
    """Where a model version stands. Exactly one version of a model is champion."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    RETIRED = "retired"
    REJECTED = "rejected"


class Version(Record):
    """A model version. *artifact* and *baseline* are sha256 digests; *parent* is what an online model grew from."""

    model: str
    version: str
    mode: str = Field(description="static, online, or external where Leeway only watches")
    state: VersionState = VersionState.CANDIDATE
    artifact: str | None = None
    baseline: str | None = None
    parent: str | None = None
    parent_digest: str | None = None
    trained_from: datetime | None = None
    trained_until: datetime | None = None
    rows: int = 0
    metrics: dict[str, float] = Field(default_factory=dict)
    created_at: datetime


class Champion(Record):
    """Who serves. *generation* grows by one with every promotion; a promotion names the one it has seen."""

    model: str
    version: str
    generation: int
    since: datetime


class WindowRow(Record):
    """A stored window report: the report's canonical JSON and what is searched for. Late data make a new *revision*."""

    id: int
    model: str
    version: str
    segment: str
    stage: Stage
    window_start: datetime
    window_end: datetime
    verdict: Verdict
    rows: int
    digest: str
    revision: int
    report: dict[str, Any]
    created_at: datetime


class IncidentState(str, Enum):
    """Where an incident stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Incident(Record):
    """An episode: one signal of one model version away from its baseline, from its first window to its resolution.

    It was opened by the window that ends at *opened_at*, and counts the *windows* that drifted from the one that ends
    at *since* to *last_seen*. *steady* windows came after; *judged_until* is the newest that could be judged.
    *evidence* is the first and the newest drift findings. *severity* never falls. *corrections* is how often late data
    changed what it counts. *pending* says why a decision is still being waited for.
    """

    id: int
    model: str
    version: str
    signal: Signal
    severity: Severity
    state: IncidentState
    since: datetime
    opened_at: datetime
    last_seen: datetime
    judged_until: datetime
    windows: int
    steady: int = 0
    corrections: int = 0
    evidence: tuple[DriftEvidence, ...]
    pending: str = ""
    resolved_at: datetime | None = None
    resolution: str = ""

    @property
    def word(self) -> str:
        """The state as it is told: *closed* where a retrain ended it that changed nothing, and the drift goes on."""
        return "closed" if self.resolution.startswith(UNHELPED) else self.state.value


class Action(str, Enum):
    """What a decision does."""

    RETRAIN = "retrain"
    RESTORE = "restore"
    PROMOTE = "promote"
    REPAIR_DATA = "repair_data"
    WAIT_GIVEN_UP = "wait_given_up"
    NOTHING = "nothing"


class Decision(Record):
    """What was decided about an incident (at most one each) or by hand (*incident_id* is None), and because of what."""

    id: int
    model: str
    incident_id: int | None
    action: Action
    because: tuple[str, ...]
    actor: str
    made_at: datetime


class RunState(str, Enum):
    """Where a retrain stands. All but RUNNING are ends; REJECTED is a result, not a failure."""

    RUNNING = "running"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    FAILED = "failed"


class RetrainRun(Record):
    """One execution of a retrain decision. *as_of* is the event time whose knowledge it may use."""

    id: int
    decision_id: int
    model: str
    state: RunState
    as_of: datetime
    flow_run: str | None = None
    challenger: str | None = None
    reason: str = ""
    started_at: datetime
    finished_at: datetime | None = None


class CheckResult(str, Enum):
    """What one check of the gate says. HOLD: the data do not suffice to say; it never passes."""

    PASS = "pass"
    FAIL = "fail"
    HOLD = "hold"


class Check(Record):
    """One check of the gate on one challenger, with its numbers in words and as data."""

    name: str
    result: CheckResult
    got: str
    want: str
    version: str = ""
    numbers: dict[str, float] = Field(default_factory=dict)


class Promotion(Record):
    """One move of the champion pointer. *kind*: bootstrap, promote or rollback. *effective_at* is in event time."""

    id: int
    model: str
    from_version: str | None
    to_version: str
    generation: int
    kind: str
    decision_id: int | None
    run_id: int | None
    actor: str
    reason: str
    effective_at: datetime
    made_at: datetime


class Message(Record):
    """An outbox row: something that happened, told in the transaction that made it happen. *id* is a UUID."""

    id: str
    type: str
    model: str
    data: dict[str, Any]
    created_at: datetime


class Delivery(Record):
    """One message at one endpoint: *state* is pending, delivered or dead; a claim on it lasts to *leased_until*."""

    id: int
    message_id: str
    endpoint: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    status_code: int | None = None
    error: str = ""
    delivered_at: datetime | None = None
    leased_until: datetime | None = None


class AuditEntry(Record):
    """A line of the audit log. *seq* has no gaps; *hash* covers the line and the hash before it."""

    seq: int
    at: datetime
    actor: str
    action: str
    model: str
    subject: str
    details: dict[str, Any]
    previous: str
    hash: str


class AuditResult(Record):
    """A finished audit: what was compared, what was found. *findings* are sentences; none means all held."""

    id: int
    model: str
    period_start: datetime
    period_end: datetime
    passed: bool
    findings: tuple[str, ...]
    numbers: dict[str, float]
    report: str = Field(description="path of the markdown report")
    made_at: datetime
