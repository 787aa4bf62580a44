"""Writes docs/statistics/slow-memory.md, all figures of which are from one calibration run."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import wandering
from benchmarks.calibration_page import digits, head, row, show
from benchmarks.memory import SIZES, MemoryRates, Side

_HEAD = """# Slow memory

`python -m benchmarks.calibration --part memory --write` makes this page (seeded; about twenty minutes on one core).
Brackets hold the 95 % interval (Poisson, exact; wider where repetitions differ by more than chance lets them).

Streams of 100 rows a slice in which nothing changes, but whose slices are not independent: levels that wander under the
noise of few rows, long memory, and slices that vary more at some times than at others. An AR(1) residual leaves some of
it, which evidence over time adds up. So a panel's variables are tested together for what is left
(`monitors/sequential/slow_memory.py`), and those that are doubted are outside the guarantee, as `leeway why` and the
pages say. What the test cannot see in a few variables costs them evidence each slice (`EVIDENCE_LOSS` in
`monitors/sequential/evidence_loss.py`).

{panels} panels of 20 features a kind; panels of 5 and of one feature are cut from them. *Untested* is the same without
the test and without that loss: how it was.
"""
_COVERED = """## Who is covered

The share of features inside the guarantee, by features of a panel. In the first kinds whitening leaves nothing: what is
not covered of them is refused falsely. Of the others as little as possible should be covered.
"""
_RATES = """## False alarms

Alarms per allowed one, at most 1 is right, in {later} slices after the baseline. *Inside* is the rate of panels with a
guarantee for any feature. *All* counts those without as panels with no alarm: what somebody has to expect who has yet
to see whether a guarantee is given.
"""


def line(of: MemoryRates) -> str:
    """Return a kind's shares and rates as one line, for the terminal."""
    sides = [f"{size}: {digits(s.covered)} {show(s.rates[500])}" for size, s in of.shipped.items()]
    before = [f"{size}: {digits(s.covered)} {show(s.rates[500])}" for size, s in of.untested.items()]
    return row(of.kind, str(of.reference), *sides, "untested", *before)


def page(rates: Sequence[MemoryRates], panels: int, later: int) -> str:
    """Return the page."""
    wanted = [f"{size} features" if size > 1 else "one feature" for size in SIZES]
    covered = [
        row(r.kind, str(r.reference), *(digits(s[size].covered) for size in SIZES for s in (r.shipped, r.untested)))
        for r in rates
    ]
    names = [f"{w}{part}" for w in wanted for part in ("", ", untested")]
    parts = [
        _HEAD.format(panels=panels),
        _worst(rates),
        _COVERED,
        "\n".join([head(("stream", "baseline", *names)), *covered]) + "\n",
        _RATES.format(later=later),
    ]
    for size, name in zip(SIZES, wanted, strict=True):
        columns = [f"A = {a}, {what}" for a in (90, 500) for what in ("untested", "inside", "all")]
        lines = [row(r.kind, str(r.reference), *_rates(r.untested[size], r.shipped[size])) for r in rates]
        parts += [f"### Panels of {name}\n", "\n".join([head(("stream", "baseline", *columns)), *lines]) + "\n"]
    return "\n".join(parts)


def _rates(untested: Side, shipped: Side) -> list[str]:
    return [show(of) for a in (90, 500) for of in (untested.rates[a], shipped.rates[a], shipped.every[a])]


def _worst(rates: Sequence[MemoryRates]) -> str:
    """Return the largest rates, and what is refused falsely, in sentences."""
    slow = [(r, size, a) for r in rates for size in SIZES for a in (90, 500) if r.kind in wandering.SLOW]
    good = [r for r in rates if r.kind in wandering.GOOD]
    told = ["## In short\n"]
    for size in SIZES:
        of = f"panels of {size} features" if size > 1 else "panels of one feature"
        if good:
            least = min(good, key=lambda r: r.shipped[size].covered)
            covered = f"at least {digits(least.shipped[size].covered)} ({least.kind}) is covered where nothing is wrong"
            told.append(f"- Of {of}, {covered}.")
        mine = [(r, a) for r, s, a in slow if s == size]
        if mine:
            r, a = max(mine, key=lambda at: at[0].shipped[size].every[at[1]].value)
            was = max(of.untested[size].rates[at].value for of, at in mine)
            now = f"{show(r.shipped[size].every[a])} ({r.kind}, {r.reference} slices, A = {a})"
            told.append(f"- Worst rate of {of} with slow memory: {now}; untested {digits(was)}.")
    return "\n".join(told) + "\n"
