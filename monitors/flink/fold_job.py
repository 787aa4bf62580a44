"""Folds over parts: a function takes its state and a part to the next state, which is in Flink's checkpoints.

In a stream, parts come as their files appear, in the order of their names, and the state is keyed state of one key. In
batch, where Flink orders nothing, the parts are one element, in their order. What the function leaves besides its state
must not depend on how often it was called with a part: after a failure parts since the last checkpoint come again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueState, ValueStateDescriptor
from pyflink.table import DataTypes
from pyflink.table.udf import FunctionContext, ScalarFunction, udf

from monitors.flink import environment_job, files_source_job, run_job
from monitors.flink.run_job import Running
from monitors.samples.parts import SampleParts
from monitors.worker.folds import Fold, SampleListing, Step, in_order

OPTIONS = {"python.fn-execution.bundle.size": "1"}
"""Flink's options: a part may take seconds, and a checkpoint waits for a bundle."""


class _Fold(KeyedProcessFunction):  # type: ignore[misc]
    """Calls the step with each part; its state is the key's."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._step: Step
        self._state: ValueState

    def open(self, runtime_context: RuntimeContext) -> None:
        self._step = self._fold.open()
        self._state = runtime_context.get_state(ValueStateDescriptor("fold", Types.PRIMITIVE_ARRAY(Types.BYTE())))

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Any:
        self._state.update(self._step(self._state.value(), value[1]))
        yield Row(value[1])


class _WholeFold(ScalarFunction):  # type: ignore[misc]
    """Calls the step with all parts of an element, from the beginning; returns the last state."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._step: Step

    def open(self, function_context: FunctionContext) -> None:
        self._step = self._fold.open()

    def eval(self, lists: pd.Series) -> pd.Series:
        return pd.Series([in_order(self._step, json.loads(text)) or b"" for text in lists])


def run(fold: Fold, samples: SampleParts, logs: Path) -> None:
    """Fold all parts that are there, in a Flink batch job; return when it is over.

    Raises
    ------
    EngineError
        Flink does not start, or the step raised.
    """
    tables = environment_job.environment(logs, streaming=False, options=OPTIONS)
    parts = json.dumps([reference for _, reference in SampleListing(samples).all()])
    kind = DataTypes.ROW([DataTypes.FIELD("parts", DataTypes.STRING())])
    tables.create_temporary_view("history", tables.from_elements([(parts,)], kind))
    whole = udf(_WholeFold(fold), result_type=DataTypes.BYTES(), func_type="pandas")
    tables.create_temporary_system_function("whole_fold", whole)
    tables.execute_sql("CREATE TEMPORARY TABLE nowhere (state BYTES) WITH ('connector' = 'blackhole')")
    with run_job.flink_errors(logs):
        result = tables.execute_sql("INSERT INTO nowhere SELECT whole_fold(parts) FROM history")
    run_job.finish(result, logs)


def follow(fold: Fold, samples: SampleParts, logs: Path, checkpoints: Path) -> Running:
    """Start folding parts as they appear; return the job, which goes on from its newest checkpoint.

    Raises
    ------
    EngineError
        Flink does not start.
    """
    newest = environment_job.Checkpoints.resumed(checkpoints)
    tables = environment_job.environment(logs, streaming=True, checkpoints=newest, options=OPTIONS)
    with run_job.flink_errors(logs):
        return Running(submit(tables, fold, samples), logs)


def submit(tables: Any, fold: Fold, samples: SampleParts) -> Any:
    """Start the streaming job that folds parts as they appear; return its ``TableResult``."""
    files_source_job.create_chunks(tables, "chunks", SampleListing(samples), follow=True)
    keyed = tables.to_data_stream(tables.from_path("chunks")).key_by(lambda _: 0, key_type=Types.INT())
    done = keyed.process(_Fold(fold), output_type=Types.ROW_NAMED(["part"], [Types.STRING()])).uid("fold")
    tables.create_temporary_view("folded", tables.from_data_stream(done))
    tables.execute_sql("CREATE TEMPORARY TABLE nowhere (part STRING) WITH ('connector' = 'blackhole')")
    return tables.execute_sql("INSERT INTO nowhere SELECT part FROM folded")
