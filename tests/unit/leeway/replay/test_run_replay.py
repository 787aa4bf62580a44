"""Defaults of a replay; and several policies at once give the same results as each alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import DataError
from features.schema import Task
from features.window import to_ms
from leeway.project.load import Model, Project
from leeway.replay import policies, run_replay, trials
from leeway.replay.history import Stretch
from leeway.replay.run_replay import PolicyOutcome, ReplayOrder
from monitors.finding import Stage
from monitors.simulation import inject
from monitors.simulation.inject import ChangeKind, InjectedChange
from registry.records import Action
from retrain_flows.config import Retrain
from retrain_flows.decide import Decision
from tests.support import recorded_history as replayed
from tests.unit.leeway.commands.test_replay import PROJECT

KNOWN = replayed.baseline(35)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Return the model of a project."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    return Project.load(tmp_path).model()


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worlds of two weeks will do here."""
    monkeypatch.setattr(trials, "NULL_WORLD_SLICES", 14)


def past(n: int = 12) -> list[Stretch]:
    """Return *n* days of inputs after the baseline."""
    ins, _ = replayed.later(KNOWN, n, since=4)
    return [Stretch("v1", KNOWN, {(Stage.INPUTS, s): [i for i in ins if i.segment == s] for s in ("", "site=a")})]


def outcomes(model: Model, *some: policies.Policy, shifts: tuple[InjectedChange, ...] = ()) -> list[PolicyOutcome]:
    """Return what comes of *some* policies."""
    order = ReplayOrder(some, shifts, "x", timedelta(days=14), 1, 1)
    return run_replay.replay_all(past(), KNOWN, model, order, lambda text: None)


def test_shifts_are_those_that_the_baseline_can_show() -> None:
    """All kinds where there are labels, or else those of inputs; others are tried as they are asked for."""
    of = {task: KNOWN.model_copy(update={"events": replayed.schema(task=task)}) for task in Task}
    kinds = {task: {s.kind for s in run_replay.shifts(known, {})} for task, known in of.items()}
    unlabelled = run_replay.shifts(KNOWN.model_copy(update={"outcomes": ()}), {})

    assert {task: set(ChangeKind) for task in Task} == kinds
    assert set(ChangeKind) - {ChangeKind.PRIOR, ChangeKind.CONCEPT} == {s.kind for s in unlabelled}
    assert (InjectedChange(ChangeKind.PRIOR, 0.3), InjectedChange(ChangeKind.PRIOR, 0.4)) == run_replay.shifts(
        KNOWN, {ChangeKind.PRIOR: [0.3, 0.4]}
    )


def test_the_feature_is_the_most_important_that_the_promise_covers(model: Model) -> None:
    """A site that never varies follows no chance and is not promised, however much it matters."""
    own = policies.project_policy(model)
    flat = tuple(
        s.model_copy(update={"counts": {**s.counts, "site": [sum(s.counts["site"]), 0, 0, 0, 0]}}) for s in KNOWN.inputs
    )
    matters = {"site": 0.9, "x": 0.1}

    assert "site" == run_replay.shifted_feature(KNOWN.model_copy(update={"importance": matters}), own, None)
    changed = KNOWN.model_copy(update={"importance": matters, "inputs": flat})
    assert ("x", "site") == (
        run_replay.shifted_feature(changed, own, None),
        run_replay.shifted_feature(changed, own, "site"),
    )


def test_what_cannot_be_is_refused_before_anything_is_begun(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shift that is too large, and slices that cannot be cut."""
    monkeypatch.setattr("leeway.replay.parallel.run_task", None)
    with pytest.raises(DataError, match="the loss cannot rise by 5000%"):
        outcomes(model, policies.project_policy(model), shifts=(InjectedChange(ChangeKind.CONCEPT, 50.0),))
    own = policies.project_policy(model)
    rules = own.rules.model_copy(update={"windows": replayed.Windows.model_validate({"size": "36h", "slide": "12h"})})
    with pytest.raises(DataError, match="slices of 12h cannot be made"):
        outcomes(model, policies.Policy("x", rules))


@pytest.mark.slow
def test_policies_come_back_in_their_order_with_their_own_windows(model: Model) -> None:
    """Whatever windows they have, each is told what it would have been told alone."""
    own, long = policies.project_policy(model), policies.windows_of(policies.project_policy(model), "4d")
    some = (own, long, policies.at_budget(own, own.budget, "again"))
    together = outcomes(
        model, *some, shifts=(InjectedChange(ChangeKind.UNITS, 1.0), InjectedChange(ChangeKind.PRIOR, 0.2))
    )
    alone = [
        outcomes(model, one, shifts=(InjectedChange(ChangeKind.UNITS, 1.0), InjectedChange(ChangeKind.PRIOR, 0.2)))[0]
        for one in some
    ]

    assert ["project", "4d windows", "again"] == [o.policy.name for o in together]
    assert alone == together


def test_longer_slices_are_made_of_the_recorded_ones(model: Model) -> None:
    """A policy with slices of two days is rehearsed on slices of one; worlds are as many slices long."""
    own = policies.project_policy(model)
    rules = own.rules.model_copy(update={"windows": replayed.Windows.model_validate({"size": "4d", "slide": "2d"})})
    (found,) = outcomes(model, policies.Policy("slow", rules))

    assert timedelta(days=28) == found.rate.span
    assert {0} == {to_ms(j.replayed.opened.opened_at) % (2 * to_ms(replayed.DAY)) for j in found.incidents}
    assert found.incidents


@pytest.mark.parametrize("broken", [False, True])
def test_a_decision_does_not_wait_while_the_data_are_broken(model: Model, *, broken: bool) -> None:
    """Labels that shift retrain, whether an incident of quality is open or not: its rows are left out instead."""
    able = replace(model, retrain=Retrain(trainer="trainers:make"))
    ins, outs = replayed.later(KNOWN, 20)
    shifted = inject.change(InjectedChange(ChangeKind.PRIOR, 0.5), KNOWN, "x")
    fault = inject.change(InjectedChange(ChangeKind.MISSING, 0.5), KNOWN, "x") if broken else dict
    stretch = Stretch("v1", KNOWN, {
        (Stage.INPUTS, ""): [s.model_copy(update={"counts": fault(s.counts)}) for s in ins if not s.segment],
        (Stage.OUTCOMES, ""): [s.model_copy(update={"counts": shifted(s.counts)}) for s in outs],
    })  # fmt: skip
    order = ReplayOrder((policies.project_policy(able),), (), "x", timedelta(days=14), 1, 1)
    (found,) = run_replay.replay_all([stretch], KNOWN, able, order, lambda text: None)
    (label,) = [j.decision for j in found.incidents if j.replayed.opened.signal == "label"]

    assert isinstance(label, Decision)
    assert Action.RETRAIN is label.action
