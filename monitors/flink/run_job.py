"""Runs of the profile job inside this process: to the end of what is there, or as a stream of what appears."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from features import errors
from features.schema import EventSchema
from features.window import from_ms
from monitors.finding import Stage
from monitors.flink import environment_job, failure_causes, files_source_job, profile_job
from monitors.flink.committed_output import CommittedFiles, committed_lines
from monitors.flink.sinks_job import Folders
from monitors.job_spec import JobSpec
from monitors.report import Report
from monitors.worker import unplaced


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a finished run.

    Parameters
    ----------
    reports
        Reports on closed windows.
    rejects
        Dead letters.
    progress
        A line of progress per chunk.
    """

    reports: tuple[Report, ...]
    rejects: tuple[dict[str, Any], ...]
    progress: tuple[dict[str, Any], ...]


def run_once(
    spec: JobSpec, directories: files_source_job.Directories, logs: Path, *, streaming: bool = False
) -> Outcome:
    """Return the reports on every window that the present events have closed.

    The integer counts are the same in batch and in streaming mode, unless an event arrives after its slice was closed.

    Parameters
    ----------
    spec
        The job's specification.
    directories
        Where the events are.
    logs
        Directory of Flink's log.
    streaming
        Whether to run in streaming mode.

    Raises
    ------
    EngineError
        The job fails.
    """
    tables = environment_job.environment(logs, streaming=streaming)
    with tempfile.TemporaryDirectory(prefix="leeway-") as work:
        outputs = Folders.under(Path(work))
        with flink_errors(logs):
            result = profile_job.submit(tables, spec, directories, outputs, follow=False)
        finish(result, logs)
        progress = tuple(json.loads(line) for line in committed_lines(outputs.progress))
        rejects = tuple(json.loads(line) for line in committed_lines(outputs.rejects))
        reports = (Report.model_validate_json(line) for line in committed_lines(outputs.reports))
        newest = from_ms(newest_time(progress))
        closed = unplaced.place_unplaced(spec, (r for r in reports if is_closed(spec.schema, r, newest)))
        return Outcome(tuple(closed), rejects, progress)


def newest_time(progress: Iterable[Mapping[str, Any]]) -> int:
    """Return the time (ms) up to which predictions advance event time, by lines of progress; 0 if there are none.

    Labels do not advance it: a log that ends has the labels of its last predictions, which are later.
    """
    return max([0, *(int(line["newest"]) for line in progress)])


def is_closed(schema: EventSchema, report: Report, newest: datetime) -> bool:
    """Return whether event time has passed the report's window once an event of time *newest* has been read.

    At the end of the input Flink closes every open window; one that could still grow is not reported.
    """
    wait = schema.label_delay if report.stage is Stage.OUTCOMES else type(schema.label_delay)(0)
    return report.window_end + wait + schema.windows.watermark_delay <= newest


def finish(result: Any, logs: Path) -> None:
    """Wait for a job's end.

    Raises
    ------
    EngineError
        The job failed; the message is the innermost cause.
    """
    with flink_errors(logs):
        result.wait()


@contextlib.contextmanager
def flink_errors(logs: Path) -> Iterator[None]:
    """Raise what Flink raises, while a job is submitted or runs, as an ``EngineError``; our own errors as they are."""
    try:
        yield
    except errors.LeewayError:
        raise
    except Exception as error:  # py4j wraps every Java exception in one type
        raise engine_error(error, logs) from error


def engine_error(error: Exception, logs: Path) -> errors.EngineError:
    """Return the error to raise for an exception of Flink."""
    why, hint = failure_causes.cause(str(error))
    return errors.EngineError(f"the Flink job failed: {why}", hint=hint or f"see the log in {logs}")


@dataclass(frozen=True, slots=True)
class Running:
    """A streaming job inside this process."""

    result: Any
    logs: Path

    def check(self) -> None:
        """Check that the job is running: it never ends by itself.

        Raises
        ------
        EngineError
            It has ended.
        """
        status = self.result.get_job_client().get_job_status().result()
        if str(status).rpartition(".")[2] in ("FAILED", "CANCELED", "FINISHED"):
            finish(self.result, self.logs)
            msg = f"the Flink job ended: {status}"
            raise errors.EngineError(msg, hint=f"see the log in {self.logs}")

    def stop(self) -> None:
        """Cancel the job; its newest checkpoint stays."""
        with contextlib.suppress(Exception):  # it may have ended already
            self.result.get_job_client().cancel().result()


def start(
    spec: JobSpec, directories: files_source_job.Directories, state: Path, name: str
) -> tuple[Running, CommittedFiles]:
    """Start the streaming job, from its newest checkpoint if there is one; return it and its output.

    Parameters
    ----------
    spec
        The job's specification.
    directories
        Where the events are.
    state
        Directory of logs, checkpoints and output.
    name
        Identifies what the job computes; it must change whenever that does, as checkpoints are found by it.
    """
    logs, outputs = state / "logs", Folders.under(state / "out" / name)
    checkpoints = environment_job.Checkpoints.resumed(state / "checkpoints" / name)
    tables = environment_job.environment(logs, streaming=True, checkpoints=checkpoints)
    with flink_errors(logs):
        result = profile_job.submit(tables, spec, directories, outputs, follow=True)
    return Running(result, logs), CommittedFiles(outputs.reports, outputs.rejects, outputs.progress)
