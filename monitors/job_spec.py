"""What every worker process of a job is given: the model's events and policy, and where its frozen baselines are.

It travels to Flink's workers as a value, so that they need neither the project file nor the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from features import errors
from features.schema import EventSchema
from monitors.baseline import published
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy

#: Separates the fields of a row that crosses between Python and Java; ids and versions do not hold it.
FIELD_SEPARATOR = "\x1f"
BUCKETS = 16
"""How many workers can share the join of a job with checkpoints at most. Kept state relies on it: with another number,
ids are elsewhere."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that a worker needs to know of a model.

    *baselines* is the directory of its published baselines; *digests* has the sha256 of those that were registered when
    the job was submitted, by version (None: nothing is checked, see :mod:`monitors.baseline.published`). Predictions
    outside [*start*, *end*), where they are set (milliseconds), are not looked at. They wait for labels only where
    there are any: *outcomes*, in so many *buckets*.
    """

    schema: EventSchema
    policy: MonitorPolicy
    baselines: str
    start: int | None = None
    end: int | None = None
    outcomes: bool = True
    buckets: int = BUCKETS
    digests: Mapping[str, str] | None = None

    def baseline(self, version: str) -> Baseline | None:
        """Return the baseline published for *version*, or None. Raises ArtifactError if it was altered."""
        found = published.find(self.baselines, version, self.digests)
        return None if found is None else found.baseline

    def published(self) -> list[str]:
        """Return every version that has a baseline: what a record without a readable version may be of."""
        return published.versions(self.baselines, self.digests)

    def digest(self, version: str) -> str:
        """Return the sha256 of the baseline of a *version* that has one."""
        found = published.find(self.baselines, version, self.digests)
        return found.digest if found else ""


def join(*values: object) -> str:
    """Return *values* as the text of one row."""
    return FIELD_SEPARATOR.join(map(str, values))


def baseline_counted_with(spec: JobSpec, version: str) -> Baseline:
    """Return the baseline of a *version* whose events were counted. Raises EngineError if it is gone."""
    baseline = spec.baseline(version)
    if baseline is None:
        msg = f"the baseline of {version} was there when its events were counted and is gone now"
        raise errors.EngineError(msg, hint="published baselines must not be removed while a job runs")
    return baseline
