"""Error-stream operator in Flink: losses by version, buffered until event time has passed their slice, then in order.

Its cells join those of the outcomes. Its keyed state is part of the job's checkpoints, where Flink pickles it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.table import DataTypes, Schema

from features.window import to_ms
from monitors.error_stream import loss_rows, stream_findings
from monitors.finding import Stage
from monitors.flink import label_join_job, state_job
from monitors.flink.sql_job import field, retime
from monitors.job_spec import JobSpec
from monitors.profiles import side_channels
from monitors.worker import report_lines
from monitors.worker.keyed_state import KeyedState

_WAITING = "waiting"
"""Key of the starts of slices that wait."""
_MEMORY = "memory"
"""Key of the detector's state."""
_KINDS = {"version": "STRING", "start_ms": "BIGINT", "losses": "STRING"}


class _Watch(KeyedProcessFunction):  # type: ignore[misc]
    """Passes each slice's losses to the detector when no more can arrive; yields cells as joined text."""

    def __init__(self, spec: JobSpec, name: str, *, lasting: bool) -> None:
        self._spec, self._name, self._lasting = spec, name, lasting
        self._windows = spec.schema.windows
        # When the label join has emitted a slice, in all of its buckets.
        self._last = to_ms(self._windows.slide) - 1 + label_join_job.window_shift(spec)
        self._state: Callable[[object], KeyedState]

    def open(self, runtime_context: RuntimeContext) -> None:
        pickled = Types.PICKLED_BYTE_ARRAY()
        self._state = state_job.open_state(runtime_context, "losses", pickled, lasting=self._lasting)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> None:
        version, start, losses = value[0], value[1], value[2]
        state = self._state(version)
        state.put(str(start), [*(state.get(str(start)) or ()), losses])
        state.put(_WAITING, {*(state.get(_WAITING) or ()), start})
        ctx.timer_service().register_event_time_timer(start + self._last)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Yield the cells of each slice that is complete."""
        version = ctx.get_current_key()
        state = self._state(version)
        waiting: set[int] = state.get(_WAITING) or set()
        ended = ctx.timer_service().current_watermark() == state_job.END_OF_INPUT
        # Also what an earlier timer should have shown: Flink 2.3 may have left it out of a checkpoint.
        due = {start for start in waiting if ended or start + self._last <= timestamp}
        if due:
            state.put(_WAITING, waiting - due)
        for start in sorted(due):
            yield from (Row(text) for text in self._cells_of_slice(state, version, start))

    def _cells_of_slice(self, state: KeyedState, version: str, start: int) -> list[str]:
        """Update the detector with one slice's losses; return its alarms as cells."""
        # River takes seconds to import: only jobs that look at the error stream wait for it.
        from monitors.error_stream import detector_state

        rows = loss_rows.unpack(state.get(str(start)) or ())
        state.remove(str(start))
        number = stream_findings.block_number(self._windows, start)
        memory = state.get(_MEMORY) or detector_state.StreamState()
        memory, alarms = detector_state.observe(self._name, memory, number, start, rows)
        state.put(_MEMORY, memory)
        if alarms is None:
            return []
        offset = report_lines.layout(self._spec, version, Stage.OUTCOMES).offsets[side_channels.ERROR_STREAM]
        return report_lines.cell_texts(alarms.cells(start, version, offset))


def create_cells(tables: Any, spec: JobSpec, *, lasting: bool) -> str:
    """Create a view of the cells (``cell_text``) of the policy's detector; return its name.

    Parameters
    ----------
    tables
        The table environment, with the view ``matched``.
    spec
        The job's specification.
    lasting
        Whether the job has checkpoints.
    """
    assert spec.policy.error_stream is not None  # the caller has looked
    _create_losses(tables)
    stream = tables.to_data_stream(tables.from_path("error_losses")).key_by(lambda row: row[0], key_type=Types.STRING())
    watch = _Watch(spec, spec.policy.error_stream, lasting=lasting)
    cells = stream.process(watch, output_type=Types.ROW_NAMED(["cell_text"], [Types.STRING()])).uid("error-stream")
    schema = Schema.new_builder().column("cell_text", DataTypes.STRING())
    # Without a row time the stream's watermark would not be passed on.
    schema.column_by_expression("rt", "TO_TIMESTAMP_LTZ(0, 3)").watermark("rt", "SOURCE_WATERMARK()")
    tables.create_temporary_view("error_cells", tables.from_data_stream(cells, schema.build()))
    return "error_cells"


def _create_losses(tables: Any) -> None:
    """Create the view ``error_losses``: version, start_ms of a slice, and losses as JSON: [time (ms), id, loss]."""
    fields = ", ".join(f"{field('told', i, kind)} AS {name}" for i, (name, kind) in enumerate(_KINDS.items()))
    query = f"SELECT {fields} FROM matched WHERE kind = '{label_join_job.LOSSES}'"
    retime(tables, "error_losses", query, _KINDS, "0")
