"""Gate check of latency: time a row of challenger and champion, measured side by side on the same rows.

The machine may be loaded by others, so single times say little. Both models answer the same rows in turns, several
times, and the shortest time of each counts: load only ever adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features import scoring
from features.schema import Task
from registry.records import Check, CheckResult
from retrain_flows.config import Gate

NAME = "latency"
ROWS = 200
"""Newest rows that are answered at once: enough that the cost of a call is small a row, and few enough to be quick."""
ROUNDS = (3, 5)
"""Fewest and most turns of each model. One pause of the machine must not decide, so one turn is never enough."""
ENOUGH = 2.0
"""Seconds after which no more turns are taken than the fewest."""
LEAST_MS = 1.0
"""Milliseconds a row below which no challenger is refused, however fast the champion: a thousand answers a second."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Shortest time a row (ms) of challenger and champion; the champion's is None without its model."""

    challenger: float
    champion: float | None

    @property
    def ratio(self) -> float | None:
        """The challenger's time in those of the champion's; None where that was not measured, or took none."""
        return self.challenger / self.champion if self.champion else None


def measure(models: tuple[Any, Any | None], frame: pd.DataFrame, task: Task, timer: Callable[[], float]) -> Timed:
    """Measure challenger and champion in turns.

    Parameters
    ----------
    models
        The challenger, and the champion or None.
    frame
        The rows, one column a feature; at least one row.
    task
        What the models predict.
    timer
        Seconds of a clock that never goes back.
    """
    shortest, begun = [float("inf"), float("inf")], timer()
    fewest, most = ROUNDS
    for turn in range(most):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            if models[which] is not None:
                start = timer()
                scoring.score(models[which], frame, task)
                shortest[which] = min(shortest[which], timer() - start)
        if turn + 1 >= fewest and timer() - begun >= ENOUGH:
            break
    challenger, champion = (1000 * seconds / len(frame) for seconds in shortest)
    return Timed(challenger, None if models[1] is None else champion)


def check(timed: Timed, policy: Gate) -> Check:
    """FAIL if the challenger takes more than `retrain.gate.latency` times the champion's time, and is slow at all.

    Examples
    --------
    >>> check(Timed(0.05, 0.002), Gate()).result.value, check(Timed(5.0, 0.2), Gate()).result.value
    ('pass', 'fail')
    """
    want = f"at most {policy.latency:g} times the champion's time, or {LEAST_MS:g} ms a row"
    got = f"{timed.challenger:.3g} ms a row"
    got += "; the champion has no model file" if timed.champion is None else f" against {timed.champion:.3g} ms"
    slow = timed.ratio is not None and timed.ratio > policy.latency and timed.challenger > LEAST_MS
    numbers = {"ms": timed.challenger, "champion_ms": timed.champion, "ratio": timed.ratio}
    measured = {name: value for name, value in numbers.items() if value is not None}
    return Check(name=NAME, result=CheckResult.FAIL if slow else CheckResult.PASS, got=got, want=want, numbers=measured)
