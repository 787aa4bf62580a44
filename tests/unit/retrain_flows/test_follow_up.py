"""What goes on after a retrain: a held run ends by evidence, and a promotion is watched against the version before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from features.errors import ArtifactError
from registry import operations, queries
from registry.audit_log import chain
from registry.files import artifacts
from registry.records import (
    OTHER_CHAMPION,
    SUPERSEDED,
    Action,
    CheckResult,
    ComparisonKind,
    IncidentState,
    RetrainRun,
    RunState,
    VersionState,
)
from retrain_flows import follow_up, promote, retrain, trial
from retrain_flows.config import Watch
from retrain_flows.data.event_log import StoredEvents
from retrain_flows.data.workspace import Workspace
from retrain_flows.follow_up import Outcome
from retrain_flows.retrain import RetrainRequest
from retrain_flows.training import challengers, retrain_data
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make

FEW = 4  # slices since the change of the world on day 30, when the retrain is made
HELD = world.START + (world.TURN + FEW + 1) * world.DAY


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, operation: str) -> Iterator[None]:
    """End the process in place of an operation."""

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(operations, operation, die)
        yield


def follow(ws: Workspace, days: float = 0) -> list[Outcome]:
    """Follow up so many days before the end of the world's events."""
    return follow_up.follow_up(ws, as_of=world.AS_OF - days * world.DAY, now=world.NOW)


def retrained(ws: Workspace, incident: int | None = None) -> RetrainRun:
    """Retrain by hand, or for an incident, when few labels since the change have come."""
    decision = operations.record_decision(ws.registry, model="m", incident_id=incident, action=Action.RETRAIN,
                                          because=["drift"], actor="ann", now=world.NOW)  # fmt: skip
    return retrain.run(ws, RetrainRequest(decision, HELD, world.NOW))


def champion(ws: Workspace) -> str:
    """Return the champion's name."""
    found = queries.champion(ws.registry, "m")
    assert found is not None
    return found.version


def by_hand(ws: Workspace, *, day: int = 45, artifact: bool = True) -> str:
    """Promote by hand, on a day, a version of the workspace's trainer; without a model file if so wished."""
    decision = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=["x"], actor="eve", now=world.NOW)  # fmt: skip
    run = operations.start_run(ws.registry, decision_id=decision.id, as_of=HELD, flow_run=None, now=world.NOW)
    candidate = challengers.train(ws, "static", retrain_data.gather(ws, run))
    operations.finish_run(ws.registry, run.id, state=RunState.FAILED, reason="by hand", now=world.NOW)
    file = artifacts.dump_model(candidate.model) if artifact else None
    version = promote.describe(ws, candidate, file, until=HELD, now=world.NOW)
    operations.add_version(ws.registry, version)
    baseline = queries.baseline_of(ws.registry, "m", "v1")
    assert baseline is not None
    operations.store_baseline(ws.registry, baseline.model_copy(update={"version": version.version}), now=world.NOW)
    seen = queries.champion(ws.registry, "m")
    assert seen is not None
    operations.promote(ws.registry, model="m", version=version.version, expected_generation=seen.generation,
                       effective_at=world.START + day * world.DAY, actor="eve", reason="by hand",
                       now=world.NOW)  # fmt: skip
    return version.version


def wrong(make: Make, **changes: Any) -> Workspace:
    """Return a workspace whose trainer makes a model that is sure of one class."""
    return make(trainer=f"{world.HERE}:wrong", **changes)


def test_a_held_candidate_is_promoted_when_labels_show_that_it_is_better(ws: Workspace) -> None:
    """Nothing happens until a look's slices have come; then it is champion from that moment on."""
    (incident,) = world.drift(ws, day=34)
    run = retrained(ws, incident.id)
    assert (RunState.HELD, [], []) == (run.state, follow(ws, 25), follow(ws, 21.5))
    (outcome,) = follow(ws)
    promotion = queries.promotions(ws.registry, "m")[-1]
    assert (f"run {run.id}", True) == (outcome.subject, outcome.result.startswith("retrain promoted: v2 in shadow"))
    assert ("v2", world.AS_OF, run.id) == (promotion.to_version, promotion.effective_at, promotion.run_id)
    assert RunState.PROMOTED is queries.run(ws.registry, run.id).state
    assert IncidentState.RESOLVED is queries.incident(ws.registry, incident.id).state
    (look,) = queries.comparisons(ws.registry, "m", run_id=run.id)
    assert (CheckResult.PASS, "v2", "v1") == (look.result, look.candidate, look.reference)
    assert look.until <= world.AS_OF - ws.schema.label_delay


def test_a_held_candidate_is_rejected_when_labels_show_that_it_is_worse(make: Make) -> None:
    """The champion stays, and so does the incident."""
    ws = wrong(make)
    (incident,) = world.drift(ws, day=34)
    run = retrained(ws, incident.id)
    (outcome,) = follow(ws)
    assert RunState.HELD is run.state
    assert outcome.result.startswith("retrain rejected: v2 in shadow against v1: difference of losses +")
    assert RunState.REJECTED is queries.run(ws.registry, run.id).state
    assert ("v1", VersionState.REJECTED) == (champion(ws), queries.version(ws.registry, "m", "v2").state)
    assert IncidentState.OPEN is queries.incident(ws.registry, incident.id).state
    assert [] == follow(ws)


def test_a_held_run_ends_after_its_patience(make: Make) -> None:
    """Where labels do not come, it is rejected with the setting as its reason."""
    ws = make(gate=world.RETRAIN.gate.model_copy(update={"patience": 5, "confidence": 1 - 1e-12}))
    run = retrained(ws)
    days = (world.AS_OF - HELD) / world.DAY
    assert [] == follow(ws, days - 4.9)
    (outcome,) = follow(ws, days - 5)
    assert "retrain rejected: neither better nor worse within 5 slices (retrain.gate.patience)" == outcome.result
    assert RunState.REJECTED is queries.run(ws.registry, run.id).state


def test_a_new_retrain_takes_the_place_of_a_trial(ws: Workspace) -> None:
    """Its candidate is rejected, and what labels have shown is not lost: the cause's series goes on."""
    first = retrained(ws)
    decision = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=["x"], actor="ann", now=world.NOW)  # fmt: skip
    second = retrain.run(ws, RetrainRequest(decision, world.AS_OF, world.NOW))
    ended = queries.run(ws.registry, first.id)
    assert (RunState.REJECTED, True) == (ended.state, ended.reason.startswith(SUPERSEDED))
    assert VersionState.REJECTED is queries.version(ws.registry, "m", "v2").state
    assert (RunState.PROMOTED, "v3") == (second.state, second.challenger)


def test_a_trial_ends_with_another_champion(make: Make) -> None:
    """It was compared with a version that does not answer any more."""
    ws = make(gate=world.RETRAIN.gate.model_copy(update={"min_rows": 10_000}))
    decision = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=["x"], actor="ann", now=world.NOW)  # fmt: skip
    run = retrain.run(ws, RetrainRequest(decision, world.AS_OF, world.NOW))
    by_hand(ws, artifact=False)
    ended = queries.run(ws.registry, run.id)
    assert (RunState.HELD, RunState.REJECTED, OTHER_CHAMPION) == (run.state, ended.state, ended.reason)
    assert [] == follow(ws)


def test_a_trial_that_was_decided_before_a_kill_is_ended_afterwards(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is on record; the next call acts upon it, though no new slice has come."""
    run = retrained(ws)
    with killed_at(monkeypatch, "promote"), pytest.raises(Killed):
        follow(ws)
    assert RunState.HELD is queries.run(ws.registry, run.id).state
    (outcome,) = follow(ws)
    assert outcome.result.startswith("retrain promoted: ")
    assert (1, "v2") == (len(queries.comparisons(ws.registry, "m", run_id=run.id)), champion(ws))


def test_a_worse_champion_is_rolled_back(make: Make) -> None:
    """The version before is put back, with a decision and the evidence as its reason; it is done once."""
    ws = wrong(make)
    by_hand(ws)
    assert [] == follow(ws, 10)
    (outcome,) = follow(ws)
    promotion, decision = queries.promotions(ws.registry, "m")[-1], queries.decisions(ws.registry, "m")[-1]
    assert outcome.result.startswith("rolled back to v1: v2 against v1: difference of losses +")
    assert ("rollback", "v1", decision.id) == (promotion.kind, promotion.to_version, promotion.decision_id)
    assert (Action.ROLL_BACK, None) == (decision.action, decision.incident_id)
    assert "v1" == champion(ws)
    assert [] == follow(ws)


def test_a_policy_that_alerts_rolls_nothing_back(make: Make) -> None:
    """It is recorded and said once."""
    ws = wrong(make, watch=Watch(roll_back="alert"))
    by_hand(ws)
    (outcome,) = follow(ws)
    (look,) = queries.comparisons(ws.registry, "m")
    assert outcome.result.startswith("watched: v2 against v1: ")
    assert (ComparisonKind.WATCH, CheckResult.FAIL, "v2") == (look.kind, look.result, champion(ws))
    assert [] == follow(ws)


@pytest.mark.parametrize("operation", ["record_decision", "rollback"])
def test_a_rollback_that_was_cut_short_is_made_good(
    make: Make, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The look decided; whatever was recorded after it is not recorded twice."""
    ws = wrong(make)
    by_hand(ws)
    with killed_at(monkeypatch, operation), pytest.raises(Killed):
        follow(ws)
    (outcome,) = follow(ws)
    assert outcome.result.startswith("rolled back to v1")
    made = [d.action for d in queries.decisions(ws.registry, "m")].count(Action.ROLL_BACK)
    assert (1, 1, "v1") == (made, len(queries.comparisons(ws.registry, "m")), champion(ws))


def test_a_promotion_that_helped_is_on_record(make: Make) -> None:
    """The watch ends with a PASS, and the version stays."""
    ws = make()
    by_hand(ws)
    (outcome,) = follow(ws)
    (look,) = queries.comparisons(ws.registry, "m")
    assert outcome.result.startswith("watched: v2 against v1: difference of losses -")
    assert (CheckResult.PASS, "v2", []) == (look.result, champion(ws), follow(ws))


def test_a_watch_ends_after_its_slices(make: Make) -> None:
    """Once as many have been compared as the setting says, no event is read for it any more."""
    ws = make(watch=Watch(slices=5))
    by_hand(ws)
    assert 1 == len(queries.comparisons(ws.registry, "m")) + len(follow(ws))
    assert [] == follow(ws)


@pytest.mark.parametrize("of", ["new", "before"])
def test_without_a_model_file_nothing_is_watched(make: Make, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    """A version that Leeway only monitors cannot answer the other's rows; no event is read."""
    ws = make()
    by_hand(ws, artifact=False)
    if of == "before":
        by_hand(ws, day=50)
    monkeypatch.setattr(StoredEvents, "read", lambda *_: pytest.fail("events were read"))
    assert (None, []) == (follow_up.watched_pair(ws), follow(ws))


def test_a_watchs_own_rollback_is_watched_where_the_other_version_had_helped(make: Make) -> None:
    """What it is good for may come back, and is then put back without a retrain."""
    ws = make()
    by_hand(ws, day=36)
    assert 1 == len(follow(ws, 14))
    operations.rollback(ws.registry, model="m", expected_generation=2, effective_at=world.AS_OF - 14 * world.DAY,
                        actor=chain.SYSTEM, reason="v1 is better", now=world.NOW)  # fmt: skip
    (outcome,) = follow(ws)
    assert outcome.result.startswith("rolled back to v2: v1 against v2: difference of losses +")
    assert "v2" == champion(ws)


def test_a_rollback_by_hand_is_not_watched(make: Make) -> None:
    """Or it would be rolled back in turn."""
    ws = make()
    by_hand(ws)
    operations.rollback(ws.registry, model="m", expected_generation=2, effective_at=world.AS_OF, actor="ann",
                        reason="a doubt", now=world.NOW)  # fmt: skip
    assert (None, []) == (follow_up.watched_pair(ws), follow(ws))


def test_a_comparison_that_fails_keeps_nothing_else_waiting(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that cannot be loaded is an outcome in words."""
    run = retrained(ws)

    def missing(*_: Any) -> Any:
        msg = "the file is gone"
        raise ArtifactError(msg)

    monkeypatch.setattr(retrain_data, "answers_of", missing)
    assert [Outcome(f"run {run.id}", "failed: the file is gone")] == follow(ws)
    assert RunState.HELD is queries.run(ws.registry, run.id).state


def test_looks_go_on_where_the_last_one_ended(make: Make) -> None:
    """Each slice is compared once, and a look waits until there are enough of them."""
    strict = world.RETRAIN.gate.model_copy(update={"confidence": 1 - 1e-12})
    ws = replace(make(gate=strict), schema=world.SCHEMA)
    run = retrained(ws)
    for days in (15, 12, 3, 0):
        follow(ws, days)
    looks = queries.comparisons(ws.registry, "m", run_id=run.id)
    starts = [one.start for look in looks for one in look.slices]
    assert list(range(1, len(looks) + 1)) == [look.look for look in looks]
    assert len(looks) > 1
    assert sorted(set(starts)) == starts
    assert all(len(look.slices) >= trial.LOOK_SLICES[0] for look in looks)
