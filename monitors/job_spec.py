"""Job specification: the schema, policy and baselines of a model, as every worker process of a streaming job has them.

It travels to Flink's workers as a value, so that they need neither the project file nor the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from features import errors
from features.schema import EventSchema
from monitors.baseline import published
from monitors.baseline.baseline import Baseline, in_force
from monitors.baseline.published import PublishedBaseline
from monitors.config import MonitorPolicy
from monitors.finding import Stage

FIELD_SEPARATOR = "\x1f"
"""Separates the fields of a row that crosses between Python and Java; ids and versions do not contain it."""
BUCKETS = 16
"""Key groups of the label join over topics: how many workers can share it at most. Checkpointed state relies on the
number: with another one, ids would be in other groups."""
BUCKETS_OF_ONE_WORKER = 1
"""Key groups where one worker has all of the join, as over files: each group costs a join a slice, and state calls."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that a worker needs to know of a model.

    Parameters
    ----------
    schema, policy
        The model's events and monitor settings.
    baselines
        The folder of its published baselines.
    start, end
        The period of predictions to count, [start, end), in milliseconds since the epoch; None is open.
    outcomes
        Whether predictions wait for labels.
    buckets
        Key groups of the label join.
    digests
        The sha256 of each revision, by version, of baselines that were registered when the job was submitted; None:
        nothing is checked (:mod:`monitors.baseline.published`).
    """

    schema: EventSchema
    policy: MonitorPolicy
    baselines: str
    start: int | None = None
    end: int | None = None
    outcomes: bool = True
    buckets: int = BUCKETS
    digests: published.Digests | None = None

    def baseline(self, version: str) -> Baseline | None:
        """Return the published baseline of a version, or None; raises ArtifactError if its file was altered.

        It is the first: what rows are counted with is the same for all revisions.
        """
        file = published.find(self.baselines, version, self.digests)
        return None if file is None else file.baseline

    def published(self) -> list[str]:
        """Return every version with a published baseline: a record without a readable version may be of any."""
        return published.versions(self.baselines, self.digests)

    def in_force(self, version: str, stage: Stage, window_end: datetime) -> PublishedBaseline:
        """Return the revision of a version's baseline that a window is compared with.

        Raises
        ------
        EngineError
            It is gone.
        ArtifactError
            A file was altered.
        """
        files = {f.digest: f for f in published.revisions(self.baselines, version, self.digests)}
        if not files:
            raise _gone(version)
        return files[in_force({digest: f.baseline for digest, f in files.items()}, stage, window_end)]


def join(*values: object) -> str:
    """Return values as the text of one row, with :data:`FIELD_SEPARATOR` in between."""
    return FIELD_SEPARATOR.join(map(str, values))


def baseline_counted_with(spec: JobSpec, version: str) -> Baseline:
    """Return the baseline of a version whose events were counted already; raises EngineError if it is gone."""
    baseline = spec.baseline(version)
    if baseline is None:
        raise _gone(version)
    return baseline


def _gone(version: str) -> errors.EngineError:
    msg = f"the published baseline of version {version} was removed after its events were counted"
    hint = "do not remove published baselines while a job runs; restart the monitor to publish them again"
    return errors.EngineError(msg, hint=hint)
