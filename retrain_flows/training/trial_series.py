"""Trial series: the evidence so far that candidates of one kind and cause are better than the champion.

Several retrains of one cause continue one comparison: each slice is predicted out of sample by the candidate of its
time, so what is tested is the procedure that makes the candidates, and evidence is not thrown away with a candidate.
Each cause has the error rate of the gate for itself: the schedule once in a champion's life, and each incident, of
which false ones are as rare as the false-alarm guarantee says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.window import to_ms
from registry import queries
from registry.connection import Registry
from registry.records import Champion, CheckResult, ComparedSlice, Comparison, ComparisonKind, RetrainRun
from retrain_flows.data.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TrialSeries:
    """A series of looks at candidates of one kind and cause against one champion.

    Parameters
    ----------
    name
        The cause and the kind of candidate.
    alpha
        The error rate of the series, over all its looks.
    looks
        The looks so far, oldest first.
    """

    name: str
    alpha: float
    looks: tuple[Comparison, ...] = ()

    @property
    def until(self) -> int:
        """The time (ms) from which on slices are new; 0 before the first look."""
        return to_ms(self.looks[-1].until) if self.looks else 0

    @property
    def count(self) -> int:
        """Number of looks so far; a look that a killed run made, and its repetition made again, is one."""
        return self.looks[-1].look if self.looks else 0

    @property
    def counting(self) -> tuple[Comparison, ...]:
        """The looks since the candidate last turned out better, each once: then the question is a new one."""
        passed = max((look.look for look in self.looks if look.result is CheckResult.PASS), default=0)
        newest = {look.look: look for look in self.looks}
        return tuple(look for number, look in newest.items() if number > passed)

    @property
    def worse_since(self) -> int:
        """Index in :attr:`counting` of the first look after one at which the candidate turned out worse.

        The next candidate is another model; that it is better is still one question.
        """
        return max((k for k, look in enumerate(self.counting, 1) if look.result is CheckResult.FAIL), default=0)


def find(ws: Workspace, champion: Champion, cause: str, kind: str, share: float) -> TrialSeries:
    """Return the series of a cause and a kind of candidate against a champion; without looks if it is new.

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
    return of(ws, champion, cause, kind, (1 - ws.trainers.gate.confidence) * share)


def of(ws: Workspace, champion: Champion, cause: str, kind: str, alpha: float) -> TrialSeries:
    """Return the series of a cause and a kind of candidate at an error rate: see :func:`find`."""
    name = f"{cause}{_AND}{kind}"
    looks = queries.comparisons(ws.registry, ws.model, series=name, reference=champion.version)
    since = tuple(look for look in looks if look.kind is ComparisonKind.TRIAL and look.until > champion.since)
    return TrialSeries(name, alpha, since)


def looks_of(reg: Registry, run: RetrainRun) -> list[Comparison]:
    """Return the looks at the candidate of a held run, oldest first."""
    return [c for c in queries.comparisons(reg, run.model, run_id=run.id) if c.candidate == run.challenger]


def helped(reg: Registry, model: str) -> set[str]:
    """Return the versions that turned out better than the version before, while they served."""
    return {c.candidate for c in queries.comparisons(reg, model)
            if c.kind is ComparisonKind.WATCH and c.result is CheckResult.PASS}  # fmt: skip


def loss_rise(looks: Sequence[Comparison]) -> float:
    """Return how much the reference's mean loss has risen since a candidate's first look, as a part of the loss then.

    Up to :data:`RISE_SLICES` slices before the end of the first look and the newest are compared; 0 with fewer than two
    looks. A candidate was trained when it was first looked at, so after a large rise it knows little of the world now.
    """
    if len(looks) < 2:
        return 0.0
    slices = [own for look in looks for own in look.slices]
    then, now = (_mean_loss(part[-RISE_SLICES:]) for part in (looks[0].slices, slices))
    return now / then - 1 if then > 0 else 0.0


def _mean_loss(slices: Sequence[ComparedSlice]) -> float:
    """Return the reference's mean loss over rows; 0 without any."""
    return sum(own.loss for own in slices) / max(sum(own.rows for own in slices), 1)


def cause(look: Comparison) -> str:
    """Return the cause of the series that a look at a trial belongs to."""
    return look.series.rpartition(_AND)[0]


RISE_SLICES = 7
"""Slices that a mean loss is taken of: some may be outliers, and days of a week differ."""
_AND = ", "
"""Between cause and kind in the name of a series."""
