"""Keyed state of stream functions: Flink's own where a job has checkpoints, plain memory where it has none.

In batch mode Flink drops a key's state as soon as it comes to the next key, which is before PyFlink 2.3 has called that
key's timers: only what a Python worker's cache happens to contain is left then. Memory has all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from monitors.worker.keyed_state import KeyedState, MemoryState

END_OF_INPUT = 2**63 - 1
"""The watermark when there is no more input. All elements of a key have arrived by then, but timers fire in any
order."""


def open_state(context: RuntimeContext, name: str, kind: Any, *, lasting: bool) -> Callable[[object], KeyedState]:
    """Return a function from a key, which must be the current one, to its map state.

    Parameters
    ----------
    context
        Flink's runtime context.
    name
        Name of the state in checkpoints.
    kind
        Flink's type of the values; keys are text.
    lasting
        Whether the job has checkpoints.
    """
    if lasting:
        state: KeyedState = context.get_map_state(MapStateDescriptor(name, Types.STRING(), kind))
        return lambda key: state
    memory: dict[object, KeyedState] = defaultdict(MemoryState)
    return lambda key: memory[key]
