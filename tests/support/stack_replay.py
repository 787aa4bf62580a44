"""A replay on a running stack whose parts are killed: sending, killing, waiting and comparing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kafka
import psutil
import sqlalchemy as sa

from features import kafka_address
from features.window import from_ms, to_ms
from leeway.context import Context
from leeway.project import environment
from leeway.stack import state
from monitors.finding import Stage
from registry import queries
from registry.database import tables
from tests.support import audit_chain
from tests.support import turning_concept as turning
from tests.support.small_disk import Disk
from tests.support.turning_concept import Record

VARIABLES = ("LEEWAY_DATABASE", "LEEWAY_KAFKA", "LEEWAY_FLINK", "PREFECT_API_URL", "LEEWAY_PROJECT")
SERVICES = {
    "broker": "broker", "JobManager": "jobmanager", "TaskManager": "taskmanager", "ingester": "monitor-m",
    "Prefect server": "prefect", "Prefect worker": "flows", "PostgreSQL": "postgres",
}  # fmt: skip
WORKER = "Python worker"
VICTIMS = (*SERVICES, WORKER)
Key = tuple[str, ...]
CLOSED_HOURS = {Stage.INPUTS: 2, Stage.OUTCOMES: 27}
"""A window that ends so long before the newest event is reported: watermark's delay, labels' delay, and an hour."""


def leeway(folder: Path, *arguments: str, code: int | None = 0) -> str:
    """Return what a command prints, run in *folder* in a shell that knows no server."""
    known = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    command = [sys.executable, "-m", "leeway", *arguments]
    done = subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=400, check=False)
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout


@dataclass
class Running:
    """The stack of the project in *folder*; *killed* tells what was done to it, in order.

    *opened* is the project. *turned* says whether the rule has turned round in what was sent.
    """

    folder: Path
    opened: Context
    disk: Disk
    producer: Any
    expected: dict[Key, str]
    left: list[Record]
    killed: list[str] = field(default_factory=list)
    turned: bool = False

    @property
    def status(self) -> dict[str, state.Status]:
        """How each service is."""
        known = state.load(environment.stack_folder(self.folder / ".leeway"))
        return {s.name: s for s in known.services} if known else {}

    def until(self, true: Callable[[], object], what: str, seconds: float = 240) -> None:
        """Wait until *true*; fail naming *what* was waited for and what had been killed."""
        last = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < last, f"{what}: not within {seconds:.0f} s; {self.story()}"
            time.sleep(0.5)

    def story(self) -> str:
        """Return what has been killed so far, and what is not up."""
        down = [f"{s.name} is {s.condition}: {s.why[-600:]}" for s in self.status.values() if s.condition != "up"]
        return f"killed so far: {', '.join(self.killed) or 'nothing'}. {'; '.join(down) or 'All services are up.'}"

    def kill(self, victim: str) -> None:
        """SIGKILL the process of *victim*."""
        self.until(lambda: self._pids(victim), f"a process of the {victim} to kill")
        for pid in self._pids(victim):
            os.kill(pid, signal.SIGKILL)
        self.killed.append(victim)

    def _pids(self, victim: str) -> list[int]:
        if victim != WORKER:
            status = self.status[SERVICES[victim]]
            return [status.pid] if status.pid and psutil.pid_exists(status.pid) else []
        return [p.pid for p in _offspring(self.status["taskmanager"].pid) if "beam_boot" in " ".join(p.cmdline())]

    def restarts(self) -> dict[str, int]:
        """Return how often each service was restarted."""
        return {name: s.restarts for name, s in self.status.items()}

    def recovered(self, victims: Sequence[str], before: dict[str, int]) -> None:
        """Wait until the services among *victims* run again, and all others do."""
        names = [SERVICES[v] for v in victims if v != WORKER]
        self.until(
            lambda: (
                all(self.status[n].restarts > before[n] for n in names)
                and all(s.condition == "up" for s in self.status.values())
            ),
            f"a restart of {', '.join(names) or 'nothing'}, and everything up",
        )

    def send(self, records: Sequence[Record]) -> None:
        """Hand *records* to the producer, which delivers each once, however long the broker is away."""
        for r in records:
            self.producer.send(
                f"turning.{r.role}", json.dumps(r.event).encode(), key=r.event["id"].encode(), partition=r.partition,
                timestamp_ms=r.time,
            )  # fmt: skip

    def log(self, service: str) -> str:
        """Return what a service has written."""
        return (environment.stack_folder(self.folder / ".leeway") / "logs" / f"{service}.log").read_text(
            errors="replace"
        )

    def take(self, day: float) -> list[Record]:
        """Return the next records of the replay, those before *day*."""
        until = to_ms(turning.START) + int(day * 86_400_000)
        taken = [r for r in self.left if r.time < until]
        self.left = self.left[len(taken) :]
        return taken

    @contextmanager
    def nobody_reacts(self) -> Iterator[None]:
        """Hold the Prefect worker for as long as the block: an early reaction would have too little to train on."""
        pid = self.status["flows"].pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def stored(self) -> list[tuple[Key, str]]:
        """Return what the registry holds: key and counts of every revision, in order."""
        t = tables.window_reports.c
        with self.opened.registry.read() as c:
            found = c.execute(sa.select(t.version, t.segment, t.stage, t.window_start, t.window_end, t.evidence)).all()
        return sorted((key(*row[:5]), row.evidence) for row in found)

    def due(self, until_ms: int) -> set[Key]:
        """Return the reports that events until then have closed, in both partitions and in the labels' too."""
        edges = {
            stage.value: from_ms(until_ms - hours * 3_600_000).isoformat() for stage, hours in CLOSED_HOURS.items()
        }
        return {k for k in self.expected if k[4] <= edges[k[2]]}

    def caught_up(self, until_ms: int) -> None:
        """Wait for every report that events until then have closed."""
        due = self.due(until_ms)
        self.until(lambda: due <= self.known(), f"the {len(due)} reports that are due")

    def known(self) -> set[Key]:
        """Return the keys of the reports that the registry holds."""
        return {k for k, _ in self.stored()}

    def compare(self) -> None:
        """Fail unless the registry holds what an undisturbed run reports, as far as it has come: nothing twice."""
        counts: dict[Key, set[str]] = {}
        for k, evidence in self.stored():
            counts.setdefault(k, set()).add(evidence)
        wrong = {k: v for k, v in counts.items() if v != {self.expected.get(k)}}
        assert {} == wrong, f"{len(wrong)} of {len(counts)} reports differ from an undisturbed run's; {self.story()}"

    def accounts(self) -> None:
        """Fail unless every incident has one decision, every decision at most one promotion, and the log no gap."""
        reg = self.opened.registry
        incidents = [i.id for i in queries.incidents(reg, "m")]
        decided = [d.incident_id for d in queries.decisions(reg, "m") if d.incident_id]
        promoted = [p.decision_id for p in queries.promotions(reg, "m")]
        assert sorted(incidents) == sorted(decided), f"incidents and decisions do not pair; {self.story()}"
        assert len(promoted) == len(set(promoted)), f"a decision was promoted twice; {self.story()}"
        assert len(promoted) > 1, f"nothing was promoted after the first version; {self.story()}"
        assert [] == audit_chain.verify(reg), self.story()


def key(version: str, segment: str, stage: object, start: Any, end: Any) -> Key:
    """Return a report's key as text."""
    return version, segment, getattr(stage, "value", str(stage)), start.isoformat(), end.isoformat()


def _offspring(pid: int | None) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True) if pid else []
    except psutil.NoSuchProcess:
        return []


@contextmanager
def producer(bootstrap: str) -> Iterator[Any]:
    """Yield a producer that delivers each record once, in order, and waits minutes for a broker."""
    made = kafka.KafkaProducer(
        **kafka_address.parse(bootstrap).python_options(), acks="all", enable_idempotence=True, linger_ms=20,
        delivery_timeout_ms=300_000, max_block_ms=300_000, request_timeout_ms=10_000, reconnect_backoff_max_ms=1000,
    )  # fmt: skip
    try:
        yield made
        made.flush(timeout=60)
    finally:
        made.close(timeout=1)
