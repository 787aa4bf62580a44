"""The `flink` section of the project file: which Flink runs the jobs, and how it stores their state."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from features.window import Span
from monitors.flink import rest_address


class Restart(BaseModel):
    """How often Flink restarts a failed job from its newest checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(10, ge=0, description="how often, before the failure is one")
    delay: Span = Field(timedelta(seconds=1), description="how long to wait before each")


class Engine(BaseModel):
    """Where Flink is and how jobs run there; without an address they run inside the process that starts them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str | None = Field(
        None,
        pattern=rest_address.PATTERN,
        description="host:port of a cluster's REST service, or https://host:port?keys=/folder where it wants "
        "certificates, or env:NAME of the variable that holds either",
    )
    parallelism: int = Field(1, ge=1, le=128, description="subtasks of each job; a topic has use for one a partition")
    checkpoint_interval: Span | None = Field(
        None, description="how often state is kept and reports are committed; 10s on a cluster, 1s without"
    )
    state_backend: Literal["hashmap", "rocksdb"] = Field(
        "hashmap", description="where state is: in memory, or on disk where predictions wait long for many labels"
    )
    restart: Restart = Field(Restart(), description="what happens when a job fails")
    idle_timeout: Span = Field(
        timedelta(seconds=30), description="how long a quiet partition, or all the labels, may hold back the others"
    )
    transaction_timeout: Span = Field(
        timedelta(minutes=15),
        description="longest outage of a job that loses no report; at most the broker's transaction.max.timeout.ms",
    )

    @property
    def interval(self) -> timedelta:
        """The time between checkpoints."""
        return self.checkpoint_interval or timedelta(seconds=10 if self.address else 1)
