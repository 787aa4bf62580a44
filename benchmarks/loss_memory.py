"""How soon a loss that rises for good is found, and what memory costs: `python -m benchmarks.loss_memory`.

The panel of a loss takes evidence away from slice to slice, as slices may remember one another without a test seeing it
(:mod:`monitors.sequential.evidence_loss`). Here the same streams are watched with all of that, a third of it and none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.gate_runs import table
from benchmarks.gate_worlds import autocorrelated
from features.scoring import Floats
from monitors.sequential import panel
from monitors.sequential.panel import Panel
from monitors.sequential.slice_scores import SliceCounts
from monitors.verdicts.loss_scores import MeanScores

SEED = 20_261_201
DAY = 86_400_000
ROWS = 200
LINE = 360.0
"""Slices for each false alarm that is allowed, as of a model without other signals of outcomes and segments."""
QUIET, WATCHED, RISE = 30, 250, 1.5
"""A rise by 1.5 sd of a slice's mean begins after 30 slices; false alarms are counted in 250."""
PARTS = {"all": 1.0, "a third": 1 / 3, "none": 0.0}
WORLDS = {
    "rows independent": (0.0, 0.0), "levels wobble": (0.0, 0.5), "levels AR(.5)": (0.5, 0.7),
    "levels AR(.8)": (0.8, 0.5), "levels AR(.95)": (0.95, 0.5),
}  # fmt: skip
"""AR(1) coefficient and sd of the level, in sd of a slice's mean by its rows."""


@dataclass(frozen=True, eq=False)
class _Stream:
    """Moments of slices, (slices, 1, 3): those of the reference, later ones, and the same after a rise."""

    reference: Floats
    later: Floats
    risen: Floats


def report(runs: int) -> str:
    """Measure, and return a table with one row for each baseline and world."""
    rows = []
    for slices in (28, 60):
        for name in WORLDS:
            streams = [_stream(name, slices, run) for run in range(runs)]
            panels = [(_panel(own.reference), own) for own in streams]
            inside = [(fitted, own) for fitted, own in panels if fitted.guaranteed[0]]
            cells = [_cell(inside, part) for part in PARTS.values()]
            rows.append((str(slices), name, f"{len(inside)} of {runs}", *cells))
    return table(("baseline", "slices", "guaranteed", *(f"{part} of the loss" for part in PARTS)), rows)


def _cell(inside: Sequence[tuple[Panel, _Stream]], part: float) -> str:
    """Return alarms per allowed one; the share of rises found within 30 slices, and the median delay."""
    watched = [(replace(p, retention=p.retention**part, lines=np.array([LINE])), own) for p, own in inside]
    alarms = np.mean([sum(_alarms(p, own.later)) for p, own in watched]) * LINE / WATCHED
    delays = [next((k - QUIET for k, hit in enumerate(_alarms(p, own.risen), 1) if hit and k > QUIET), np.inf)
              for p, own in watched]  # fmt: skip
    return f"{alarms:.2f}; {np.isfinite(delays).mean():.2f}, {np.median(delays):g}"


def _alarms(watched: Panel, moments: Floats) -> Iterator[bool]:
    """Yield whether each slice raises an alarm; evidence starts at 0 after one."""
    state = watched.initial_state()
    for k, newest in enumerate(moments, watched.slices):
        state = watched.observe(state, k * DAY, {"loss": newest})
        hit = np.exp(watched.log_evidence(state)) >= LINE
        yield bool(hit[0])
        state = watched.update_calibration(state, drifting=hit, reset=hit)


def _moments(newest: SliceCounts) -> Floats:
    return np.asarray(newest["loss"], dtype=np.float64)


def _panel(reference: Floats) -> Panel:
    scores = MeanScores("loss", _moments, reference)
    return panel.fit(scores, [k * DAY for k in range(len(reference))], DAY, "loss_memory")


def _stream(world: str, slices: int, run: int) -> _Stream:
    rng = np.random.default_rng((SEED, slices, list(WORLDS).index(world), run))
    phi, spread = WORLDS[world]
    level = spread * autocorrelated(rng, (1, slices + WATCHED), phi)[0]
    unit = rng.gamma(0.5, 2, (slices + WATCHED, ROWS))  # squares of normal errors: mean 1, sd 2^.5
    of_mean = np.sqrt(2 / ROWS)
    risen = level[slices : slices + 2 * QUIET] + np.where(np.arange(2 * QUIET) < QUIET, 0, RISE)
    return _Stream(
        _sums(unit[:slices] * (1 + of_mean * level[:slices, None])),
        _sums(unit[slices:] * (1 + of_mean * level[slices:, None])),
        _sums(unit[slices : slices + 2 * QUIET] * (1 + of_mean * risen[:, None])),
    )


def _sums(losses: Floats) -> Floats:
    """Return rows, sum and sum of squares of each slice's losses, (slices, 1, 3)."""
    rows = np.full(len(losses), float(losses.shape[1]))
    return np.stack([rows, losses.sum(axis=1), (losses**2).sum(axis=1)], axis=-1)[:, None]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="streams a row")
    print(report(parser.parse_args().runs))


if __name__ == "__main__":
    main()
