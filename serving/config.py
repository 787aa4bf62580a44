"""The `nearline` section of a model: the topic of requests that a streaming job answers."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field, field_validator

from features.schema import Source
from features.window import Span


class Nearline(BaseModel):
    """Requests in a topic, which `leeway nearline` answers into the topic of `events.predictions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: Source = Field(description="the topic of requests: events with id, time and features")
    checkpoint_interval: Span = Field(
        timedelta(seconds=1),
        description="how often predictions are committed: a reader of committed records waits that long at most",
    )

    @field_validator("requests")
    @classmethod
    def _is_topic(cls, value: Source) -> Source:
        if value.topic is None:
            msg = "requests are in a topic: set `topic`; `leeway nearline SOURCE TARGET` answers files"
            raise ValueError(msg)
        return value
