"""Records of windows, of the incidents that they open, and of what was decided about these."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

from monitors.finding import DriftEvidence, Signal, Stage, Verdict
from monitors.signals import Severity
from registry.config import UNRESOLVED
from registry.records.record import Record


class WindowRow(Record):
    """A stored window report: the report as JSON, and its columns to search by. Late data make a new *revision*."""

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
    """The state of an incident; ``docs/incident-lifecycle.md`` draws the moves."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Incident(Record):
    """A stretch of drift of one signal of one model version, from its first window to its resolution.

    Parameters
    ----------
    severity
        How severe it is; it may rise while the incident goes on, and never falls.
    since, last_seen
        The ends of the first and of the newest window that drifted.
    opened_at
        The end of the window that opened it.
    judged_until
        The end of the newest window that could be judged.
    windows
        How many window ends drifted.
    steady
        How many steady windows came since, in the stage that has fewest of them.
    corrections
        How often late data changed a verdict that it counts.
    evidence
        The drift findings of its first and of its newest window.
    pending
        Why a decision is still waited for; empty if it is not.
    resolved_at, resolution
        When, by the clock, and why it ended.
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
    def displayed_state(self) -> str:
        """The state that users read: ``closed`` where a retrain that promoted nothing ended it, and drift goes on."""
        return "closed" if self.resolution.startswith(UNRESOLVED) else self.state.value


BASELINE_REPLACED = "baseline replaced"
"""How the resolution of an incident begins that a promotion ended."""


class Action(str, Enum):
    """What is done: about an incident, or about a version without one."""

    RETRAIN = "retrain"
    RESTORE = "restore"
    PROMOTE = "promote"
    REPAIR_DATA = "repair_data"
    SUGGEST = "suggest"
    ROLL_BACK = "roll_back"
    RENEW_BASELINE = "renew_baseline"
    WAIT_GIVEN_UP = "wait_given_up"
    NOTHING = "nothing"

    @property
    def text(self) -> str:
        """The action as users read it.

        >>> Action.NOTHING.text, Action.REPAIR_DATA.text
        ('no action', 'repair data')
        """
        texts = {Action.NOTHING: "no action", Action.WAIT_GIVEN_UP: "gave up waiting"}
        return texts.get(self, self.value.replace("_", " "))


class Decision(Record):
    """What was decided about an incident, or by hand or schedule (*incident_id* is None), and *because* of what.

    A decision about an incident is revised when what it rested on changes; the newest *revision* counts.
    """

    id: int
    model: str
    incident_id: int | None
    action: Action
    because: tuple[str, ...]
    actor: str
    made_at: datetime
    revision: int = 1


class AcceptedAs(str, Enum):
    """What an incident was accepted as, whatever the monitors took it for."""

    DRIFT = "drift"
    FAULT = "fault"


class Acceptance(Record):
    """What somebody said of one variable and kind of fault of an incident, *because* of what; the newest one holds.

    Parameters
    ----------
    accepted_as
        Drift: faults of this kind in this variable of this version are drift from then on. Fault: they stay faults, and
        the incident's rows are not trained on.
    variable
        The variable; ``*`` is the feed as a whole.
    kind
        The kind of fault (:class:`monitors.quality.fault.FaultKind`), or ``drift`` of an incident of drift.
    since, until
        The event time that the incident covered when it was accepted.
    """

    id: int
    model: str
    version: str
    incident_id: int
    accepted_as: AcceptedAs
    variable: str
    kind: str
    since: datetime
    until: datetime
    because: str
    actor: str
    made_at: datetime
