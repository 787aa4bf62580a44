"""A running nearline job over topics: the registry is followed beside it, and its progress is summed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import lifecycle, nearline_job
from leeway.streaming.job_kinds import NEARLINE
from monitors.flink import committed_output
from serving.nearline.champion_file import ChampionFollower


@dataclass
class NearlineTally:
    """What the job has committed since the command began.

    Parameters
    ----------
    rows
        Answers, by version.
    rejected
        Records in the dead letters.
    reasons
        Their reasons, each with the number of records.
    champion
        The version that answers.
    """

    rows: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    champion: str = ""

    def progress(self, lines: list[str]) -> None:
        """Add lines of progress."""
        for line in map(json.loads, lines):
            self.rows[line["version"]] = self.rows.get(line["version"], 0) + line["rows"]
            self.rejected += line["rejected"]
            for reason, n in line["reasons"].items():
                self.reasons[reason] = self.reasons.get(reason, 0) + n

    def text(self) -> str:
        """Return how far it is, in words."""
        rejected = f", {self.rejected:,} records rejected" if self.rejected else ""
        return f"{sum(self.rows.values()):,} requests answered{rejected}; the champion is {self.champion}"


@contextmanager
def answering(
    opened: Context, model: Model, tally: NearlineTally, note: Callable[[str], None]
) -> Iterator[Callable[[], int]]:
    """Run the job, and follow the registry; the callable looks at both once, and returns the batches of progress.

    A job on a cluster is started there unless it runs already, and continues when the block ends.

    Raises
    ------
    NotFound, ArtifactError
        There is no champion, or it cannot be loaded.
    BrokerError
        Kafka does not answer.
    EngineError
        The job does not start.
    """
    following = nearline_job.follower(opened, model, note)
    progress = nearline_job.progress_topic(model)
    group = f"{nearline_job.group(opened, model)}.progress"
    with (
        lifecycle.running(opened, model, NEARLINE) as check,
        committed_output.reader(model.events.predictions.bootstrap, group, progress) as lines,
    ):
        yield lambda: _look(check, following, lambda: committed_output.take(lines, tally.progress), tally)


def _look(check: Callable[[], None], following: ChampionFollower, take: Callable[[], int], tally: NearlineTally) -> int:
    check()
    following.look(time.monotonic())
    tally.champion = following.current.version if following.current else ""
    return take()
