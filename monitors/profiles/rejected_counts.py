"""Counts of rejected records, by the variable or part of a record that could not be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from features.schema import EventSchema
from features.values.untyped import Reject
from features.window import to_ms
from monitors.finding import Stage
from monitors.profiles import side_channels
from monitors.profiles.cells import Cell, Layout
from monitors.profiles.counting import layout
from monitors.profiles.derived import FrozenProfile


def count_refused(
    schema: EventSchema, frozen: Mapping[str, FrozenProfile], rejects: Iterable[Reject], newest: int
) -> Iterator[Cell]:
    """Yield the cells of rejected predictions, by variable or unusable part, in all traffic.

    A record whose version has no baseline counts for every version that has one.

    Parameters
    ----------
    schema
        The model's event schema.
    frozen
        Bins and derived variables by model version.
    rejects
        The rejected records.
    newest
        Time (ms) for records whose own cannot be read: the newest of those that arrived with them; 0 is the epoch, see
        :mod:`monitors.worker.unplaced`.
    """
    step = to_ms(schema.windows.slide)
    cells = {v: _refusals(layout(schema, known, Stage.INPUTS), schema) for v, known in frozen.items()}
    for reject in rejects:
        time = reject.time if reject.time is not None else newest
        for version in (reject.version,) if reject.version in cells else cells:
            at = cells[version]
            yield Cell(time - time % step, version, "", at.get(reject.column, at["record"]), reject.records)


def _refusals(plan: Layout, schema: EventSchema) -> dict[str, int]:
    """Return the cell of each cause of rejection: a variable, or an unusable part."""
    channels = [channel for channel in side_channels.SIDE_CHANNELS if channel.of_refused]
    by_cause = [{cause: plan.offsets[c.name] + i for i, cause in enumerate(c.cells(schema))} for c in channels]
    return {cause: cell for cells in reversed(by_cause) for cause, cell in cells.items()}


def is_refusal(plan: Layout, cell: int) -> bool:
    """Return whether *cell* counts rejected records."""
    return any(0 <= cell - plan.offsets[name] < plan.sizes[name] for name in side_channels.OF_REFUSED)
