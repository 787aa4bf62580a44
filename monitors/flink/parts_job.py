"""Jobs over parts, in batch and as files appear: each part goes to a Python function, which a worker opens once.

What the parts are and what is done with them is the function's affair. Flink may hand it a part twice, after a failure:
what it leaves must not depend on how often it was called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from features.events import location
from monitors.flink import environment_job, files_source_job, run_job
from monitors.flink.run_job import Running


class PartFunction(Protocol):
    """A function of parts that travels to workers."""

    def open(self) -> Callable[[str], None]:
        """Return what is called with each part: called once in a worker, for what all its parts need."""
        ...


class _Parts(ScalarFunction):  # type: ignore[misc]
    """Calls the function with each part of a batch; returns the parts."""

    def __init__(self, function: PartFunction) -> None:
        self._function = function
        self._call: Callable[[str], None]

    def open(self, function_context: FunctionContext) -> None:
        self._call = self._function.open()

    def eval(self, parts: pd.Series) -> pd.Series:
        for part in parts:
            self._call(part)
        return parts


def run(function: PartFunction, parts: Sequence[str], logs: Path) -> None:
    """Hand each part to the function, in Flink inside this process; return when all are done.

    Parameters
    ----------
    function
        What is done with a part.
    parts
        The parts, at least one.
    logs
        Directory of Flink's log.

    Raises
    ------
    EngineError
        Flink does not start, or the function raised; what it had done by then stays.
    """
    tables = environment_job.environment(logs, streaming=False)
    kind = DataTypes.ROW([DataTypes.FIELD("chunk", DataTypes.STRING())])
    tables.create_temporary_view("chunks", tables.from_elements([(part,) for part in parts], kind))
    with run_job.flink_errors(logs):
        result = _submit(tables, function)
    run_job.finish(result, logs)


def follow(function: PartFunction, place: location.Place, logs: Path, checkpoints: Path) -> Running:
    """Start handing each chunk of the files at a place to the function, as they appear; return the job.

    Parameters
    ----------
    function
        What is done with a chunk, by its reference.
    place
        The directory, in which each file appears whole.
    logs
        Directory of Flink's log.
    checkpoints
        Where the job notes which files it has passed on; it goes on from the newest.

    Raises
    ------
    EngineError
        Flink does not start.
    """
    newest = environment_job.Checkpoints.resumed(checkpoints)
    tables = environment_job.environment(logs, streaming=True, checkpoints=newest)
    files_source_job.create_chunks(tables, "chunks", files_source_job.Directories(place), follow=True)
    with run_job.flink_errors(logs):
        return Running(_submit(tables, function), logs)


def _submit(tables: Any, function: PartFunction) -> Any:
    """Start the job that hands the view ``chunks`` to the function; return its ``TableResult``."""
    done = udf(_Parts(function), result_type=DataTypes.STRING(), func_type="pandas")
    tables.create_temporary_system_function("done", done)
    tables.execute_sql("CREATE TEMPORARY TABLE nowhere (chunk STRING) WITH ('connector' = 'blackhole')")
    return tables.execute_sql("INSERT INTO nowhere SELECT done(chunk) FROM chunks")
