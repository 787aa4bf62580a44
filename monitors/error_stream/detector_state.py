"""The error stream's memory: losses in the order of their predictions, block by block, in a detector of their own.

A detector that remembered for ever would say of a slice what depends on all that came before: no replay of a period
could find it again, and one late label would change everything after it. So it begins anew with each block of time, as
long as a window, and is first shown in silence what the block before ended with: nothing older counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from monitors.error_stream.loss_rows import Row
from monitors.error_stream.rank_detectors import Detectors, DetectorState, Ranks
from monitors.error_stream.stream_findings import SliceAlarms
from monitors.profiles.outcome_counts import UNIT

Ints = npt.NDArray[np.int64]
LEARN = 1_000
"""Losses that a detector is shown in silence, and the ranks of all later ones are read from, before it may tell."""
KEPT = 10_000
"""Losses at the end of a block that the next one learns from."""
RECENT = 100
"""Newest losses whose mean an alarm tells."""

_NONE = np.zeros(0, np.int64)
_DETECTORS = Detectors()


@dataclass(frozen=True, eq=False)
class StreamState:
    """What is known of one version in *block*: the losses that it *ended* with so far, and how far its detector is.

    Until there are enough, losses are *gathered* to learn from; then *state* is set, *recent* are the newest losses it
    saw, and *sum* is that of all others.
    """

    block: int = -1
    ended: Ints = field(default_factory=lambda: _NONE)
    gathered: Ints = field(default_factory=lambda: _NONE)
    state: DetectorState | None = None
    recent: Ints = field(default_factory=lambda: _NONE)
    sum: int = 0


def observe(
    name: str, memory: StreamState, block: int, start: int, rows: Sequence[Row]
) -> tuple[StreamState, SliceAlarms | None]:
    """Return the memory after one more slice, and what the detector called *name* tells of it, if anything.

    The slice starts at *start* (ms) in *block*; slices come in the order of time, their *rows* in any.
    """
    ordered = sorted(rows)
    losses = np.array([loss for _, _, loss in ordered], np.int64)
    if block != memory.block:
        before = memory.ended if block == memory.block + 1 else _NONE
        memory = (
            _learned(name, StreamState(block, gathered=before))
            if len(before) >= LEARN
            else StreamState(block, gathered=before)
        )
    ended = np.concatenate([memory.ended, losses])[-KEPT:]
    memory, skipped = _gather(name, replace(memory, ended=ended), losses)
    if memory.state is None:
        return memory, None
    return _show(memory, losses[skipped:], start, [at for at, _, _ in ordered[skipped:]])


def _gather(name: str, memory: StreamState, losses: Ints) -> tuple[StreamState, int]:
    """Learn from as many of *losses* as are still needed; return how many these were."""
    if memory.state is not None:
        return memory, 0
    needed = min(LEARN - len(memory.gathered), len(losses))
    memory = replace(memory, gathered=np.concatenate([memory.gathered, losses[:needed]]))
    return (_learned(name, memory) if len(memory.gathered) == LEARN else memory), needed


def _learned(name: str, memory: StreamState) -> StreamState:
    known = memory.gathered
    state = _DETECTORS.start(Ranks.freeze(known * UNIT), name)
    state, _ = _DETECTORS.update(state, known * UNIT)
    return replace(memory, gathered=_NONE, state=state, recent=known[-RECENT:], sum=int(known[:-RECENT].sum()))


def _show(
    memory: StreamState, losses: Ints, start: int, times: Sequence[int]
) -> tuple[StreamState, SliceAlarms | None]:
    assert memory.state is not None  # the caller has looked
    seen = memory.state.seen
    state, alarms = _DETECTORS.update(memory.state, losses * UNIT)
    every = np.concatenate([memory.recent, losses])
    risen = [alarm.record - seen - 1 for alarm in alarms if alarm.risen]
    after = replace(memory, state=state, recent=every[-RECENT:], sum=memory.sum + int(every[:-RECENT].sum()))
    if not risen:
        return after, None
    first = risen[0]
    newest, older = every[first + 1 : first + 1 + RECENT], memory.sum + int(every[: first + 1].sum())
    mean = round(older / (seen + first + 1 - RECENT))
    return after, SliceAlarms(
        len(risen), times[first] - start, seen + first + 1, mean, round(int(newest.sum()) / RECENT)
    )
