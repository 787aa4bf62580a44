"""Runs of fact features in Flink inside this process: to the end of what is there, or as a stream of what appears."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.events import location
from monitors.flink import environment_job, fact_features_job, run_job
from monitors.flink.committed_output import CommittedFiles, committed_lines
from monitors.flink.run_job import Running
from monitors.flink.sinks_job import Folders
from monitors.worker.fact_messages import FactSpec


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a finished run: for each row its place, id, time and values, and the dead letters."""

    rows: tuple[dict[str, Any], ...]
    rejects: tuple[dict[str, Any], ...]


def run_once(spec: FactSpec, rows: location.Place, logs: Path, *, streaming: bool = False) -> Outcome:
    """Return the values of all rows that are there.

    Parameters
    ----------
    spec
        The rows' events and the fact features.
    rows
        Where the rows are.
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
        outputs, place = Folders.under(Path(work)), fact_features_job.RowsAndFacts(rows, spec.facts)
        with run_job.flink_errors(logs):
            result = fact_features_job.submit(tables, spec, place, outputs, streaming=streaming, follow=False)
        run_job.finish(result, logs)
        made = (json.loads(line) for line in committed_lines(outputs.reports))
        rejects = (json.loads(line) for line in committed_lines(outputs.rejects))
        return Outcome(tuple(sorted(made, key=lambda row: row["row"])), tuple(rejects))


def start(spec: FactSpec, rows: location.Place, state: Path, name: str) -> tuple[Running, CommittedFiles]:
    """Start the streaming job, from its newest checkpoint if there is one; return it and its output.

    Lines of values are its reports: JSON of a row's place, id, time and values.

    Parameters
    ----------
    spec
        The rows' events and the fact features.
    rows
        Where the rows appear.
    state
        Directory of logs, checkpoints and output.
    name
        Identifies what the job computes; it must change whenever that does, as checkpoints are found by it.
    """
    logs, outputs = state / "logs", Folders.under(state / "out" / name)
    checkpoints = environment_job.Checkpoints.resumed(state / "checkpoints" / name)
    tables = environment_job.environment(logs, streaming=True, checkpoints=checkpoints)
    place = fact_features_job.RowsAndFacts(rows, spec.facts)
    with run_job.flink_errors(logs):
        result = fact_features_job.submit(tables, spec, place, outputs, streaming=True, follow=True)
    return Running(result, logs), CommittedFiles(outputs.reports, outputs.rejects, outputs.progress)
