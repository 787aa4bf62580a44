"""Records of retrain runs and of the checks of their gate."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from pydantic import Field

from registry.records.record import Record


class RunState(str, Enum):
    """The state of a retrain run. HELD: its candidate stays in the gate until enough labels have come, or
    has passed it and waits for approval.

    All after it are final. REJECTED is a result of the gate, not a failure.
    """

    RUNNING = "running"
    HELD = "held"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self not in (RunState.RUNNING, RunState.HELD)


APPROVAL = "passed the gate; waits for approval"
"""How the reason of a held run begins whose candidate is promoted once somebody approves it."""
SUPERSEDED = "superseded: "
"""How the reason of a run begins that was ended by another retrain or promotion."""
OTHER_CHAMPION = f"{SUPERSEDED}another version became champion"


class RetrainRun(Record):
    """One execution of a decision to retrain.

    Parameters
    ----------
    as_of
        The event time up to which it may use data.
    flow_run
        The id of its Prefect flow run; None outside Prefect.
    challenger
        The version that it would promote, once that is registered.
    reason
        Why it ended as it did.
    """

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

    @property
    def awaits_approval(self) -> bool:
        """Whether its candidate passed the gate, and is promoted once somebody approves it."""
        return self.state is RunState.HELD and self.reason.startswith(APPROVAL)


class CheckResult(str, Enum):
    """The result of one check of the gate. HOLD: there is not enough data for a result; it does not pass."""

    PASS = "pass"
    FAIL = "fail"
    HOLD = "hold"


class Check(Record):
    """One check of the gate on one challenger: what it *got*, what it had to (*want*), and *numbers*."""

    name: str
    result: CheckResult
    got: str
    want: str
    version: str = ""
    numbers: dict[str, float] = Field(default_factory=dict)
