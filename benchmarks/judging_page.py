"""Writes docs/statistics/judging.md, the table of which is from one run of :mod:`benchmarks.judging`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "statistics" / "judging.md"
TABLE = "<!-- table -->\n"
"""Before and after the part of the page that is measured anew."""


@dataclass(frozen=True)
class Case:
    """A fleet of *models*, each with *features* and *segments*, and so many *windows* of each segment."""

    features: int
    segments: int
    models: int
    windows: int


@dataclass(frozen=True)
class Cost:
    """Processor seconds of the *first* windows, of *later* ones, and how many of these; *peak* memory in MiB.

    *loop* is what one turn of the loop takes that tells how fast the machine is.
    """

    first: float
    later: float
    windows: int
    peak: float
    loop: float


CASES = (
    Case(25, 1, 1, 20),
    Case(25, 100, 1, 5),
    Case(25, 1000, 1, 2),
    Case(25, 1, 100, 5),
    Case(1000, 1, 1, 5),
)


def page(measured: Sequence[tuple[Case, Cost]]) -> str:
    """Return the page as it is, with the table of what was *measured*."""
    before, _, after = PAGE.read_text().split(TABLE)
    head = (
        "| features | segments | models | first window, ms | later ones, ms | later ones a second "
        "| one in turns of the loop | turns a second | peak memory, MiB |"
    )
    rows = [_row(case, cost) for case, cost in measured]
    return TABLE.join([before, "\n".join(["", head, "|---:" * 9 + "|", *rows, "", ""]), after])


def _row(case: Case, cost: Cost) -> str:
    series, a_second = case.models * case.segments, cost.windows / cost.later
    first, later = 1000 * cost.first / series, 1000 * cost.later / cost.windows
    return (
        f"| {case.features:,} | {case.segments:,} | {case.models} | {first:,.0f} | {later:,.2f} | {a_second:,.0f} "
        f"| {later / 1000 / cost.loop:,.0f} | {1 / cost.loop:,.0f} | {cost.peak:,.0f} |"
    )
