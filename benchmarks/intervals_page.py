"""Writes docs/statistics/intervals.md from one run of benchmarks.coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the true change: *held* of *of*, and their median *width*.

    *what* was measured of which *kind*, with so many slices in *baseline* and *window*, after a *change*.
    """

    what: str
    kind: str
    baseline: int
    window: int
    change: float
    held: int
    of: int
    width: float

    @property
    def value(self) -> float:
        """The share of intervals that held it."""
        return self.held / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Its own 95 % interval (Clopper and Pearson 1934)."""
        low = float(special.betaincinv(self.held, self.of - self.held + 1, 0.025)) if self.held else 0.0
        high = float(special.betaincinv(self.held + 1, self.of - self.held, 0.975)) if self.held < self.of else 1.0
        return low, high


def line(one: Coverage) -> str:
    """Return a coverage in a line, for the terminal."""
    low, high = one.interval
    return (f"{one.what:9} {one.kind:28} baseline {one.baseline:3} window {one.window} change {one.change:4.2f}  "
            f"{one.value:.3f} ({low:.3f}-{high:.3f})  width {one.width:.3f}")  # fmt: skip


def page(measured: Sequence[Coverage]) -> str:
    """Return the page."""
    parts = [_HEAD, "## In short\n", _short(measured)]
    for what, (title, text) in _PARTS.items():
        rows = [one for one in measured if one.what == what]
        parts += [f"## {title}\n", text, _table(rows)] if rows else []
    return "\n".join(parts)


_LEAST = 0.92
"""Coverage below which a kind is named."""
_HEAD = """# Do intervals cover what they say

`python -m benchmarks.coverage --write` makes this page (seeded; five minutes on one core).

Every effect has a 95 % interval. It is shown to people, and it decides when a drift ends (its lower end has reached
the least effect for a whole window) and, where there is no false-alarm guarantee, whether one begins. It is of the
change of the **long-run level**: of what would be measured if slices went on for ever as they are now. Figures are
how often it held that, in slices of 200 rows after baselines of 20 and 60 slices, with the median width behind them.
Brackets hold the 95 % interval of the figure itself (Clopper and Pearson).

**How.** Rows of a slice go together, slices have levels of their own, and levels may last. So the variance of a window
is that of the baseline's own windows, and a window of one slice borrows it, having nothing of its own to estimate it
from; it grows where the window has fewer rows than they had, and in proportion to a risen loss. The window's own
variance counts where it is larger. The few slices that it is estimated from are allowed for by Student's t, memory by
the autocorrelation of slices. Means of losses are gamma distributed around their true value, so that their ratio has an
F distribution; a squared distance is a non-central chi-square, whose variance is taken along the direction of the
change. (`between_windows.py`, `effect_interval.py` and `distance_interval.py` of `monitors/stats/`)

**Before** it had the variance between slices and the window's own, the same run measured for losses: independent
rows .95 (.81 at a rise of 50 %), wobble of .1 sd .76 (.56), .2 sd .51 (.35), .3 sd .39 (.27), sessions .69 (.50),
AR(.6) .52 (.37); for distances: wobble of .3 sd .32 to .56, sessions .48 to .74; for estimated losses: where the input
wobbled .32 to .88, by a table .02 to .80 where it moved. (50 repetitions a cell for the last two.)

*Wobble*: each slice's level moves by so many sd of a row. *Sessions*: rows come in groups of Pareto's size (exponent
1.5) with an intraclass correlation of .5 to .8. *AR(.6)*: levels keep .6 of the one before. *Busy and quiet*: a slice
has a quarter of the rows up to all of them.

**What is not covered.** A baseline of a single slice says nothing of slices: rows are taken as independent, and the
finding's reason says so. Memory longer than neighbouring windows, and a trend. Rare labels, where the interval is twice
as wide as an exact one would be. What an estimate assumes, that labels depend on inputs as in the baseline.
"""
_PARTS = {
    "loss": ("Relative rise of a loss", "Squared errors unless the name says otherwise; columns are the true rise.\n"),
    "distance": (
        "Jensen-Shannon distance",
        "Normal values in ten quantile bins; columns are by how many sd the mean moved.\n",
    ),
    "estimate": (
        "Estimated performance",
        "The rise of the *true* loss where an input moved by so many sd and labels depend on it as before. Scores: a "
        "calibrated binary model; table: squared errors that grow with the input, by an additive table of losses.\n",
    ),
}


def _short(measured: Sequence[Coverage]) -> str:
    """Return which kinds are below the least coverage, beyond their interval, and the range of all others."""
    low = [one for one in measured if one.interval[1] < _LEAST]
    parts = []
    for what, (title, _) in _PARTS.items():
        rest = [one.value for one in measured if one.what == what and one not in low]
        if rest:
            parts.append(f"- {title}: {_figure(min(rest))} to {_figure(max(rest))} in {len(rest)} cells.")
    kinds = dict.fromkeys((one.what, one.kind) for one in low)
    for what, kind in kinds:
        values = [one.value for one in low if (one.what, one.kind) == (what, kind)]
        parts.append(f"- **Too low**: {_PARTS[what][0].lower()}, {kind}: {_figure(min(values))} to "
                     f"{_figure(max(values))} in {len(values)} cells of 12.")  # fmt: skip
    return "\n".join([*parts, ""])


def _table(rows: Sequence[Coverage]) -> str:
    changes = list(dict.fromkeys(one.change for one in rows))
    head = ["stream", "baseline", "window", *(f"{change:+g}" for change in changes), "width"]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for kind, baseline, window in dict.fromkeys((one.kind, one.baseline, one.window) for one in rows):
        cells = [one for one in rows if (one.kind, one.baseline, one.window) == (kind, baseline, window)]
        widths = ", ".join(f"{one.width:.2g}" for one in cells)
        lines.append(_line([kind, str(baseline), str(window), *map(_shown, cells), widths]))
    return "\n".join([*lines, ""])


def _shown(one: Coverage) -> str:
    low, high = (_figure(end) for end in one.interval)
    return f"{_figure(one.value)} ({low}-{high})"


def _figure(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
