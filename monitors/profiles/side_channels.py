"""Side channels: counts beside a window's variables, of records that are not among its rows.

Rejected records, late predictions, and what an error-stream detector reports travel as cells like those of any
variable, so that one layout, one sum over slices and one report carry them. To add one, add its row here, count its
cells, and make findings of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from features.schema import LATE, REFUSED, UNUSABLE, UNUSABLE_PARTS, EventSchema
from monitors.finding import Stage

ERROR_STREAM = "error_stream"
"""The name of the error-stream detector's cells, and of its finding."""


@dataclass(frozen=True, slots=True)
class SideChannel:
    """One kind of counts beside the variables, of all traffic only.

    Parameters
    ----------
    name
        Its name among a report's counts; no feature may have it.
    stage
        The stage whose windows contain it.
    cells
        The names of its cells for a schema, in order.
    of_refused
        Whether it counts rejected records, one cell for each cause.
    arrived
        Whether what it counts did arrive, though it is no row of the window: then the feed is not silent.
    recounted
        Whether an audit's recount of history in batch gives the same counts.
    sparse
        Whether a report omits it where it is zero throughout: earlier windows did not count it.
    """

    name: str
    stage: Stage
    cells: Callable[[EventSchema], tuple[str, ...]]
    of_refused: bool = False
    arrived: bool = False
    recounted: bool = True
    sparse: bool = False


SIDE_CHANNELS = (
    SideChannel(REFUSED, Stage.INPUTS, lambda schema: schema.refusable, of_refused=True, arrived=True),
    SideChannel(LATE, Stage.INPUTS, lambda _: (LATE,), arrived=True, recounted=False),
    SideChannel(
        UNUSABLE, Stage.INPUTS, lambda _: UNUSABLE_PARTS, of_refused=True, arrived=True, recounted=False, sparse=True
    ),
    SideChannel(ERROR_STREAM, Stage.OUTCOMES, lambda _: ("alarms", "after_ms", "records", "before", "after")),
)
"""All side channels, in the order of their cells: after the variables of their stage. The error stream's is laid out
only where the policy names a detector. Repeated rows need none: they are what inputs count above outcomes."""

ALWAYS = tuple(channel for channel in SIDE_CHANNELS if channel.name != ERROR_STREAM)
NAMES = frozenset(channel.name for channel in SIDE_CHANNELS)
OF_REFUSED = tuple(channel.name for channel in SIDE_CHANNELS if channel.of_refused)
ARRIVED = tuple(channel.name for channel in SIDE_CHANNELS if channel.arrived)
NOT_RECOUNTED = frozenset(channel.name for channel in SIDE_CHANNELS if not channel.recounted)
SPARSE = frozenset(channel.name for channel in SIDE_CHANNELS if channel.sparse)


def without_zero(counts: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Return counts by variable without the sparse side channels that are zero.

    >>> without_zero({"x": [0, 0], UNUSABLE: [0]})
    {'x': [0, 0]}
    """
    return {name: list(row) for name, row in counts.items() if any(row) or name not in SPARSE}
