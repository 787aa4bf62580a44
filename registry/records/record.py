"""The base of all records."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A row read back from the database. Frozen; all times are aware and in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")
