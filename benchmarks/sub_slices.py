"""Slices cut into parts, and merged again as far as the tests of memory ask for it: `python -m benchmarks.sub_slices`.

The same rows are watched as slices and as quarters of slices, at the same budget in time. Quarters are a baseline of
four times as many slices; what does not pass the tests is merged, two quarters and more, as hours are merged to days
(:mod:`monitors.verdicts.plan`). How often panels of twenty features alarm while nothing changes, and how soon they find
a shift of one of them. A prototype: windows and reports have no parts of slices (docs/decisions/0028). Seeded; some
minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks import streams, watch
from benchmarks.calibration_page import digits, head, row, show
from benchmarks.rates import LATER, rate
from benchmarks.streams import BURN_IN, Floats, Rng, Stream, ar
from benchmarks.watch import DAY, Counted, Evidence
from monitors.sequential.panel import Panel

SEED, PARTS, REFERENCE, AFTER = 28, 4, 60, 60
ROWS, FEATURES = 200, 20
"""Rows of a whole slice, and features of a panel."""
SHIFTS = 0.25, 0.5, 1.0
BUDGET = 500
Levels = Callable[[Rng, int, int], Floats]
"""Draws levels of parts, (slices times parts, features), in sd of a row: generator, slices, features."""


def _of_parts(sd: float) -> Levels:
    return lambda rng, slices, features: sd * rng.standard_normal((slices * PARTS, features))


def _of_slices(sd: float) -> Levels:
    return lambda rng, slices, features: np.repeat(sd * rng.standard_normal((slices, features)), PARTS, axis=0)


def _stepwise(phi: float, sd: float) -> Levels:
    def levels(rng: Rng, slices: int, features: int) -> Floats:
        drawn = sd * ar(rng.standard_normal((features, BURN_IN + slices)), phi).T[BURN_IN:]
        return np.repeat(drawn, PARTS, axis=0)

    return levels


def _steadily(phi: float, sd: float) -> Levels:
    """Levels that move from part to part, and keep *phi* of one from slice to slice."""

    def levels(rng: Rng, slices: int, features: int) -> Floats:
        shocks = rng.standard_normal((features, BURN_IN + slices * PARTS))
        return np.asarray(sd * ar(shocks, phi ** (1 / PARTS)).T[BURN_IN:])

    return levels


def _pattern(rng: Rng, slices: int, features: int) -> Floats:
    """Each part of the day has a mean of its own, and wobbles."""
    daily = np.tile(0.5 * rng.standard_normal((PARTS, features)), (slices, 1))
    return daily + 0.1 * rng.standard_normal(daily.shape)


KINDS: Mapping[str, Levels] = {
    "rows independent": _of_parts(0.0),
    "means of parts wobble by .1 sd": _of_parts(0.1),
    "means of slices wobble by .1 sd": _of_slices(0.1),
    "a pattern of the day, parts wobble": _pattern,
    "slices AR(.6) of .3 sd": _stepwise(0.6, 0.3),
    "levels AR(.6) of .3 sd, from part to part": _steadily(0.6, 0.3),
}


@dataclass(frozen=True, eq=False)
class Watched:
    """Panels fitted to the baseline of a stream that comes in as many *parts* a slice, and what comes later."""

    panels: Sequence[Panel]
    seen: Counted
    parts: int

    @property
    def features(self) -> int:
        """Number of features of all panels."""
        return len(self.seen.baseline.events.features)

    def covered(self) -> float:
        """Return the share of features with a guarantee."""
        return sum(len(panel.names) for panel in self.panels) / self.features

    def lengths(self) -> dict[int, float]:
        """Return the shares of all features by how many parts are merged."""
        out: dict[int, float] = {}
        for panel in self.panels:
            merged = watch.stride(panel, self.seen)
            out[merged] = out.get(merged, 0.0) + len(panel.names) / self.features
        return dict(sorted(out.items()))

    def hits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each panel's alarms, and how many of its features have a guarantee."""
        return watch.alarms(watch.seen_by(self.panels, self.seen), self.features, FEATURES, BUDGET * self.parts)

    def delays(self, later: Stream) -> Floats:
        """Return after how many slices each panel alarms where *later* slices follow, (panels,); infinite if never."""
        seen = replace(self.seen, later=_later(self.seen, later))
        out = np.full(self.features // FEATURES, np.inf)
        for part in watch.seen_by(self.panels, seen):
            out = np.minimum(out, self._first(part, seen, len(out)))
        return out

    def _first(self, part: Evidence, seen: Counted, panels: int) -> Floats:
        out = np.full(panels, np.inf)
        skip = -(watch.MONDAY // seen.slide + seen.first) % part.stride
        needed = BUDGET * self.parts / part.stride
        for k, alarmed in enumerate(watch.fired(part, part.variables // FEATURES, panels, FEATURES, needed), 1):
            out[alarmed & np.isinf(out)] = (skip + k * part.stride) / self.parts
        return out


def _later(known: Counted, later: Stream) -> dict[str, np.ndarray]:
    """Return the counts of *later* slices on the bins of a baseline."""
    out = {}
    for i in range(later.counts.shape[1]):
        bins = known.baseline.bins[f"x{i}"]
        cells = bins.index(later.grid[i], np.zeros(later.grid.shape[1], bool))
        onto = (cells[:, None] == np.arange(bins.cells)).astype(float)
        out[f"x{i}"] = (later.counts[:, i] @ onto).astype(np.int64)
    return out


def in_parts(stream: Stream, parts: int) -> Stream:
    """Return a stream of *parts* a slice, of one that comes in :data:`PARTS`."""
    together = PARTS // parts
    shape = len(stream.counts) // together, together, *stream.counts.shape[1:]
    return replace(stream, counts=stream.counts.reshape(shape).sum(axis=1))


def measured(kind: str, panels: int) -> Iterator[str]:
    """Yield the lines of the table on one kind of stream: in whole slices, and in parts."""
    rng = np.random.default_rng([SEED, list(KINDS).index(kind)])
    levels = [KINDS[kind](rng, REFERENCE + LATER + AFTER, FEATURES) for _ in range(panels)]
    still, end = np.concatenate(levels, axis=1), (REFERENCE + LATER) * PARTS
    drawn = streams.around(rng, still[:end], ROWS // PARTS)
    moved = {shift: _moved(rng, still[end:], shift) for shift in SHIFTS}
    for parts in (1, PARTS):
        seen = watch.counted(in_parts(drawn, parts), REFERENCE * parts, slide=DAY // parts)
        known = Watched(watch.fitted(seen, FEATURES), seen, parts)
        hits, promised = known.hits()
        found = [known.delays(in_parts(later, parts))[promised > 0] for later in moved.values()]
        merged = ", ".join(f"{digits(share)} of {stride}" for stride, share in known.lengths().items())
        yield row(kind, str(parts), digits(known.covered()), merged if parts > 1 else "",
                  show(rate(hits[promised > 0], LATER, BUDGET)), *map(_median, found))  # fmt: skip


def _moved(rng: Rng, levels: Floats, shift: float) -> Stream:
    levels = levels.copy()
    levels[:, ::FEATURES] += shift
    return streams.around(rng, levels, ROWS // PARTS)


def _median(found: Floats) -> str:
    hits = int(np.isfinite(found).sum())
    share = "" if hits == len(found) else f"{hits}/{len(found)} "
    middle = float(np.median(found)) if len(found) else np.inf
    return share + (f"{middle:.2f}".rstrip("0").rstrip(".") if np.isfinite(middle) else "")


TABLE = ("stream", "parts a slice", "covered", "parts that are merged", f"A = {BUDGET}", "shift by .25 sd", ".5 sd",
         "1 sd")  # fmt: skip


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--panels", type=int, default=10)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only this one; may be repeated")
    args = parser.parse_args()
    print(head(TABLE), flush=True)
    for kind in args.kind or KINDS:
        for line in measured(kind, args.panels):
            print(line, flush=True)


if __name__ == "__main__":
    main()
