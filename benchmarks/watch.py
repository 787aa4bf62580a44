"""Leeway on one stream: baseline, evidence slice by slice, and alarms for any number of variables.

P-values do not depend on what a panel's alarms reset, and are worked out once, by the panels that ship; detectors run
on them. So one stream of many features is as many panels of one, and some panels of twenty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.streams import Stream
from features.schema import PREDICTION, EventSchema, FeatureKind, Task
from features.window import Windows, from_ms, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.sequential import edetector
from monitors.sequential.panel import Panel
from monitors.stats import held_out
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins, freeze_numeric
from monitors.verdicts import plan

DAY = 86_400_000
MONDAY = 4 * DAY
"""Slice 0 is a Monday's: a stream that knows the weekday, and starts at a multiple of seven, keeps to it."""
ENOUGH = 3_000
"""Rows from which bins are frozen: as many again would not move them."""
TOP = MonitorPolicy().top
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one panel saw of its *variables* (numbers of features): p-values *p* (looks, variables, scores).

    A look is at *stride* slices together, after as many of a *reference*; a variable keeps *retention*, (variables,),
    of its evidence.
    """

    variables: npt.NDArray[np.int64]
    stride: int
    p: npt.NDArray[Any]
    reference: int
    retention: Floats


@dataclass(frozen=True, eq=False)
class Counted:
    """A stream on the bins that its baseline froze: *later* is the counts, (slices, cells) each, by feature.

    *first* is the number of the first later slice.
    """

    baseline: Baseline
    later: dict[str, Counts]
    first: int

    @property
    def slide(self) -> int:
        """Milliseconds that a slice lasts."""
        return to_ms(self.baseline.events.windows.slide)

    @property
    def slices(self) -> int:
        """How many later slices there are."""
        return len(next(iter(self.later.values())))

    def of(self, names: Sequence[str]) -> Counted:
        """Return some of the features, as a baseline of these alone has them."""
        known, both = self.baseline, (PREDICTION, *names)
        baseline = known.model_copy(
            update={
                "events": known.events.model_copy(update={"features": {v: known.events.features[v] for v in names}}),
                "bins": {v: known.bins[v] for v in both},
                "inputs": tuple(s.model_copy(update={"counts": {v: s.counts[v] for v in both}}) for s in known.inputs),
            }
        )
        return Counted(baseline, {v: self.later[v] for v in names}, self.first)


def counted(stream: Stream, reference: int, first: int = 0, slide: int = DAY) -> Counted:
    """Return *stream* on a baseline of its slices from *first* on, as many as *reference*, and what came after it."""
    bins: dict[str, Bins] = {}
    counts: dict[str, Counts] = {}
    for i in range(stream.counts.shape[1]):
        values, name = stream.grid[i], f"x{i}"
        known = stream.counts[first : first + reference, i]
        bins[name], cells = (
            _categories(known.sum(axis=0)) if stream.categorical else _numbers(values, known.sum(axis=0))
        )
        onto = np.zeros((len(cells), bins[name].cells))
        onto[np.arange(len(cells)), cells] = 1
        counts[name] = (stream.counts[first:, i] @ onto).astype(np.int64)
        if isinstance(frozen := bins[name], CategoricalBins):
            counts[name][:reference] = _held_out(known, frozen)
    return on_baseline(bins, counts, reference, first, slide)


def _held_out(known: Counts, bins: CategoricalBins) -> Counts:
    """Return the cells of a baseline's slices by the vocabulary of the others, (slices, cells)."""
    slices, words = np.nonzero(known)
    out = np.zeros((len(known), bins.cells), np.int64)
    np.add.at(out, (slices, held_out.cells_of_words(slices, words, known[slices, words], bins)), known[slices, words])
    return out


def on_baseline(
    bins: Mapping[str, Bins], counts: Mapping[str, Counts], reference: int, first: int, slide: int = DAY
) -> Counted:
    """Return the *counts*, (slices, cells) each, of the features' slices from *first* on, the first of them a baseline.

    Parameters
    ----------
    bins, counts
        By feature; all are numbers or all are words.
    reference
        How many slices the baseline has.
    first
        The number of the first slice, which says what hour and weekday it is.
    slide
        Milliseconds that a slice lasts.
    """
    kind = FeatureKind(next(iter(bins.values())).kind)
    bins = {PREDICTION: NumericBins(edges=(0.0, 1.0)), **bins}
    counts = {PREDICTION: np.tile([100, 0, 0, 0, 0, 0, 0], (len(next(iter(counts.values()))), 1)), **counts}
    features = {name: kind for name in bins if name != PREDICTION}
    baseline = Baseline(
        events=EventSchema(model="m", task=Task.BINARY, features=features, windows=_one(slide)), version="v1",
        start=from_ms(MONDAY + slide * first), end=from_ms(MONDAY + slide * (first + reference)),
        rows=int(sum(c[:reference].sum() for name, c in counts.items() if name != PREDICTION)), bins=bins,
        inputs=tuple(Slice(start=MONDAY + slide * (first + k), counts={v: c[k].tolist() for v, c in counts.items()})
                     for k in range(reference)),
    )  # fmt: skip
    return Counted(baseline, {v: c[reference:] for v, c in counts.items()}, first + reference)


def _one(slide: int) -> Windows:
    return Windows(size=timedelta(milliseconds=slide), slide=timedelta(milliseconds=slide))


def _numbers(values: Floats, total: Counts) -> tuple[NumericBins, npt.NDArray[np.int64]]:
    few = np.where(total > 0, np.maximum(1, total * min(1.0, ENOUGH / total.sum())), 0).astype(np.int64)
    bins = freeze_numeric(np.repeat(values, few))
    return bins, bins.index(values, np.zeros(len(values), bool))


def _categories(total: Counts) -> tuple[CategoricalBins, npt.NDArray[np.int64]]:
    ranked = [str(c) for c in np.argsort(-total, kind="stable") if total[c]]
    bins = CategoricalBins(categories=tuple(ranked[:TOP]), others=tuple(ranked[TOP:]))
    return bins, bins.index(np.arange(len(total)).astype(str).astype(object))


def evidence(seen: Counted, size: int, step: int = 1) -> list[Evidence]:
    """Return what panels of *size* neighbouring features saw of the later slices, see :func:`fitted`."""
    return seen_by(fitted(seen, size, step), seen)


def fitted(seen: Counted, size: int, step: int = 1) -> list[Panel]:
    """Return the panels of *size* neighbouring features each, fitted to a baseline of their own.

    None of those that promise nothing; of every *step*-th panel only.
    """
    out: list[Panel] = []
    for first in range(0, len(seen.baseline.events.features) - size + 1, size * step):
        names = [f"x{i}" for i in range(first, first + size)]
        out += [p for p in plan.feature_panels(seen.of(names).baseline, names) if p.guaranteed.all()]
    return out


def seen_by(panels: Sequence[Panel], seen: Counted) -> list[Evidence]:
    """Return what fitted panels saw of the later slices; those that look at slices of one length are one part.

    A feature's p-values do not depend on the panel that it is in, so they are worked out once for all of them.
    """
    return _together([_evidence(panel, seen) for panel in panels])


def stride(panel: Panel, seen: Counted) -> int:
    """Return how many slices are merged into one of a panel's."""
    return panel.whitener.season.slide // seen.slide


def _together(found: Sequence[Evidence]) -> list[Evidence]:
    """Return the parts of panels that look at slices of one length as one part, so that they are gone through once."""
    alike: dict[tuple[int, int], list[Evidence]] = defaultdict(list)
    for part in found:
        alike[part.stride, part.reference].append(part)
    return [
        Evidence(
            np.concatenate([part.variables for part in parts]), stride,
            np.concatenate([part.p for part in parts], axis=1), reference,
            np.concatenate([part.retention for part in parts]),
        )
        for (stride, reference), parts in alike.items()
    ]  # fmt: skip


def _evidence(panel: Panel, seen: Counted) -> Evidence:
    merged, at = stride(panel, seen), [int(v[1:]) for v in panel.names]
    return Evidence(np.array(at), merged, _ranked(seen, merged)[:, at], panel.slices, panel.retention)


@lru_cache(maxsize=8)
def _ranked(seen: Counted, stride: int) -> npt.NDArray[np.float32]:
    """Return the p-values of all features, (looks, features, scores), each slice having joined those before it."""
    names = [f"x{i}" for i in range(len(seen.baseline.events.features))]
    everything = plan.feature_panel(seen.baseline, names, stride)
    starts, merged = _merged(seen, names, stride)
    state = everything.initial_state()
    known, shape = len(state.calibration_scores), state.calibration_scores.shape[1:]
    bag = np.concatenate([state.calibration_scores, np.empty((len(starts), *shape))])
    out = np.empty((len(starts), *shape), np.float32)
    for k, at in enumerate(starts):
        state = replace(state, calibration_scores=bag[: known + k])
        state, out[k] = everything.ranked(state, at, {v: c[k] for v, c in merged.items()})
        bag[known + k] = state.latest
    return out


def _merged(seen: Counted, names: Sequence[str], stride: int) -> tuple[list[int], dict[str, Counts]]:
    """Return the starts (ms) and sums of the whole stretches of *stride* slices, which are aligned to the epoch."""
    at = MONDAY // seen.slide + seen.first + np.arange(seen.slices)
    skip = int(-at[0] % stride)
    looks = (len(at) - skip) // stride
    kept = slice(skip, skip + looks * stride)
    sums = {v: seen.later[v][kept].reshape(looks, stride, -1).sum(axis=1) for v in names}
    return (seen.slide * at[kept][::stride]).tolist(), sums


def alarms(
    found: Sequence[Evidence], features: int, size: int, budget: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how often each panel of *size* neighbouring *features* alarms, and how many of its features are promised.

    A panel's variables weigh the same, promised or not; those of one stride are summed, and alarm and are reset
    together, at *budget* slices.
    """
    hits, promised = np.zeros(features // size, np.int64), np.zeros(features // size, np.int64)
    for part in found:
        panel = part.variables // size
        promised += np.bincount(panel, minlength=len(hits))
        for alarmed in fired(part, panel, len(hits), size, budget / part.stride):
            hits += alarmed
    return hits, promised


def fired(
    part: Evidence, panel: npt.NDArray[np.int64], panels: int, size: int, needed: float
) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield for each look which of so many *panels* of *size* features alarms, where each variable is of one *panel*.

    *needed* is the budget in looks.
    """
    scores = part.p.shape[2]
    m = np.zeros((*part.p.shape[1:], edetector.BETS))
    for k, p in enumerate(part.p):
        m = edetector.step(m, p.astype(float), part.reference, part.reference + k, retention=part.retention[:, None],
                           lines=np.array(needed * size * scores))  # fmt: skip
        of_variables = edetector.evidence(m).mean(axis=1)
        alarmed = np.bincount(panel, weights=of_variables, minlength=panels) >= needed * size
        m[alarmed[panel]] = 0
        yield alarmed
