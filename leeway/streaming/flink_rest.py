"""Client of Flink's REST API: jobs, checkpoints, watermarks, savepoints, cancellation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from features.errors import EngineAway, EngineError
from features.security import local_http
from features.window import from_ms
from monitors.flink import failure_causes, file_paths, rest_address

ENDED = frozenset({"FINISHED", "CANCELED", "FAILED"})
"""Job states that are final."""
_REQUEST_SECONDS = 10
"""Timeout of a request (s)."""
_SAVEPOINT_SECONDS = 120
"""How long a savepoint may take (s)."""
_CANCEL_SECONDS = 120
"""How long a cancellation may take (s)."""
_START_SECONDS = 90
"""How long a job may take to be running (s)."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the cluster lists it."""

    id: str
    name: str
    state: str
    started: datetime

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """A job's checkpoints: number completed, and size of the newest (bytes)."""

    completed: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster by the *address* of its REST service, as `flink_address` reads it."""

    address: str

    def jobs(self, prefix: str = "") -> list[Job]:
        """Return the jobs whose names start with *prefix*, the newest first, ended ones included."""
        listed = self._request("GET", "/jobs/overview")["jobs"]
        jobs = [Job(j["jid"], j["name"], j["state"], from_ms(j["start-time"])) for j in listed]
        return sorted((j for j in jobs if j.name.startswith(prefix)), key=lambda j: j.started, reverse=True)

    def checkpoints(self, job: Job) -> Checkpoints:
        """Return the checkpoints of *job*."""
        answer = self._request("GET", f"/jobs/{job.id}/checkpoints")
        newest = answer["latest"]["completed"]
        return Checkpoints(answer["counts"]["completed"], newest["state_size"] if newest else None)

    def watermark(self, job: Job) -> datetime | None:
        """Return the watermark of *job*: that of its furthest step; None before the first event."""
        reached = []
        for step in self._request("GET", f"/jobs/{job.id}")["vertices"]:
            answer = self._request("GET", f"/jobs/{job.id}/vertices/{step['id']}/watermarks")
            marks = [int(mark["value"]) for mark in answer]
            reached += [min(marks)] if marks else []
        times = [mark for mark in reached if 0 < mark < 2**62]
        return from_ms(max(times)) if times else None

    def failure(self, job: Job) -> str:
        """Return the cause of the newest failure of *job* in a line; empty if there is none."""
        failures = self._request("GET", f"/jobs/{job.id}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return failure_causes.cause(failures[0]["stacktrace"])[0] if failures else ""

    def stop(self, job: Job, folder: Path) -> Path:
        """Stop *job* with a savepoint under *folder*; return it.

        Raises
        ------
        EngineError
            The savepoint fails; the job continues then.
        """
        folder.mkdir(parents=True, exist_ok=True)
        trigger = self._request(
            "POST", f"/jobs/{job.id}/stop", {"targetDirectory": file_paths.to_flink(folder), "drain": False}
        )
        give_up = time.monotonic() + _SAVEPOINT_SECONDS
        while time.monotonic() < give_up:
            answer = self._request("GET", f"/jobs/{job.id}/savepoints/{trigger['request-id']}")
            if answer["status"]["id"] == "COMPLETED":
                return _saved(answer["operation"])
            time.sleep(0.2)
        msg = f"{job.name} made no savepoint within {_SAVEPOINT_SECONDS} s"
        raise EngineError(msg, hint="`leeway job stop --kill` ends it without one; its newest checkpoint stays")

    def wait(self, number: str) -> Job:
        """Return the job with the id *number* once all its steps are running.

        Raises
        ------
        EngineAway
            It ends instead, or does not start in time; the message has the reason.
        """
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up and not (job := self.job(number)).ended:
            if {step["status"] for step in self._request("GET", f"/jobs/{number}")["vertices"]} <= {
                "RUNNING",
                "FINISHED",
            }:
                return job
            time.sleep(0.3)
        why = self.failure(job) or "there may be too few free slots for its parallelism"
        msg = f"{job.name} does not start ({job.state.lower()}): {why}"
        raise EngineAway(msg, hint="`leeway job restart --replay` starts it without its earlier state")

    def cancel(self, job: Job) -> None:
        """End *job* at once and wait until it has ended; its newest checkpoint stays.

        Raises
        ------
        EngineError
            It does not end in time; one that is started meanwhile would run beside it.
        """
        self._request("PATCH", f"/jobs/{job.id}?mode=cancel")
        give_up = time.monotonic() + _CANCEL_SECONDS
        while not (now := self.job(job.id)).ended:
            if time.monotonic() >= give_up:
                msg = f"{job.name} ({job.id}) has not ended within {_CANCEL_SECONDS} s: it is {now.state.lower()}"
                hint = (
                    "once `leeway job list` no longer shows it, `leeway job submit` (--replay for a replay) starts the "
                    "next; if it stays, restart the TaskManager that runs it"
                )
                raise EngineError(msg, hint=hint)
            time.sleep(0.2)

    def job(self, number: str) -> Job:
        """Return the job with the id *number*. Raises EngineAway if the cluster does not list it."""
        listed = next((j for j in self.jobs() if j.id == number), None)
        if listed is None:
            msg = f"Flink at {self.address} has no job {number} any more"
            raise EngineAway(msg, hint="`leeway job submit` starts it from its newest checkpoint")
        return listed

    def _request(self, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with self._translated_errors():
            at = rest_address.parse(self.address)
            answer = _client(at).request(verb, f"{at.url}{path}", json=body, timeout=_REQUEST_SECONDS)
            answer.raise_for_status()
            return answer.json()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Raise EngineError for a refused request, EngineAway where the cluster does not answer."""
        try:
            yield
        except httpx.HTTPStatusError as error:
            msg = f"Flink at {self.address} refuses: {error.response.text[:300]}"
            raise EngineError(msg, hint="see the JobManager's log (`leeway logs`)") from error
        except (httpx.HTTPError, ValueError, OSError) as error:
            msg = f"Flink at {self.address} does not answer: {error}"
            raise EngineAway(
                msg, hint="check that it is running (`leeway up`) and that flink.address is its REST address"
            ) from error


@cache
def _client(at: rest_address.FlinkAddress) -> httpx.Client:
    """Return this process's HTTP client: creating one loads all certificates, and a monitor makes many requests."""
    return httpx.Client(verify=at.tls() or True, trust_env=not local_http.is_local(at.host))


def _saved(operation: dict[str, Any]) -> Path:
    if location := operation.get("location"):
        return file_paths.from_flink(location)
    cause = operation.get("failure-cause", {}).get("stack-trace", "").strip().splitlines()
    msg = f"Flink made no savepoint: {cause[0][:300] if cause else 'no cause given'}"
    raise EngineError(msg, hint="see the JobManager's log (`leeway logs`); the job may still be running")
