"""What holds of one model's records at any moment of the loop, whatever was killed before."""

from __future__ import annotations

from collections import defaultdict

from registry import queries
from registry.connection import Registry
from registry.records import CheckResult, IncidentState, RunState, VersionState
from tests.support import audit_chain

SETTLED_BY_TRIAL = {"rows", "loss"}
"""Checks of the gate that more labels settle."""


def one_champion(reg: Registry, model: str) -> None:
    """The pointer to the champion and the states of versions agree, and there is one."""
    champion = queries.champion(reg, model)
    assert champion is not None
    states = queries.versions(reg, model)
    assert [champion.version] == [v.version for v in states if v.state is VersionState.CHAMPION]


def revisions_in_order(reg: Registry, model: str) -> None:
    """The decisions about each incident are numbered 1 to n; and what is resolved has a decision."""
    revisions = defaultdict(list)
    for decision in queries.decisions(reg, model):
        if decision.incident_id is not None:
            revisions[decision.incident_id].append(decision.revision)
    assert all(list(range(1, len(made) + 1)) == made for made in revisions.values())
    resolved = {i.id for i in queries.incidents(reg, model) if i.state is IncidentState.RESOLVED}
    assert resolved <= revisions.keys()


def one_run_goes_on(reg: Registry, model: str) -> None:
    """A decision makes one run.

    At most one is running, on trial, or waits for approval; no candidate of a finished run is left over.
    """
    runs = queries.runs(reg, model)
    assert len({run.decision_id for run in runs}) == len(runs)
    waiting = [run.awaits_approval for run in runs if run.state is RunState.HELD]
    assert max(sum(waiting), waiting.count(False), sum(run.state is RunState.RUNNING for run in runs)) <= 1
    ended = {c.version for run in runs if run.state.is_final for c in queries.checks(reg, run.id)}
    states = {v.version: v.state for v in queries.versions(reg, model)}
    assert VersionState.CANDIDATE not in {states[name] for name in ended}


def promotions_passed(reg: Registry, model: str) -> None:
    """Each promotion has its baseline and audit line; that of a run has its gate.

    Every check passed, or those that more labels settle were passed by the trial.
    """
    logged = [e.subject for e in queries.audit_log(reg) if e.model == model and e.action == "model.promoted"]
    made = [p for p in queries.promotions(reg, model) if p.kind != "rollback"]
    assert logged == [p.to_version for p in made]
    for promotion in made:
        assert queries.baseline_of(reg, model, promotion.to_version) is not None
        if promotion.run_id is not None:
            _passed(reg, model, promotion.run_id, promotion.to_version)


def _passed(reg: Registry, model: str, run_id: int, version: str) -> None:
    """Assert that a version passed the gate of its run, or its trial."""
    checks = [c for c in queries.checks(reg, run_id) if c.version == version]
    undecided = {c.name for c in checks if c.result is not CheckResult.PASS}
    looks = queries.comparisons(reg, model, run_id=run_id)
    assert checks
    assert not undecided or (undecided <= SETTLED_BY_TRIAL and looks[-1].result is CheckResult.PASS)


def hold(reg: Registry, model: str) -> None:
    """Assert all of them, and that the audit log is unbroken."""
    for invariant in (one_champion, revisions_in_order, one_run_goes_on, promotions_passed):
        invariant(reg, model)
    assert [] == audit_chain.verify(reg)
