"""The project file's `alerts` section: webhook endpoints, their subscriptions and keys."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, field_validator

from monitors.signals import Severity

EVENTS = (
    "incident.opened", "incident.raised", "incident.reopened", "incident.resolved", "incident.closed",
    "incident.lasting",
    "decision.made", "model.promoted",
    "model.rolled_back", "baseline.renewed", "retrain.held", "retrain.rejected", "retrain.failed", "audit.finished",
)  # fmt: skip


class Endpoint(BaseModel):
    """A receiver of Standard Webhooks; *secret_env* names the variable with its ``whsec_`` key.

    An incident below *min_severity* is sent once its severity reaches that (``incident.raised``), and from then on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    url: str = Field(pattern=r"^https?://")
    secret_env: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    events: tuple[str, ...] = Field(("*",), description="types to send; `*` is all, `incident.*` a family")
    min_severity: Severity = Field(Severity.INFO, description="incidents below it are not sent; all else is")

    @field_validator("events")
    @classmethod
    def _event_types_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not any(fnmatchcase(event, pattern) for event in EVENTS):
                msg = f"{pattern!r} is not a type of event; the types are {', '.join(EVENTS)}"
                raise ValueError(msg)
        return value


class Alerts(BaseModel):
    """All endpoints, and the limits of delivery."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[Endpoint, ...] = ()
    attempts: int = Field(8, ge=1, le=20)
    timeout_seconds: float = Field(15, gt=0, le=60)

    @field_validator("endpoints")
    @classmethod
    def _distinct(cls, value: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
        twice = [name for name, n in Counter(e.name for e in value).items() if n > 1]
        if twice:
            msg = f"two endpoints are called {twice[0]!r}; each needs a name of its own"
            raise ValueError(msg)
        return value
