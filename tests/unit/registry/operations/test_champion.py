"""The champion pointer: moved by one caller at a time, atomically with all that belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from features.errors import ArtifactError, IllegalMove, NotFound, StaleChampion
from registry import operations, outbox, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import Action, Champion, CheckResult, IncidentState, Promotion, RunState, VersionState
from tests.support import audit_chain
from tests.support import registry_values as make


def test_the_first_champion_is_a_bootstrap(reg: Registry) -> None:
    """The first promotion expects generation 0 and is on record as a bootstrap."""
    make.champion(reg)
    expected = Champion(model="m", version="v1", generation=1, since=make.NOW)
    assert expected == queries.champion(reg, "m")
    (promotion,) = queries.promotions(reg, "m")
    assert ("bootstrap", None, "v1", 1) == (
        promotion.kind,
        promotion.from_version,
        promotion.to_version,
        promotion.generation,
    )


def test_a_first_champion_may_follow_one_of_an_earlier_rule(reg: Registry) -> None:
    """Both are on record as first versions, in one transaction: nobody ever sees the earlier one as champion."""
    operations.add_model(reg, model="m", task="binary", now=make.NOW)
    for name in ("v1", "v2"):
        make.ready(reg, name)
    before = make.everything(reg)
    for statement in range(1, 200):
        try:
            with _failing_at(statement):
                operations.promote(reg, model="m", version="v2", before="v1", expected_generation=0, actor="ann",
                                   effective_at=make.NOW, reason="first", now=make.NOW)  # fmt: skip
        except _Cut:
            assert before == make.everything(reg)
        else:
            break
    states = {v.version: v.state for v in queries.versions(reg, "m")}
    moves = [(p.kind, p.from_version, p.to_version, p.is_new) for p in queries.promotions(reg, "m")]
    assert {"v1": VersionState.RETIRED, "v2": VersionState.CHAMPION} == states
    assert [("bootstrap", None, "v1", False), ("bootstrap", "v1", "v2", True)] == moves
    assert audit_chain.verify(reg) == []


def test_a_promotion_moves_everything_at_once(reg: Registry) -> None:
    """Pointer, states, run, incidents, decision, promotion, audit line and messages change together."""
    make.champion(reg)
    for name in ("v2", "v3"):
        make.ready(reg, name)
    run = make.run(reg, make.check(), make.check(version="v3"))
    promotion = make.promote(reg, "v2", 1, run_id=run.id)
    states = {v.version: v.state for v in queries.versions(reg, "m")}
    assert {"v1": VersionState.RETIRED, "v2": VersionState.CHAMPION, "v3": VersionState.REJECTED} == states
    (done,) = queries.runs(reg, "m")
    assert (RunState.PROMOTED, "v2") == (done.state, done.challenger)
    (incident,) = queries.incidents(reg, "m")
    assert (IncidentState.RESOLVED, "baseline replaced by v2") == (incident.state, incident.resolution)
    assert promotion == queries.promotions(reg, "m")[-1]
    assert run.decision_id == promotion.decision_id
    told = [m.type for m in outbox.messages(reg)]
    assert ["model.promoted", "incident.opened", "decision.made", "incident.resolved", "model.promoted"] == told
    assert audit_chain.verify(reg) == []


def test_a_promotion_cut_off_at_any_statement_changes_nothing(reg: Registry) -> None:
    """Whichever statement fails, the registry is as it was before; with none failing, the promotion is whole."""
    make.champion(reg)
    make.ready(reg, "v2", data=b"model")
    run = make.run(reg, make.check())
    before = make.everything(reg)
    for statement in range(1, 200):
        try:
            with _failing_at(statement):
                make.promote(reg, "v2", 1, run_id=run.id)
        except _Cut:
            assert before == make.everything(reg)
        else:
            break
    assert statement > 20
    assert queries.champion(reg, "m") == Champion(model="m", version="v2", generation=2, since=make.NOW + make.DAY)
    assert audit_chain.verify(reg) == []


class _Cut(BaseException):
    """The end of a process, as far as it can be had in a test."""


@contextmanager
def _failing_at(statement: int) -> Iterator[None]:
    left = iter(range(statement - 1, -1, -1))

    def cut(*_: object) -> None:
        if next(left) == 0:
            raise _Cut

    sa.event.listen(sa.Engine, "before_cursor_execute", cut)
    try:
        yield
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", cut)


def test_of_two_promoters_one_wins(reg: Registry) -> None:
    """Both saw generation 1; the second is told to look again, and nothing of its promotion is there."""
    make.champion(reg)
    for name in ("v2", "v3"):
        make.ready(reg, name)
    start = threading.Barrier(2)

    def compete(name: str) -> Promotion | StaleChampion:
        start.wait()
        try:
            return make.promote(reg, name, 1)
        except StaleChampion as stale:
            return stale

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(compete, ("v2", "v3"))
    won, lost = (first, second) if isinstance(first, Promotion) else (second, first)
    assert isinstance(won, Promotion)
    assert isinstance(lost, StaleChampion)
    assert (won.to_version, 2) == (queries.champion(reg, "m").version, won.generation)  # type: ignore[union-attr]
    assert len(queries.promotions(reg, "m")) == 2
    assert {VersionState.CHAMPION, VersionState.CANDIDATE} == {
        queries.version(reg, "m", name).state for name in ("v2", "v3")
    }


def test_a_champion_needs_a_baseline(reg: Registry) -> None:
    """Without a baseline nothing could tell when the version drifts."""
    make.model(reg)
    make.version(reg, "v1")
    with pytest.raises(IllegalMove, match="has no baseline") as caught:
        make.promote(reg, "v1", 0)
    assert "`leeway baseline --version v1 --start ... --end ...` makes it" in caught.value.hint


@pytest.mark.parametrize("harm", ["missing", "altered"])
def test_a_champions_model_file_must_be_the_registered_one(reg: Registry, harm: str) -> None:
    """A pointer to a file that is missing or altered would be an outage."""
    make.model(reg)
    version = make.ready(reg, "v1", data=b"model")
    assert version.artifact is not None
    path = reg.artifacts.path(version.artifact)
    path.unlink() if harm == "missing" else path.write_bytes(b"other")
    with pytest.raises(ArtifactError, match="missing or altered"):
        make.promote(reg, "v1", 0)


def test_a_champion_cannot_be_promoted_again(reg: Registry) -> None:
    """The error says what is legal instead."""
    make.champion(reg)
    with pytest.raises(IllegalMove, match="is champion already"):
        make.promote(reg, "v1", 1)
    assert queries.version(reg, "m", "v1").state is VersionState.CHAMPION


@pytest.mark.parametrize("result", [CheckResult.FAIL, CheckResult.HOLD])
def test_a_run_promotes_only_what_passed(reg: Registry, result: CheckResult) -> None:
    """A check that failed, or could not say, stops the run's promotion."""
    make.champion(reg)
    make.ready(reg, "v2")
    run = make.run(reg, make.check(), make.check(result, name="rows"))
    with pytest.raises(IllegalMove, match="did not pass rows"):
        make.promote(reg, "v2", 1, run_id=run.id)


def test_a_run_promotes_only_its_challenger(reg: Registry) -> None:
    """A run that named its challenger cannot promote another version."""
    make.champion(reg)
    for name in ("v2", "v3"):
        make.ready(reg, name)
    run = make.run(reg)
    operations.set_challenger(reg, run.id, "v2", now=make.NOW)
    with pytest.raises(IllegalMove, match="is about m v2, not m v3"):
        make.promote(reg, "v3", 1, run_id=run.id)


def test_promoting_an_unknown_version_is_refused(reg: Registry) -> None:
    """There is nothing to point at."""
    make.champion(reg)
    with pytest.raises(NotFound):
        make.promote(reg, "v2", 1)


def test_a_rollback_restores_the_version_that_was_replaced(reg: Registry) -> None:
    """The old version serves again, in a generation of its own, and the incidents of the bad one end."""
    make.champion(reg)
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    ingest.ingest(reg, [make.window(3, version="v2")], now=make.NOW)
    promotion = make.rollback(reg, 2)
    assert ("rollback", "v2", "v1", 3) == (
        promotion.kind,
        promotion.from_version,
        promotion.to_version,
        promotion.generation,
    )
    assert queries.version(reg, "m", "v2").state is VersionState.RETIRED
    assert [i.state for i in queries.incidents(reg)] == [IncidentState.RESOLVED]
    assert outbox.messages(reg)[-1].type == "model.rolled_back"


def test_rolling_back_twice_goes_two_champions_back(reg: Registry) -> None:
    """The second rollback does not restore the version that the first one took away."""
    make.champion(reg)
    for seen, name in ((1, "v2"), (2, "v3")):
        make.ready(reg, name)
        make.promote(reg, name, seen)
    assert make.rollback(reg, 3).to_version == "v2"
    assert make.rollback(reg, 4).to_version == "v1"
    with pytest.raises(IllegalMove, match="no champion before"):
        make.rollback(reg, 5)


def test_a_rollback_can_name_its_version(reg: Registry) -> None:
    """Any retired version will do; a candidate will not."""
    make.champion(reg)
    for seen, name in ((1, "v2"), (2, "v3")):
        make.ready(reg, name)
        make.promote(reg, name, seen)
    make.ready(reg, "v4")
    with pytest.raises(IllegalMove, match="only a retired version"):
        make.rollback(reg, 3, "v4")
    assert make.rollback(reg, 3, "v1").to_version == "v1"


def test_a_rollback_can_carry_out_a_decision(reg: Registry) -> None:
    """The promotion on record names the decision to restore."""
    make.champion(reg)
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    decision = make.decide(reg, None, Action.RESTORE)
    made = operations.rollback(
        reg,
        model="m",
        expected_generation=2,
        decision_id=decision.id,
        actor="ann",
        reason="worse",
        effective_at=make.NOW,
        now=make.NOW,
    )
    assert decision.id == made.decision_id


def test_a_rollback_is_guarded_like_a_promotion(reg: Registry) -> None:
    """A stale generation is refused, as is a model that never had a champion."""
    make.champion(reg)
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    with pytest.raises(StaleChampion, match="generation 2"):
        make.rollback(reg, 1)
    make.model(reg, "new")
    with pytest.raises(IllegalMove, match="no champion before"):
        make.rollback(reg, 0, model="new")


def test_each_promotion_says_from_when_in_event_time_its_version_answers(reg: Registry) -> None:
    """v1 from day 0, v2 from day 1, v1 again from day 2; a model that is not registered has no champion."""
    make.champion(reg)
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    make.rollback(reg, 2)
    answering = [(p.to_version, (p.effective_at - make.NOW).days) for p in queries.promotions(reg, "m")]
    assert [("v1", 0), ("v2", 1), ("v1", 2)] == answering
    assert queries.champion(reg, "unknown") is None
