"""Records of models and their versions: who serves, and how that changed."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from pydantic import Field

from registry.records.record import Record

EXTERNAL = "external"
"""The mode of a version that Leeway did not train, and only watches."""


class VersionState(str, Enum):
    """The state of a model version (``docs/incident-lifecycle.md`` draws them). A model has one champion at most."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    RETIRED = "retired"
    REJECTED = "rejected"


class Version(Record):
    """A model version.

    Parameters
    ----------
    artifact, baseline
        The sha256 of its model file and of its baseline; None where there is none.
    parent, parent_digest
        The version, and the sha256 of its model file, that an online model went on learning from.
    trained_from, trained_until
        The event times between which its training rows lie.
    rows
        The number of training rows.
    """

    model: str
    version: str
    mode: str = Field(description=f"static, online, or {EXTERNAL} where Leeway only watches")
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
    """The version that serves a model.

    *generation* grows by one with every promotion; a promotion names the generation that it has seen, and is refused if
    that has passed.
    """

    model: str
    version: str
    generation: int
    since: datetime


class Promotion(Record):
    """One change of a model's champion.

    *kind* is ``bootstrap``, ``promote`` or ``rollback``; *effective_at* is the event time from which the version
    answers. A first version that is of rows since a change takes the place of one that is of the rows before.
    """

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

    @property
    def is_new(self) -> bool:
        """Whether a version came that is not an earlier one, and has taken the place of another."""
        return self.kind != "rollback" and self.from_version is not None
