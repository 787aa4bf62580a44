"""How often a window alarms while nothing has changed, beside the usual constant: `python -m benchmarks.false_alarms`.

Each repetition makes a baseline of 60 slices and 40 later windows of one stream, and counts the windows with any drift
finding in 10 features at alpha = .01. `psi >= .1` is what most monitors ship. Seeded; the interval is Clopper-Pearson's
at 95 % over windows, which are independent here because they do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy import stats

from features.schema import PREDICTION, EventSchema, Kind, Task
from features.window import UTC, Windows, to_ms
from monitors import distance, verdict
from monitors.baseline import Baseline, Slice
from monitors.bins import NumericBins, freeze_numeric
from monitors.policy import MonitorPolicy
from monitors.report import Signal, Stage, Verdict

START, DAY = datetime(2024, 1, 1, tzinfo=UTC), 86_400_000
FEATURES, REFERENCE, LATER, REPETITIONS = 10, 60, 40, 20
SCHEMA = EventSchema(model="m", task=Task.BINARY, features={f"x{i}": Kind.NUMERIC for i in range(FEATURES)},
                     windows=Windows(size=timedelta(days=1), slide=timedelta(days=1)))  # fmt: skip
POLICY = MonitorPolicy(min_effect=0)
Rows = npt.NDArray[np.float64]
Stream = Callable[[np.random.Generator, int, int], Rows]


def _wobble(sd: float) -> Stream:
    def stream(rng: np.random.Generator, slices: int, n: int) -> Rows:
        return rng.normal(size=(slices, n, FEATURES)) + sd * rng.normal(size=(slices, 1, FEATURES))

    return stream


STREAMS: dict[str, Stream] = {
    "normal": _wobble(0.0),
    "heavy tails, t(2)": lambda rng, s, n: rng.standard_t(2, size=(s, n, FEATURES)),
    "lognormal": lambda rng, s, n: rng.lognormal(size=(s, n, FEATURES)),
    "correlated features": lambda rng, s, n: (
        0.9 * rng.normal(size=(s, n, 1)) + 0.44 * rng.normal(size=(s, n, FEATURES))
    ),
    "means wobble by .1 sd": _wobble(0.1),
}


def rates(stream: Stream, n: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Return (alarms, alarms of psi >= .1, windows) of one repetition with *n* rows a window."""
    rows = stream(rng, REFERENCE + LATER, n)
    bins = {f"x{i}": freeze_numeric(rows[:REFERENCE, :, i].ravel()) for i in range(FEATURES)}
    counted = [{name: _count(bins[name], part[:, i]) for i, name in enumerate(bins)} for part in rows]
    bins[PREDICTION] = NumericBins(edges=(0.0, 1.0))
    slices = tuple(
        Slice(start=to_ms(START) + DAY * k, counts={**c, PREDICTION: [n, 0, 0, 0, 0, 0, 0]})
        for k, c in enumerate(counted[:REFERENCE])
    )
    end = START + timedelta(days=REFERENCE)
    baseline = Baseline(events=SCHEMA, version="v1", start=START, end=end, rows=REFERENCE * n, bins=bins, inputs=slices)
    total = {name: baseline.counts(Stage.INPUTS, name).sum(axis=0) for name in bins}
    alarms = psi = 0
    for k, window in enumerate(counted[REFERENCE:]):
        found = verdict.judge(
            baseline, POLICY, stage=Stage.INPUTS, segment="", window_slices=1,
            start_ms=to_ms(end) + DAY * k, counts={**window, PREDICTION: [n, 0, 0, 0, 0, 0, 0]},
        )  # fmt: skip
        alarms += any(f.verdict is Verdict.DRIFT and f.signal is not Signal.QUALITY for f in found)
        psi += any(float(distance.psi(total[x], np.array(c))) >= 0.1 for x, c in window.items())
    return alarms, psi, LATER


def _count(bins: NumericBins, values: Rows) -> list[int]:
    cells = bins.index(values, np.zeros(len(values), bool))
    return np.bincount(cells, minlength=bins.cells).tolist()


def main() -> None:
    """Print the table."""
    table = Table("stream", "rows a window", "alarms per window", "95 %", "psi >= .1", title="Promise: .01", box=None)
    for name, stream in STREAMS.items():
        for n in (100, 1000, 5000):
            rng = np.random.default_rng(11)
            alarms, psi, windows = map(sum, zip(*(rates(stream, n, rng) for _ in range(REPETITIONS)), strict=True))
            low, high = stats.binomtest(alarms, windows).proportion_ci()
            table.add_row(name, str(n), f"{alarms / windows:.4f}", f"{low:.4f}-{high:.4f}", f"{psi / windows:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
