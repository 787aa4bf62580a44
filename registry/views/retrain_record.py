"""Record of a retrain: candidates with training data and checks, looks of its trial, promotion, effect and cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from registry import queries
from registry.connection import Registry
from registry.database import tables
from registry.records import Check, Incident, RetrainRun, RunState, Version
from registry.views import promotion_effect
from registry.views.looks import Look, look
from registry.views.promotion_effect import PromotionEffect
from registry.views.stage_times import StageTimes, stage_times


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """A candidate of a retrain: its version (None if it was not registered) and the checks of its gate."""

    name: str
    version: Version | None
    checks: tuple[Check, ...]

    @property
    def training_data(self) -> str:
        """The rows that it was trained on, with their sha256 and the choice of window; empty if not on record."""
        return self._measured("data")

    @property
    def loss(self) -> str:
        """The comparison of its loss with the champion's, with the evidence; empty if not on record."""
        return self._measured("loss")

    def _measured(self, name: str) -> str:
        return next((check.got for check in self.checks if check.name == name), "")


@dataclass(frozen=True, slots=True)
class RetrainRecord:
    """A retrain.

    Parameters
    ----------
    run
        The run.
    seconds
        Wall time (s) from its begin to the end of its gate; None while that goes on. A trial that follows costs labels,
        not time, and is not in it.
    candidates
        The versions that went through its gate.
    looks
        The looks of its trial, oldest first, the gate's own first.
    effect
        The promotion that it ended with, and what that did; None if it promoted nothing.
    times
        Its time by stage; None where it was decided about no incident.
    """

    run: RetrainRun
    seconds: float | None
    candidates: tuple[CandidateRecord, ...]
    looks: tuple[Look, ...]
    effect: PromotionEffect | None
    times: StageTimes | None

    @property
    def challenger(self) -> str:
        """The chosen candidate, or all candidates where none was chosen; empty if there was none."""
        return self.run.challenger or ", ".join(c.name for c in self.candidates if c.name)


def records(reg: Registry, model: str, *, limit: int | None = None) -> tuple[RetrainRecord, ...]:
    """Return the newest retrains of a model, *limit* of them at most, oldest first."""
    runs = queries.runs(reg, model)
    return of_runs(reg, model, runs if limit is None else runs[max(len(runs) - limit, 0) :])


def of_runs(reg: Registry, model: str, runs: Sequence[RetrainRun]) -> tuple[RetrainRecord, ...]:
    """Return the records of runs of one model, in the order of *runs*."""
    if not runs:
        return ()
    effects = {e.promotion.run_id: e for e in promotion_effect.read(reg, model).values() if e.promotion.run_id}
    versions = {version.version: version for version in queries.versions(reg, model)}
    trials, causes = _held_at(reg, runs), _incidents(reg, model)
    seconds = {run.id: _seconds(run, trials.get(run.id)) for run in runs}
    return tuple(
        RetrainRecord(
            run=run,
            seconds=seconds[run.id],
            candidates=_candidates(queries.checks(reg, run.id), versions),
            looks=tuple(look(c) for c in queries.comparisons(reg, model, run_id=run.id)),
            effect=effects.get(run.id),
            times=_times(causes.get(run.decision_id), run, effects.get(run.id), seconds[run.id]),
        )
        for run in runs
    )


def _times(
    cause: Incident | None, run: RetrainRun, effect: PromotionEffect | None, seconds: float | None
) -> StageTimes | None:
    promotion = effect.promotion if effect else None
    return stage_times(cause, run, promotion, seconds) if cause else None


def _incidents(reg: Registry, model: str) -> dict[int, Incident]:
    """Return the incidents that decisions were made about, by the decision's number."""
    incidents = {incident.id: incident for incident in queries.incidents(reg, model)}
    decided = ((d.id, d.incident_id) for d in queries.decisions(reg, model))
    return {number: incidents[about] for number, about in decided if about is not None and about in incidents}


def _candidates(checks: Iterable[Check], versions: Mapping[str, Version]) -> tuple[CandidateRecord, ...]:
    """Return the checks of a gate by candidate, in the order they were recorded."""
    by_name: dict[str, list[Check]] = {}
    for check in checks:
        by_name.setdefault(check.version, []).append(check)
    return tuple(CandidateRecord(name, versions.get(name), tuple(own)) for name, own in by_name.items())


def _seconds(run: RetrainRun, held_at: datetime | None) -> float | None:
    end = held_at or run.finished_at
    return None if end is None or run.state is RunState.RUNNING else (end - run.started_at).total_seconds()


def _held_at(reg: Registry, runs: Iterable[RetrainRun]) -> dict[int, datetime]:
    """Return when runs were first held, by their number; those that were decided at once are absent."""
    t, subjects = tables.audit_log.c, {f"run {run.id}": run.id for run in runs}
    with reg.read() as c:
        mine = (t.action == "retrain.held") & t.subject.in_(subjects)
        newest_first = sa.select(t.subject, t.at).where(mine).order_by(t.seq.desc())
        return {subjects[row.subject]: row.at for row in c.execute(newest_first)}
