"""State of an error-stream detector: losses in the order of their predictions, in blocks of time with a detector each.

A detector with unlimited memory would make a slice's verdict depend on everything before it: no replay of a period
could reproduce it, and one late label would change everything after it. So a detector starts anew with each block of
time, as long as a window, and first warms up on the losses at the end of the block before; nothing older counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from monitors.error_stream.loss_rows import LossRow
from monitors.error_stream.rank_detectors import Detectors, DetectorState, Ranks
from monitors.error_stream.stream_findings import SliceAlarms
from monitors.profiles.outcome_counts import LOSS_UNIT

Ints = npt.NDArray[np.int64]
WARM_UP_LOSSES = 1_000
"""Losses that a detector is updated with before it may alarm; the ranks of all later losses are relative to these."""
CARRIED_LOSSES = 10_000
"""Losses at the end of a block that the next block warms up on."""
RECENT_LOSSES = 100
"""Newest losses, whose mean an alarm reports."""

_NONE = np.zeros(0, np.int64)
_DETECTORS = Detectors()


@dataclass(frozen=True, eq=False)
class StreamState:
    """State of one model version's detector. It is stored in Flink's checkpoints, field by field.

    Parameters
    ----------
    block
        Number of the current block; -1 before the first.
    ended
        The block's newest losses so far, in millionths, which the next block warms up on.
    gathered
        Losses gathered for the warm-up, until there are enough.
    state
        The detector's state after its warm-up.
    recent
        Newest losses that the detector has seen.
    sum
        Sum of all other losses that it has seen.
    """

    block: int = -1
    ended: Ints = field(default_factory=lambda: _NONE)
    gathered: Ints = field(default_factory=lambda: _NONE)
    state: DetectorState | None = None
    recent: Ints = field(default_factory=lambda: _NONE)
    sum: int = 0


def observe(
    name: str, memory: StreamState, block: int, start: int, rows: Sequence[LossRow]
) -> tuple[StreamState, SliceAlarms | None]:
    """Return the state after one more slice, and the slice's alarms, if any.

    Slices must come in the order of time, their rows in any.

    Parameters
    ----------
    name
        The detector: ``adwin``, ``page_hinkley`` or ``kswin``.
    memory
        The state before the slice.
    block
        Number of the slice's block, see :func:`monitors.error_stream.stream_findings.block_number`.
    start
        Start of the slice, in milliseconds since the epoch.
    rows
        The slice's labelled predictions.
    """
    ordered = sorted(rows)
    losses = np.array([loss for _, _, loss in ordered], np.int64)
    if block != memory.block:
        before = memory.ended if block == memory.block + 1 else _NONE
        memory = (
            _warmed_up(name, StreamState(block, gathered=before))
            if len(before) >= WARM_UP_LOSSES
            else StreamState(block, gathered=before)
        )
    ended = np.concatenate([memory.ended, losses])[-CARRIED_LOSSES:]
    memory, skipped = _gather(name, replace(memory, ended=ended), losses)
    if memory.state is None:
        return memory, None
    return _update_detector(memory, losses[skipped:], start, [at for at, _, _ in ordered[skipped:]])


def _gather(name: str, memory: StreamState, losses: Ints) -> tuple[StreamState, int]:
    """Add as many of *losses* to the warm-up as it still needs; return the state and how many these were."""
    if memory.state is not None:
        return memory, 0
    needed = min(WARM_UP_LOSSES - len(memory.gathered), len(losses))
    memory = replace(memory, gathered=np.concatenate([memory.gathered, losses[:needed]]))
    return (_warmed_up(name, memory) if len(memory.gathered) == WARM_UP_LOSSES else memory), needed


def _warmed_up(name: str, memory: StreamState) -> StreamState:
    """Return the state with a new detector, updated with the gathered losses without alarms."""
    losses = memory.gathered
    state = _DETECTORS.start(Ranks.freeze(losses * LOSS_UNIT), name)
    state, _ = _DETECTORS.update(state, losses * LOSS_UNIT)
    return replace(
        memory, gathered=_NONE, state=state, recent=losses[-RECENT_LOSSES:], sum=int(losses[:-RECENT_LOSSES].sum())
    )


def _update_detector(
    memory: StreamState, losses: Ints, start: int, times: Sequence[int]
) -> tuple[StreamState, SliceAlarms | None]:
    """Return the state after *losses*, and the alarms of risen losses with the mean loss before and after the first."""
    assert memory.state is not None  # the caller has looked
    earlier = memory.state.records
    state, alarms = _DETECTORS.update(memory.state, losses * LOSS_UNIT)
    newest = np.concatenate([memory.recent, losses])
    risen = [alarm.record - earlier - 1 for alarm in alarms if alarm.risen]
    after = replace(
        memory, state=state, recent=newest[-RECENT_LOSSES:], sum=memory.sum + int(newest[:-RECENT_LOSSES].sum())
    )
    if not risen:
        return after, None
    first = risen[0]
    newest, older = newest[first + 1 : first + 1 + RECENT_LOSSES], memory.sum + int(newest[: first + 1].sum())
    mean = round(older / (earlier + first + 1 - RECENT_LOSSES))
    return after, SliceAlarms(
        len(risen), times[first] - start, earlier + first + 1, mean, round(int(newest.sum()) / RECENT_LOSSES)
    )
