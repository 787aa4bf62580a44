"""Trial series: the slices on which candidates of one kind and cause have been compared with a champion so far.

Several retrains of one cause continue one comparison: each slice is predicted out of sample by the candidate of its
time, so what is tested is the procedure that makes the candidates, and evidence is not thrown away with a candidate. A
champion's error rate is spent over the causes against it: the first has a half of it, the next a quarter, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry import queries
from registry.records import Champion, CheckResult, ComparedSlice, Comparison, ComparisonKind
from retrain_flows.data.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TrialSeries:
    """A series of looks at candidates of one kind and cause against one champion.

    Parameters
    ----------
    name
        The cause and the kind of candidate; a number where an earlier series of this name has failed.
    alpha
        The error rate of the series, over all its looks.
    looks
        The looks so far, oldest first.
    """

    name: str
    alpha: float
    looks: tuple[Comparison, ...]

    @property
    def slices(self) -> tuple[ComparedSlice, ...]:
        """The slices of the newest look."""
        return self.looks[-1].slices if self.looks else ()

    @property
    def until(self) -> int:
        """The time (ms) from which on slices are new; 0 before the first look."""
        return self.slices[-1].start + 1 if self.slices else 0

    @property
    def counted(self) -> list[int]:
        """The numbers of slices at which error rate was spent."""
        return [int(look.numbers["slices"]) for look in self.looks if look.numbers.get("spent")]


def find(ws: Workspace, champion: Champion, cause: str, kind: str, share: float) -> TrialSeries:
    """Return the series of a cause and a kind of candidate against a champion; a new one if there is none to continue.

    Parameters
    ----------
    ws
        The model's workspace.
    champion
        The champion.
    cause
        What the retrain is for.
    kind
        The mode of the candidate, or the earlier version that it is.
    share
        The part of a cause's error rate that this kind of candidate has, 0 to 1.
    """
    trials = against(ws, champion)
    failed = sum(t.result is CheckResult.FAIL and _base(t.series) == f"{cause}, {kind}" for t in trials)
    causes = list(dict.fromkeys(_cause(t.series) for t in trials))
    own = f"{cause}{f' ({failed + 1})' if failed else ''}"
    place = causes.index(own) if own in causes else len(causes)
    name = f"{own}, {kind}"
    alpha = (1 - ws.trainers.gate.confidence) * share / 2 ** (place + 1)
    return TrialSeries(name, alpha, tuple(t for t in trials if t.series == name))


def against(ws: Workspace, champion: Champion) -> Sequence[Comparison]:
    """Return the looks of all trials against a champion since it became that."""
    return [
        c for c in queries.comparisons(ws.registry, ws.model)
        if c.kind is ComparisonKind.TRIAL and c.reference == champion.version and c.until > champion.since
    ]  # fmt: skip


def _cause(series: str) -> str:
    return series.rpartition(", ")[0]


def _base(series: str) -> str:
    """Return the name of a series without its number."""
    cause, _, kind = series.rpartition(", ")
    return f"{cause.partition(' (')[0]}, {kind}"
