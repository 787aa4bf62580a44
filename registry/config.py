"""The project file's `incidents` section: when drift opens an incident, when it is over, and how severe it is."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.window import Span
from monitors.finding import Signal
from monitors.signals import Severity, section

UNRESOLVED = ("retrain rejected: ", "retrain failed: ")
"""How the resolution of an incident begins that a retrain closed without promoting anything: the drift goes on."""


class OpenAfter(BaseModel):
    """How many of the last judged windows of a signal and stage must drift to open an incident: N of M.

    Windows with not enough evidence do not count at all, and the newest must be among those that drift.

    Parameters
    ----------
    windows
        How many windows must drift (N).
    of
        Of how many last judged windows (M).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: int = Field(1, ge=1)
    of: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> OpenAfter:
        if self.windows > self.of:
            msg = f"{self.windows} of {self.of} windows can never drift; write it like {{windows: 2, of: 3}}"
            raise ValueError(msg)
        return self


class SeveritySection(BaseModel):
    """The severity that an incident of each signal starts with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def of(self, signal: Signal) -> Severity:
        """Return the severity of *signal*."""
        return Severity(getattr(self, signal.value))


if TYPE_CHECKING:
    Severities = SeveritySection
else:
    Severities = section("Severities", SeveritySection, __name__, lambda spec: (Severity, spec.severity))


class LastingFault(str, Enum):
    """What becomes of a data fault that outlasts the patience: somebody is asked, or it counts as drift."""

    ASK = "ask"
    DRIFT = "drift"


class IncidentPolicy(BaseModel):
    """When an incident opens and ends, and how severe it is.

    Parameters
    ----------
    open_after
        How many of the last judged windows must drift to open an incident.
    clear_after
        How many steady windows in a row, in each stage that has drifted, end an incident that is decided.
    cool_down
        For how long after the end (event time) drift reopens the incident instead of opening another.
    severity
        The severity that an incident of each signal starts with.
    fault_patience
        For how long (event time) a data fault may last before it is asked about, or accepted as drift.
    lasting_fault
        Which of both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    open_after: OpenAfter = OpenAfter()
    clear_after: int = Field(3, ge=1, description="steady windows in a row that end an incident")
    cool_down: Span = Field(timedelta(0), description="how long after its end drift continues an incident")
    severity: Severities = Severities()
    fault_patience: Span = Field(timedelta(days=14), description="how long a data fault may last before it is settled")
    lasting_fault: LastingFault = Field(
        LastingFault.ASK, description="what then: ask somebody once, or accept it as drift"
    )
