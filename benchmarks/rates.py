"""False alarms per budgeted alarm, with a confidence interval: the result of a calibration run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

LATER = 500
"""How many slices are watched after a reference."""
MOST_PANELS = 60
"""Panels of one size that are fitted in a cell, at most."""


@dataclass(frozen=True)
class Rate:
    """So many *alarms* in *exposure* times the slices in which one is promised, over repetitions that differ by
    *dispersion* times what chance lets them."""

    alarms: int = 0
    exposure: float = 0.0
    dispersion: float = 1.0

    @property
    def value(self) -> float:
        """Alarms per promised one; NaN where nothing was promised."""
        return self.alarms / self.exposure if self.exposure else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval: Poisson's exact one, of as many fewer alarms as repetitions differ by more;
        NaN where nothing was promised."""
        if not self.exposure:
            return float("nan"), float("nan")
        n = self.alarms / self.dispersion
        low = float(special.gammaincinv(n, 0.025)) if n else 0.0
        high = float(special.gammaincinv(n + 1, 0.975))
        return low * self.dispersion / self.exposure, high * self.dispersion / self.exposure

    def __add__(self, other: Rate) -> Rate:
        """Return the rate of both together."""
        worst = max(self.dispersion, other.dispersion)
        return Rate(self.alarms + other.alarms, self.exposure + other.exposure, worst)


def rate(hits: npt.NDArray[np.int64], slices: float, budget: float) -> Rate:
    """Return the rate of repetitions that alarmed *hits* times in *slices* each."""
    spread = hits.var(ddof=1) / hits.mean() if len(hits) > 1 and hits.any() else 1.0
    return Rate(int(hits.sum()), len(hits) * slices / budget, max(1.0, float(spread)))


@dataclass(frozen=True)
class Cell:
    """One kind at one size: the share of features *promised*, rates by (budget, panel), others' alarms in 500 slices.

    A panel has the kind's *features*; "one" is of single features, "wide" of ten panels together.
    """

    kind: str
    features: int
    rows: int
    reference: int
    promised: float
    rates: dict[tuple[int, str], Rate]
    others: dict[str, float]


@dataclass(frozen=True)
class WordRates:
    """One kind of words: rates by (budget, panel), as it ships and with a baseline counted by its *own* vocabulary."""

    kind: str
    rows: int
    reference: int
    shipped: dict[tuple[int, str], Rate]
    own: dict[tuple[int, str], Rate]


@dataclass(frozen=True)
class FaultRate:
    """Data that only look broken: how many faults a model *allowed*, how many *began*, in what share of windows one
    *stood*, and the share of models in which each real fault was *found*."""

    kind: str
    allowed: float
    began: Rate
    stood: float
    found: dict[str, float]
