"""A batch job over parts: each part is handed to a Python function, which a worker opens once.

What the parts are and what is done with them is the function's affair. Flink may hand it a part twice, after a failure:
what it leaves must not depend on how often it was called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from monitors.flink import environment_job, run_job


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
    kind = DataTypes.ROW([DataTypes.FIELD("part", DataTypes.STRING())])
    tables.create_temporary_view("parts", tables.from_elements([(part,) for part in parts], kind))
    done = udf(_Parts(function), result_type=DataTypes.STRING(), func_type="pandas")
    tables.create_temporary_system_function("done", done)
    tables.execute_sql("CREATE TEMPORARY TABLE nowhere (part STRING) WITH ('connector' = 'blackhole')")
    run_job.finish(tables.execute_sql("INSERT INTO nowhere SELECT done(part) FROM parts"), logs)
