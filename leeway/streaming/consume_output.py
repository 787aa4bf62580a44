"""The output consumer of a streaming job: stores its committed reports in the registry, its dead letters in files.

Of a job over topics they stay in their topic, into which the job writes them (:mod:`monitors.flink.sinks_job`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from features.errors import EngineError
from features.files import lock_file
from features.window import from_ms
from leeway import assembly, dead_letters
from leeway.context import Context
from leeway.landed import landing
from leeway.project.load import Model
from leeway.streaming import job_settings, lifecycle
from leeway.streaming.live_clock import LiveClock
from leeway.streaming.skew_faults import SkewFaults
from monitors.finding import Stage
from monitors.flink import run_job
from monitors.flink.committed_output import CommittedOutput
from monitors.report import Report
from monitors.worker import unplaced
from registry import queries
from registry.incidents import ingest
from registry.incidents.ingest import Ingested
from registry.incidents.missing_windows import ClockReached
from registry.incidents.sequential_verdicts import SequentialVerdicts


@dataclass
class Tally:
    """What a monitor has counted since it started.

    Parameters
    ----------
    rows
        Rows read, by role.
    rejected, late
        Records set aside; predictions that came after their slice was closed.
    stored, revised
        Windows stored, and those of them that replaced an earlier report.
    newest
        The time of the newest prediction, including those set aside.
    last_window
        The latest window end of a report.
    opened
        The incidents opened, each as `signal of version`.
    """

    rows: dict[str, int] = field(default_factory=lambda: {"predictions": 0, "labels": 0})
    rejected: int = 0
    late: int = 0
    stored: int = 0
    revised: int = 0
    newest: datetime | None = None
    last_window: datetime | None = None
    opened: list[str] = field(default_factory=list)

    def add_progress(self, chunks: Iterable[Mapping[str, Any]]) -> None:
        """Add the job's progress, one entry for each chunk that it has read."""
        for chunk in chunks:
            self.late += chunk.get("late", 0)
            self.rejected += chunk.get("rejected", 0)
            if role := chunk.get("role"):
                self.rows[role] += chunk["rows"]
            self.newest = _later(self.newest, chunk["newest"])

    def progress(self, lines: Iterable[str]) -> None:
        """Add the job's committed lines of progress."""
        self.add_progress(map(json.loads, lines))

    def ingested(self, reports: Sequence[Report], result: Ingested) -> None:
        """Add the result of storing a batch of reports."""
        self.stored += result.stored
        self.revised += result.revised
        self.opened += [f"{i.signal.value} of {i.version}" for i in result.opened]
        ends = [r.window_end for r in reports]
        self.last_window = max([*ends, *([self.last_window] if self.last_window else [])], default=None)


def _later(newest: datetime | None, ms: int) -> datetime | None:
    """Return the later of *newest* and a time in milliseconds, where 0 and None are no time."""
    at = from_ms(ms) if ms else None
    return max(filter(None, (newest, at)), default=None)


@dataclass(frozen=True)
class OutputConsumer:
    """The monitor of one model: takes the job's output over once.

    Parameters
    ----------
    clock
        Returns the time that is recorded.
    report
        Called with the reason when a table of the model begins to fail, from another thread.
    """

    opened: Context
    model: Model
    clock: Callable[[], datetime]
    tally: Tally = field(default_factory=Tally)
    report: Callable[[str], None] = field(default=lambda _: None)

    @property
    def dead_letters(self) -> Path:
        """The folder of the model's dead letters: JSON Lines with file, line and reason."""
        return dead_letters.folder(self.opened.dir, self.model.name)

    @cached_property
    def _judges(self) -> SequentialVerdicts:
        return SequentialVerdicts({self.model.name: self.model.monitor})

    @cached_property
    def _skew(self) -> SkewFaults:
        return SkewFaults(self.opened, self.model)

    @cached_property
    def _live_clock(self) -> LiveClock:
        """The clock of the feed as the monitor starts: from its newest window, or since the champion serves."""
        reg, name, now = self.opened.registry, self.model.name, self.clock()
        newest = queries.windows(reg, name, segment="", stage=Stage.INPUTS, limit=1)
        champion = queries.champion(reg, name)
        if newest:
            end, silent = newest[0].window_end, max(now - newest[0].created_at, timedelta(0))
            return LiveClock(end, now, silent, newest_arrival=end)
        return LiveClock(champion.since if champion else None, now)

    def report_missing_windows(self) -> None:
        """Have windows judged missing that event time, advanced by the wall clock, has passed; each once."""
        clock, windows = self._live_clock, self.model.schema.windows
        clock.heard(self.tally.newest, self.clock())
        until = clock.until(windows)
        if until is not None:
            self.store([], ClockReached(until, clock.newest_arrival))
            clock.judged(until, windows)  # not where the registry is away: a slice may last a day

    def store_lines(self, lines: list[str]) -> None:
        """Store the reports in committed *lines*."""
        self.store([Report.model_validate_json(line) for line in lines])

    def store(self, reports: Sequence[Report], until: ClockReached | None = None) -> None:
        """Give *reports* their sequential verdicts and write them to the registry, in one transaction.

        Reports that are stored already change nothing. *until* is the event time up to which records could have
        arrived: windows that are missing before it are silence, which may be a fault.
        """
        placed = unplaced.place_unplaced(assembly.spec(self.opened, self.model), reports)
        reached, now = {self.model.name: until} if until else {}, self.clock()

        judge = partial(self._judges.judge, until=reached, with_more_faults=partial(self._skew.added, now=now))
        rules = assembly.incident_rules(self.model)
        result = ingest.ingest(self.opened.registry, placed, now=now, rules=rules, judge=judge)
        self.tally.ingested(placed, result)

    def once(self) -> Tally:
        """Judge every window that the existing events close, in a batch job, and store the reports."""
        landing.land(self.model.landed, self.clock())
        spec, source = assembly.spec(self.opened, self.model), assembly.directories(self.model)
        outcome = run_job.run_once(spec, source, self.opened.dir / "logs")
        letters = [json.dumps(r, sort_keys=True) for r in outcome.rejects]
        dead_letters.write(self.opened.dir, self.model.name, "once", letters)
        self.tally.add_progress(outcome.progress)
        until = ClockReached(self.tally.newest, self.tally.newest) if self.tally.newest else None
        self.store(outcome.reports, until)
        return self.tally

    @contextmanager
    def live(self) -> Iterator[Callable[[], int]]:
        """Run the streaming job; the callable stores what it has committed, and returns the number of batches.

        A job on a cluster is started there unless it runs already, and continues when the block ends.

        Raises
        ------
        EngineError
            Another monitor of this model is running, or the job fails.
        BrokerError
            Kafka does not answer.
        """
        with self._alone(), self._following_landed(), self._job() as (check, committed):
            yield lambda: self._take(check, committed)

    @contextmanager
    def ingesting(self) -> Iterator[Callable[[], int]]:
        """Store what the model's job commits to topics, wherever it runs; the callable as in :meth:`live`.

        Raises
        ------
        EngineError
            Another monitor of this model is running.
        BrokerError
            Kafka does not answer.
        """
        with self._alone(), self._following_landed(), job_settings.committed(self.opened, self.model) as committed:
            yield lambda: self._take(lambda: None, committed)

    def _following_landed(self) -> AbstractContextManager[None]:
        """Land what is new meanwhile: labels for the job, facts for the skew of features."""
        return landing.following(self.model.landed, self.clock, self.report)

    @contextmanager
    def _job(self) -> Iterator[tuple[Callable[[], None], CommittedOutput]]:
        """Run the model's job; yield a callable that raises if it has ended, and its committed output."""
        opened, model = self.opened, self.model
        if job_settings.follows_topics(model):
            with lifecycle.running(opened, model) as check, job_settings.committed(opened, model) as lines:
                yield check, lines
            return
        spec, name = assembly.spec(opened, model), assembly.job_name(model)
        landing.land(model.landed, self.clock())  # labels before predictions that would pass them by, or an error
        job, committed = run_job.start(spec, assembly.directories(model), opened.dir, name)
        try:
            yield job.check, committed
        finally:
            job.stop()

    def _take(self, check: Callable[[], None], committed: CommittedOutput) -> int:
        check()
        committed.progress(self.tally.progress)
        committed.dead_letters(partial(dead_letters.append_lines, self.opened.dir, self.model.name, "monitor"))
        taken = committed.reports(self.store_lines)
        self.report_missing_windows()
        return taken

    def _alone(self) -> AbstractContextManager[None]:
        msg = f"{self.model.name} is already being monitored from {self.opened.dir}"
        busy = EngineError(msg, hint="stop the other `leeway monitor` first")
        return lock_file.exclusive(self.opened.dir / f"monitor-{self.model.name}.lock", busy)
