"""One stream through all methods: Leeway's monitors as shipped, and the statistics of others with thresholds."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from unittest import mock

import numpy as np

from benchmarks import changes, concepts, tuned
from benchmarks.changes import AFTER, REFERENCE, ROWS, Concepts, Floats, Ints, Rng, Rows, World
from benchmarks.slice_statistics import cramer_von_mises, glr, moments
from benchmarks.tuned import Line
from monitors.sequential import edetector, evidence_loss, panel, seasonality, slice_scores
from monitors.stats import threshold
from monitors.stats.bins import freeze_numeric
from monitors.verdicts import loss_scores

SEED, BUDGET = 17, 500
SLIDE = seasonality.WEEK
"""Streams know no calendar, and none is looked for in slices that long."""
FINE = 5
"""How many parts slices are cut into where Leeway is also shown shorter ones."""
WARM = 20
"""So many of the reference's last slices are shown to detectors that see rows one by one, before the change."""
PANELS, COLUMNS, LOSSES = (
    ("Leeway, features", "Leeway, loss", "Leeway, both"),
    ("Evidently, any", "Evidently, half", "NannyML, any", "GLR, any", "CVM, any"),
    ("NannyML, metric", "GLR, metric"),
)
BY_ROW = ("ADWIN", "KSWIN", "Page-Hinkley")
EARLIER = "Leeway's bets on tails alone, features", "Leeway's bets on tails alone, loss"
FINELY, ORACLE = "Leeway, shorter slices", "oracle CUSUM"
Schedule = Callable[[Rng], Concepts]
NULLS: Mapping[str, Callable[[], World]] = {
    "50 normal": changes.Normal,
    "50 normal, means wobble by .1 sd": partial(changes.Normal, wobble=0.1),
    **{name: partial(concepts.pools, name) for name in concepts.RECIPES},
    "losses": changes.Losses,
    "losses wobble by .1 sd": partial(changes.Losses, wobble=0.1),
}
PLAIN, WOBBLING = list(NULLS)[:2]
STEADY_LOSSES, WOBBLING_LOSSES = list(NULLS)[-2:]


def none(rng: Rng) -> Concepts:
    """Change nothing."""
    return np.zeros((AFTER, ROWS), np.int64)


def generator(*names: str) -> Rng:
    """Return the generator of what has these *names*."""
    return np.random.default_rng([SEED, *(zlib.crc32(n.encode()) for n in names)])


def stream(world: World, schedule: Schedule, rng: Rng) -> Rows:
    """Return the reference's slices and those after them."""
    return world.rows(rng, np.concatenate([np.zeros((REFERENCE, ROWS), np.int64), schedule(rng)]))


@contextmanager
def earlier() -> Iterator[None]:
    """Within this, bets are as they were: on tails alone, whatever a change's age, and less is lost for memory."""
    tails = np.where(np.arange(edetector.BETS) < len(edetector.STAKES), 1 / len(edetector.STAKES), 0.0)
    less = {"EVIDENCE_LOSS": 0.4, "MEMORY_LOSS": 0.0}
    with mock.patch.object(edetector, "WEIGHTS", tails), mock.patch.multiple(evidence_loss, **less):
        yield


def evidence(
    measure: slice_scores.ScoreFunction, later: Sequence[slice_scores.SliceCounts], name: str, lines: Sequence[float]
) -> list[Floats]:
    """Return the log of a panel's evidence after each later slice, for each of the *lines* that it may have to reach.

    The last is what it was with earlier bets. Variables weigh the same, and nothing is reset.
    """
    known = len(measure.reference)
    starts = [SLIDE * k for k in range(known)]
    fitted = panel.fit(measure, starts, SLIDE, name)
    never, state, ranks = np.zeros(len(fitted.names), bool), fitted.initial_state(), []
    for k, newest in enumerate(later, known):
        state, p = fitted.ranked(state, SLIDE * k, newest)
        state = fitted.update_calibration(state, drifting=never, reset=never)
        ranks.append(p)
    out = [_paid(ranks, known, fitted.retention, line) for line in lines]
    with earlier():
        return [*out, _paid(ranks, known, panel.fit(measure, starts, SLIDE, name).retention, None)]


def _paid(ranks: Sequence[Floats], known: int, retention: Floats, line: float | None) -> Floats:
    """Return the log of the evidence that p-values bring, (slices,); with None for a *line* it may go beyond it."""
    m, out = np.zeros((*ranks[0].shape, edetector.BETS)), []
    lines = None if line is None else np.array(line * ranks[0].size)
    for k, p in enumerate(ranks, known):
        m = edetector.step(m, p, known, k, retention=retention[:, None], lines=lines)
        out.append(np.logaddexp.reduce(edetector.log_evidence(m)) - math.log(len(m)))
    return np.array(out)


@cache
def _binning(null: str) -> tuple[tuple[Floats, tuple[int, ...]], ...]:
    """Return for each feature the matrix from cells to the bins that a first reference froze, and those compared."""
    world = NULLS[null]()
    total = stream(world, none, generator("bins", null)).counts[:REFERENCE].sum(axis=0)
    return tuple(_bins(v, n, bool(few)) for v, n, few in zip(world.values, total, world.few, strict=True))


def _bins(values: Floats, total: Floats, few: bool) -> tuple[Floats, tuple[int, ...]]:
    if few:
        width = int(np.isfinite(values).sum())
        return np.eye(len(values), width), tuple(range(width))
    bins = freeze_numeric(np.repeat(values, total))
    cell = bins.index(values, np.zeros(len(values), bool))
    return (cell[:, None] == np.arange(bins.cells)).astype(np.float64), tuple(threshold.compared(bins))


def features_paths(null: str, counts: Ints, lines: Sequence[float] = (BUDGET,), parts: int = 1) -> list[Floats]:
    """Return the evidence of Leeway's feature panel in each slice, by line, and with earlier bets.

    Its budget is kept where slices come in *parts*.
    """
    known = REFERENCE * parts
    binned = {str(i): (counts[:, i] @ onto).astype(np.int64) for i, (onto, _) in enumerate(_binning(null))}
    kept = {str(i): cells for i, (_, cells) in enumerate(_binning(null))}
    measure = slice_scores.share_scores({name: n[:known] for name, n in binned.items()}, kept)
    later = [{v: n[k] for v, n in binned.items()} for k in range(known, len(counts))]
    found = evidence(measure, later, null, [line * parts for line in lines])
    return [path.reshape(-1, parts).max(axis=1) - math.log(parts) for path in found]


def finely(world: World, schedule: Schedule, rng: Rng) -> Floats:
    """Return the evidence of Leeway's feature panel where it is shown a fifth of a slice at a time."""
    concepts = np.concatenate([none(rng), schedule(rng)]).reshape(-1, ROWS // FINE)
    return features_paths(PLAIN, world.rows(rng, concepts).counts, parts=FINE)[0]


def loss_paths(rows: Rows, lines: Sequence[float]) -> list[Floats]:
    """Return the evidence of Leeway's performance panel, by line, and with earlier bets."""
    assert rows.series is not None  # the world is labelled
    x = rows.series
    moments = np.stack([np.full(x.shape[::2], x.shape[1]), x.sum(axis=1), (x**2).sum(axis=1)], axis=-1)
    measure = loss_scores.MeanScores("loss", lambda newest: np.asarray(newest["moments"]), moments[:REFERENCE])
    return evidence(measure, [{"moments": m} for m in moments[REFERENCE:]], "loss", lines)  # type: ignore[dict-item]


def windows(null: str, world: World, rows: Rows) -> dict[str, Floats]:
    """Return the paths of the methods that look at slices."""
    far = tuned.evidently(rows.counts, world.values, REFERENCE)
    above = tuned.nannyml(rows.counts, world.values, world.few, REFERENCE)
    alone, shared = BUDGET, 2 * BUDGET
    features = features_paths(null, rows.counts, (alone, shared))
    out = {
        "Leeway, features": features[0],
        EARLIER[0]: features[-1],
        "Evidently, any": tuned.any_column(far),
        "Evidently, half": tuned.half_of_columns(far),
        "NannyML, any": tuned.any_column(above),
        "GLR, any": glr(moments(rows.counts, world.values, REFERENCE), REFERENCE).max(axis=-1),
        "CVM, any": cramer_von_mises(rows.counts, REFERENCE).max(axis=-1),
    }
    if rows.error is None:
        return out
    error = rows.error.mean(axis=1)
    metric, moved = tuned.realised(error, REFERENCE), glr(error[:, None], REFERENCE, both=False)[:, 0]
    loss = loss_paths(rows, (alone, shared))
    out |= {"Leeway, loss": loss[0], EARLIER[1]: loss[-1], "NannyML, metric": metric, "GLR, metric": moved}
    return {**out, "Leeway, both": np.maximum(features[1], loss[1]) - math.log(2)}


def column(world: World, rng: Rng) -> Floats:
    """Return what a detector sees of one more feature of a world without labels, in a run without a change."""
    assert isinstance(world, changes.Normal)  # the others have labels
    return watched(stream(replace(world, features=1), none, rng))


def watched(rows: Rows) -> Floats:
    """Return what detectors see row by row: the errors, or the first feature where there are no labels."""
    return (rows.first if rows.error is None else rows.error)[REFERENCE - WARM :].ravel()


@dataclass(frozen=True)
class Lines:
    """The lines of one world at which every method alarms with the same *chance* in a run without a change.

    Without labels, detectors see *columns* features, each given its part of the chance.
    """

    highest: Mapping[str, Floats]
    chance: float
    columns: int

    def at(self, method: str) -> float:
        """Return the line of a method that has a path."""
        if method in (*PANELS, *EARLIER, FINELY):
            return math.log(BUDGET) - 1e-9
        if method == "KSWIN" and len(self.highest[method]) == 0:
            return kswin_line(self.chance / self.columns)
        return Line(self.highest[method]).at(self.chance / (self.columns if method in BY_ROW else 1))


def kswin_line(chance: float) -> float:
    """Return the line (30ths) at which KSWIN's p-values for continuous rows add up to *chance* in a run."""
    looks, n = AFTER * ROWS, tuned.RECENT
    return next(k for k in range(1, n + 2) if looks * tuned.kswin_p(k) <= chance) - 0.5


def row_paths(runs: Sequence[Floats], *, both: bool) -> dict[str, Floats]:
    """Return the paths (runs, slices) of ADWIN and Page-Hinkley over *runs* of rows, this upwards unless *both*."""
    parts = [np.stack(runs[k : k + 100], axis=1) for k in range(0, len(runs), 100)]
    ways = {"ADWIN": tuned.adwin, "Page-Hinkley": partial(tuned.page_hinkley, both=both)}
    return {name: np.concatenate([way(part, ROWS)[WARM:].T for part in parts]) for name, way in ways.items()}


def kswin_path(rows: Floats, rng: Rng, line: float = np.inf) -> Floats:
    """Return the path of KSWIN, as far as where it crosses the *line*."""
    rows = rows[WARM * ROWS - tuned.WINDOW + 1 :]
    if np.isin(rows, (0, 1)).all():
        return tuned.kswin_binary(rows, rng)[tuned.WINDOW - 1 :].reshape(-1, ROWS).max(axis=1)
    out: list[float] = []
    for k in range(AFTER):
        part = rows[k * ROWS : (k + 1) * ROWS + tuned.WINDOW - 1]
        out.append(float(tuned.kswin(part, rng).max()))
        if out[-1] > line:
            break
    return np.array(out)
