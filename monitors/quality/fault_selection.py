"""Which of a window's faults are reported: those that no other explains, of the window and of its newest slice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from monitors.quality.fault import Fault, FaultKind

_EXPLAINS = {
    FaultKind.COLUMN_SWAP: set(FaultKind) - {FaultKind.COLUMN_SWAP},
    FaultKind.UNIT_CHANGE: {FaultKind.OUT_OF_RANGE},
}
"""Faults that another fault of the same variable explains, and that are not reported beside it."""


def unexplained(faults: Sequence[Fault]) -> Iterator[Fault]:
    """Yield each fault that no other fault of its variables explains, and one per kind and variables."""
    reported: set[tuple[FaultKind, tuple[str, ...]]] = set()
    for fault in faults:
        others = (f.kind for f in faults if set(fault.variables) & set(f.variables))
        key = (fault.kind, fault.variables)
        if key not in reported and not any(fault.kind in _EXPLAINS.get(kind, ()) for kind in others):
            reported.add(key)
            yield fault


def joined(whole: Sequence[Fault], latest: Sequence[Fault]) -> Iterator[Fault]:
    """Yield the faults of the *latest* slice (as the *whole* window has them, if it does), and the window's others.

    The slice is the purer sample: what the window says about the same variables beside it comes from a mixture.
    """
    in_whole = {(f.kind, f.variables): f for f in whole}
    named = {name for f in latest for name in f.variables}
    for fault in latest:
        here = replace(fault, reason=f"in the newest slice, {fault.reason}")
        yield in_whole.get((fault.kind, fault.variables), here)
    same = {(f.kind, f.variables) for f in latest}
    yield from (f for f in whole if not named & set(f.variables) and (f.kind, f.variables) not in same)


def ordered(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return faults by kind and variable."""
    return tuple(sorted(faults, key=lambda f: (list(FaultKind).index(f.kind), f.variables)))
