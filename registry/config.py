"""The project file's `incidents` section: when drift becomes an incident, when it is over, and how bad it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, model_validator

from features.window import Span
from monitors.report import Signal
from monitors.signals import Severity, section

UNHELPED = ("retrain rejected: ", "retrain failed: ")
"""How the resolution of an incident begins that a retrain ended and nothing resolved."""


class OpenAfter(BaseModel):
    """How many windows (*windows*) of the last *of* judged ones of a signal and stage must drift to open an incident.

    Windows with not enough evidence are not counted at all. The newest must be among those that drift.
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


class IncidentPolicy(BaseModel):
    """When an episode of drift begins and ends, and how bad it is.

    *clear_after* is how many steady windows in a row, in each stage that has drifted, end an incident that is decided.
    Drift at most *cool_down* (event time) after that continues the incident instead of opening another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    open_after: OpenAfter = OpenAfter()
    clear_after: int = Field(3, ge=1, description="steady windows in a row that end an incident")
    cool_down: Span = Field(timedelta(0), description="how long after its end drift continues an incident")
    severity: Severities = Severities()
