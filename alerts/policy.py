"""The project file's `alerts` section: who is told of what, and which environment variable holds the key."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

EVENTS = (
    "incident.opened", "incident.resolved", "decision.made", "model.promoted", "model.rolled_back", "retrain.rejected",
    "retrain.failed", "audit.finished",
)  # fmt: skip


class Endpoint(BaseModel):
    """A receiver of Standard Webhooks. *secret_env* names the variable with its ``whsec_`` key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    url: str = Field(pattern=r"^https?://")
    secret_env: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    events: tuple[str, ...] = Field(("*",), description="types to send; `*` is all, `incident.*` a family")


class Alerts(BaseModel):
    """All receivers, and how hard to try."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[Endpoint, ...] = ()
    attempts: int = Field(8, ge=1, le=20)
    timeout_seconds: float = Field(15, gt=0, le=60)
