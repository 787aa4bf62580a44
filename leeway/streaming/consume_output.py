"""The monitor at work: what the streaming job commits goes to the registry or to the dead letters, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

import filelock

from features.errors import EngineError
from features.window import from_ms
from leeway import assembly, dead_letters
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import job_settings, lifecycle
from leeway.streaming.live_clock import LiveClock
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
    """What a monitor has seen since it started: *late* are predictions whose slice had been closed when they came.

    *newest* is the time of the newest prediction, one that was set aside included.
    """

    rows: dict[str, int] = field(default_factory=lambda: {"predictions": 0, "labels": 0})
    rejected: int = 0
    late: int = 0
    stored: int = 0
    revised: int = 0
    newest: datetime | None = None
    last_window: datetime | None = None
    opened: list[str] = field(default_factory=list)

    def progress(self, lines: list[str]) -> None:
        """Add chunks' lines of progress."""
        for told in map(json.loads, lines):
            self.late += told.get("late", 0)
            self.rejected += told.get("rejected", 0)
            if role := told.get("role"):
                self.rows[role] += told["rows"]
            self.newest = _later(self.newest, told["newest"])

    def ingested(self, reports: list[Report], result: Ingested) -> None:
        """Add what a batch of reports changed."""
        self.stored += result.stored
        self.revised += result.revised
        self.opened += [f"{i.signal.value} of {i.version}" for i in result.opened]
        ends = [r.window_end for r in reports]
        self.last_window = max([*ends, *([self.last_window] if self.last_window else [])], default=None)


def _later(known: datetime | None, ms: int) -> datetime | None:
    """Return the later of a time, if there is one, and one in milliseconds, 0 for none."""
    at = from_ms(ms) if ms else None
    return max(filter(None, (known, at)), default=None)


@dataclass(frozen=True)
class OutputConsumer:
    """One model being watched: where its reports and dead letters go. *clock* tells the time that is recorded."""

    opened: Context
    model: Model
    clock: Callable[[], datetime]
    tally: Tally = field(default_factory=Tally)

    @property
    def dead_letters(self) -> Path:
        """The folder of records that could not be used, as lines of JSON with file, line and reason."""
        return dead_letters.folder(self.opened.dir, self.model.name)

    @cached_property
    def _judges(self) -> SequentialVerdicts:
        return SequentialVerdicts({self.model.name: self.model.monitor})

    @cached_property
    def _listening(self) -> LiveClock:
        """What is known of the feed as listening begins: its newest window, or since when the champion serves."""
        reg, name, now = self.opened.registry, self.model.name, self.clock()
        newest = queries.windows(reg, name, segment="", stage=Stage.INPUTS, limit=1)
        champion = queries.champion(reg, name)
        if newest:
            end, silent = newest[0].window_end, max(now - newest[0].created_at, timedelta(0))
            return LiveClock(end, now, silent, newest_arrival=end)
        return LiveClock(champion.since if champion else None, now)

    def listen(self) -> None:
        """Tell of windows that stay away, as the clock on the wall moves on: once a window."""
        self._listening.heard(self.tally.newest, self.clock())
        until = self._listening.until(self.model.schema.windows)
        if until is not None:
            self.store([], ClockReached(until, self._listening.newest_arrival))

    def store(self, lines: list[str], until: ClockReached | None = None) -> None:
        """Judge the reports in *lines* over time and write them to the registry, in one transaction.

        Known ones change nothing. *until* is the event time up to which records might have come: windows that are
        missing before it are silence, which may be a fault.
        """
        found = [Report.model_validate_json(line) for line in lines]
        reports = unplaced.place_unplaced(assembly.spec(self.opened, self.model), found)
        judge = partial(self._judges.judge, until={self.model.name: until} if until else {})
        result = ingest.ingest(
            self.opened.registry,
            reports,
            now=self.clock(),
            ignore=self.model.signals.ignored,
            policy=self.model.incidents,
            judge=judge,
        )
        self.tally.ingested(reports, result)

    def once(self) -> Tally:
        """Report on every window that the events at hand have closed, in batch."""
        spec, source = assembly.spec(self.opened, self.model), assembly.directories(self.model)
        outcome = run_job.run_once(spec, source, self.opened.dir / "logs")
        self._keep_dead_letters("once", [json.dumps(r, sort_keys=True) for r in outcome.rejects])
        self.tally.progress([json.dumps(line) for line in outcome.progress])
        until = ClockReached(self.tally.newest, self.tally.newest) if self.tally.newest else None
        self.store([r.model_dump_json() for r in outcome.reports], until)
        return self.tally

    @contextmanager
    def live(self) -> Iterator[Callable[[], int]]:
        """Run the streaming job; the callable takes over what it has committed, and returns in how many parts.

        A job on a cluster is started there unless it runs already, and goes on when the block ends.

        Raises:
            EngineError: another monitor of this model is running, or the job fails.
            BrokerError: Kafka does not answer.
        """
        with self._alone(), self._job() as (check, committed):
            yield lambda: self._take(check, committed)

    @contextmanager
    def ingesting(self) -> Iterator[Callable[[], int]]:
        """Take over what the model's job commits to topics, wherever it runs; the callable as in :meth:`live`.

        Raises:
            EngineError: another monitor of this model is running.
            BrokerError: Kafka does not answer.
        """
        with self._alone(), job_settings.committed(self.opened, self.model) as committed:
            yield lambda: self._take(lambda: None, committed)

    @contextmanager
    def _job(self) -> Iterator[tuple[Callable[[], None], CommittedOutput]]:
        opened, model = self.opened, self.model
        if job_settings.follows_topics(model):
            with lifecycle.running(opened, model) as check, job_settings.committed(opened, model) as lines:
                yield check, lines
            return
        spec, name = assembly.spec(opened, model), assembly.job_name(model)
        job, committed = run_job.start(spec, assembly.directories(model), opened.dir, name)
        try:
            yield job.check, committed
        finally:
            job.stop()

    def _take(self, check: Callable[[], None], committed: CommittedOutput) -> int:
        check()
        committed.progress(self.tally.progress)
        committed.dead_letters(self.dead_letters)
        taken = committed.reports(self.store)
        self.listen()
        return taken

    def _keep_dead_letters(self, name: str, lines: list[str]) -> None:
        if lines:
            self.dead_letters.mkdir(parents=True, exist_ok=True)
            (self.dead_letters / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = filelock.FileLock(self.opened.dir / f"monitor-{self.model.name}.lock", timeout=0)
        try:
            with lock:
                yield
        except filelock.Timeout as error:
            msg = f"{self.model.name} is already being monitored from {self.opened.dir}"
            raise EngineError(msg, hint="stop the other `leeway monitor` first") from error
