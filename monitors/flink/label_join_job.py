"""Label join operator in Flink: row batches wait by bucket until a slice's label delay has passed, then are joined.

One Python call handles a batch of many rows, where a join in SQL would move each row through Java. A slice's outcomes
are emitted when event time has passed its end by the label delay: windows over them are that much later, see
:func:`window_shift`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.table import DataTypes, Schema

from features.window import Windows, to_ms
from monitors.error_stream import loss_rows
from monitors.flink import state_job
from monitors.flink.sql_job import SEPARATOR, field, retime
from monitors.job_spec import JobSpec
from monitors.profiles import label_join
from monitors.worker import report_lines, row_batches
from monitors.worker.keyed_state import KeyedState

_KINDS = {"bucket": "INT", "role": "STRING", "start_ms": "BIGINT", "told": "STRING"}
CELL = "cell"
"""Kind of an emitted text: a cell of the outcomes."""
LOSSES = "losses"
"""Kind of an emitted text: losses for the error stream."""
TICK = "tick"
"""Role of an element that has no rows."""


def window_shift(spec: JobSpec) -> int:
    """Return by how many milliseconds of event time a slice's outcomes come after its end: the label delay."""
    return to_ms(spec.schema.label_delay)


class SliceJoin(KeyedProcessFunction):  # type: ignore[misc]
    """Keeps batches of predictions and labels by slice until the label delay is over, then yields what a join gives.

    An element begins with bucket, role, start of the slice (ms) and rows as text without line feeds.

    Parameters
    ----------
    windows
        Slices.
    delay
        The label delay, in milliseconds.
    lasting
        Whether the job has checkpoints.
    """

    def __init__(self, windows: Windows, delay: int, *, lasting: bool) -> None:
        self._slide, self._delay, self._lasting = to_ms(windows.slide), delay, lasting
        self._state: Callable[[object], KeyedState]
        self._armed: set[int]

    def open(self, runtime_context: RuntimeContext) -> None:
        """Open the state in which batches wait."""
        self._state = state_job.open_state(runtime_context, "sheets", Types.STRING(), lasting=self._lasting)
        self._armed = set()

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Store a batch until its slice is due, unless that has been joined; a tick sets the bucket's timers only."""
        bucket, role, start, rows = value[0], value[1], value[2], value[3]
        batches = row_batches.WaitingBatches(self._state(bucket))
        if bucket not in self._armed:
            self._arm(bucket, batches, ctx)
        if role == TICK:
            return
        due = self._due(start)
        if due > ctx.timer_service().current_watermark():
            batches.add(role, start, rows)
            ctx.timer_service().register_event_time_timer(due)
        else:  # the slice has been joined, and no later one needs it
            yield from (Row(kind, text) for kind, text in self.late(role, start, rows))

    def _arm(self, bucket: int, batches: row_batches.WaitingBatches, ctx: KeyedProcessFunction.Context) -> None:
        """Set a bucket's timers again after a restart: Flink 2.3 omits those set right before a checkpoint."""
        self._armed.add(bucket)
        for start in {start for role in row_batches.COLUMNS for start in batches.waiting(role)}:
            ctx.timer_service().register_event_time_timer(self._due(start))

    def _due(self, start: int) -> int:
        return start + self._slide - 1 + self._delay

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Join the slice whose label delay is over; at the end of the input, all that wait."""
        batches = row_batches.WaitingBatches(self._state(ctx.get_current_key()))
        ended = ctx.timer_service().current_watermark() == state_job.END_OF_INPUT
        start = timestamp - self._delay - self._slide + 1
        due = {role: batches.waiting(role) if ended else [start] for role in row_batches.COLUMNS}
        for made in due["predictions"]:
            yield from (Row(kind, text) for kind, text in self._at_slice(batches, made))
        for role, starts in due.items():  # labels of this slice are of no later one
            batches.forget(role, starts)

    def _at_slice(self, batches: row_batches.WaitingBatches, start: int) -> Iterator[tuple[str, str]]:
        predictions = batches.read("predictions", [start])
        if not predictions:
            return
        # Not each slice of the label delay: there may be thousands, and most of them empty.
        near = (s for s in batches.waiting("labels") if start <= s < start + self._slide + self._delay)
        yield from self.joined(start, predictions, batches.read("labels", near))

    def joined(self, start: int, predictions: Sequence[str], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield (kind, text) of a slice, from the texts of its predictions and of all labels of its delay."""
        raise NotImplementedError

    def late(self, role: str, start: int, rows: str) -> Iterator[tuple[str, str]]:
        """Yield (kind, text) of a batch that came after its slice had been joined."""
        yield from ()


class _Match(SliceJoin):
    """Yields (kind, text): cells of a slice's outcomes, and its losses where an error stream is configured."""

    def __init__(self, spec: JobSpec, *, lasting: bool) -> None:
        super().__init__(spec.schema.windows, window_shift(spec), lasting=lasting)
        self._spec = spec

    def joined(self, start: int, predictions: Sequence[str], labels: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield the outcome cells, and losses, of one slice."""
        made, known = row_batches.unpack("predictions", predictions), row_batches.unpack("labels", labels)
        rows = label_join.match(made, known, self._delay)
        yield from ((CELL, text) for text in report_lines.outcome_cells(self._spec, start, rows))
        if self._spec.policy.error_stream is not None:
            yield from ((LOSSES, text) for text in loss_rows.pack(self._spec, start, rows))


def create_view(tables: Any, spec: JobSpec, views: tuple[str, str], *, lasting: bool) -> None:
    """Create the view ``matched`` (kind, told) of joined slices.

    Parameters
    ----------
    tables
        The table environment.
    spec
        The job's specification.
    views
        Names of the views of decoded predictions and of decoded labels.
    lasting
        Whether the job has checkpoints.
    """
    # With every batch each bucket gets a tick, so that its timers are set again before event time goes on.
    ticks = ", ".join(f"CONCAT_WS({SEPARATOR}, '{n}', '{TICK}', '0', '')" for n in range(spec.buckets))
    rows = " UNION ALL ".join(
        f"SELECT s FROM {view} CROSS JOIN UNNEST(ARRAY_CONCAT(sheets, ARRAY[{ticks}])) AS u(s)"
        for view in dict.fromkeys(views)
    )
    fields = ", ".join(f"{field('s', i, kind)} AS {name}" for i, (name, kind) in enumerate(_KINDS.items()))
    retime(tables, "sheets", f"SELECT {fields} FROM ({rows})", _KINDS, "0")
    stream = tables.to_data_stream(tables.from_path("sheets")).key_by(lambda row: row[0], key_type=Types.INT())
    kind = Types.ROW_NAMED(["kind", "told"], [Types.STRING(), Types.STRING()])
    matched = stream.process(_Match(spec, lasting=lasting), output_type=kind).uid("label-join")
    schema = Schema.new_builder().column("kind", DataTypes.STRING()).column("told", DataTypes.STRING())
    # Without a row time the stream's watermark would not be passed on.
    schema.column_by_expression("rt", "TO_TIMESTAMP_LTZ(0, 3)").watermark("rt", "SOURCE_WATERMARK()")
    tables.create_temporary_view("matched", tables.from_data_stream(matched, schema.build()))
