"""How often past incidents of a signal were followed by a measured rise of the loss: what the signal is worth here.

A feature may drift without any harm to a model. Of each past incident whose labels have matured, the windows of the
same version say whether the loss rose while it lasted or soon after.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitors.finding import Signal, Stage
from registry import queries
from registry.connection import Registry
from registry.database import tables
from registry.records import BASELINE_REPLACED, Incident, IncidentState

Z = 1.96
"""Quantile of the interval: 95 %, two-sided."""
RARELY = 0.25
"""Upper bound of the share below which a signal counts as one that does not precede losses: none of 12 incidents, or 1
of 19. A retrain that was not needed costs a training and a gate, so what pays in one of four cases should go on."""


@dataclass(frozen=True, slots=True)
class LossPrecedence:
    """How many of a signal's *incidents* whose labels have matured were *followed* by a rise of the loss."""

    signal: Signal
    incidents: int
    followed: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson 1927); 0 to 1 without incidents.

        >>> [round(bound, 2) for bound in LossPrecedence(Signal.FEATURE, 12, 0).interval]
        [0.0, 0.24]
        """
        n = self.incidents
        if n == 0:
            return 0.0, 1.0
        share, extra = self.followed / n, Z**2 / n
        middle = share + extra / 2
        half = Z * math.sqrt(share * (1 - share) / n + extra / (4 * n))
        return max((middle - half) / (1 + extra), 0.0), min((middle + half) / (1 + extra), 1.0)

    @property
    def is_rare(self) -> bool:
        """Whether the loss measurably rises after few of its incidents."""
        return self.interval[1] < RARELY

    @property
    def text(self) -> str:
        """The figure in a clause."""
        low, high = self.interval
        past = f"of {self.incidents} past incident{'' if self.incidents == 1 else 's'} of {self.signal.value}"
        return f"{past}, {self.followed} came with a rise of the loss ({low:.0%} to {high:.0%})"


def read(reg: Registry, model: str, horizon: timedelta) -> dict[Signal, LossPrecedence]:
    """Return the figure of each signal that is not of the measured loss itself.

    Parameters
    ----------
    reg, model
        The registry, and the model.
    horizon
        How long after an incident's newest window a rise of the loss still counts as following: a window's length.
    """
    return precedence(queries.incidents(reg, model), _newest_outcomes(reg, model), horizon)


def precedence(
    incidents: Sequence[Incident], matured: Mapping[str, datetime], horizon: timedelta
) -> dict[Signal, LossPrecedence]:
    """Return the figure of each signal from a model's incidents.

    Those that have ended count. One that a promotion ended without a rise of the loss is left out: the promotion may
    have averted it.

    Parameters
    ----------
    incidents
        All incidents of the model.
    matured
        The end of the newest window of outcomes, by version.
    horizon
        How long after an incident's newest window a rise still counts.
    """
    losses = [i for i in incidents if i.signal is Signal.PERFORMANCE]
    counted: dict[Signal, list[bool]] = {s: [] for s in Signal if s not in (Signal.PERFORMANCE, Signal.QUALITY)}
    for incident in incidents:
        if incident.signal in counted and incident.state is IncidentState.RESOLVED:
            rose = any(_follows(loss, incident, horizon) for loss in losses)
            done = matured.get(incident.version, incident.since) >= incident.last_seen + horizon
            if rose or (done and not incident.resolution.startswith(BASELINE_REPLACED)):
                counted[incident.signal].append(rose)
    return {signal: LossPrecedence(signal, len(rises), sum(rises)) for signal, rises in counted.items()}


def _follows(loss: Incident, incident: Incident, horizon: timedelta) -> bool:
    """Return whether the loss rose while an incident lasted, or within the horizon after it."""
    same = loss.version == incident.version
    return same and loss.last_seen >= incident.since and loss.since <= incident.last_seen + horizon


def _newest_outcomes(reg: Registry, model: str) -> dict[str, datetime]:
    """Return the end of the newest window of outcomes of all traffic, by version."""
    t = tables.window_reports.c
    mine = (t.model == model) & (t.stage == Stage.OUTCOMES.value) & (t.segment == "") & t.latest
    newest = sa.select(t.version, sa.func.max(t.window_end).label("end")).where(mine).group_by(t.version)
    with reg.read() as c:
        return {row.version: row.end for row in c.execute(newest)}
