"""A retrain from decision to promotion, or rejection with reasons; killed and repeated, with one outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest

from features import errors, scoring
from features.events import decode
from features.schema import Events
from monitors.finding import Signal
from registry import operations, queries
from registry.files import artifacts
from registry.records import Action, CheckResult, Decision, IncidentState, RetrainRun, RunState, Version, VersionState
from registry.views import retrain_record
from retrain_flows import first_version, promote, retrain
from retrain_flows.data import baseline_rows
from retrain_flows.data.workspace import Workspace
from retrain_flows.gate import evidence
from retrain_flows.retrain import RetrainRequest
from retrain_flows.training import challengers, retrain_data, run_cause
from retrain_flows.training.retrain_data import RetrainData
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make


def decide(ws: Workspace, incident_id: int | None = None) -> Decision:
    """Decide to retrain."""
    return operations.record_decision(ws.registry, model="m", incident_id=incident_id, action=Action.RETRAIN,
                                 because=["drift"], actor="bob", now=world.NOW)  # fmt: skip


def order(ws: Workspace, decision: Decision | None = None) -> RetrainRequest:
    """Order a retrain at the end of the world's events."""
    return RetrainRequest(decision or decide(ws), world.AS_OF, world.NOW)


class Killed(BaseException):
    """The process ends here."""


def test_the_first_version_is_recorded_as_one_without_a_gate(ws: Workspace) -> None:
    """It is champion with a baseline, and both decision and promotion say that nothing was compared."""
    version, promotion = queries.version(ws.registry, "m", "v1"), queries.promotions(ws.registry, "m")[0]
    assert (VersionState.CHAMPION, 800, world.START + 20 * world.DAY) == (
        version.state,
        version.rows,
        version.trained_until,
    )
    assert ("bootstrap", first_version.NO_GATE, "ann") == (promotion.kind, promotion.reason, promotion.actor)
    assert (first_version.NO_GATE,) == queries.decisions(ws.registry, "m")[0].because
    assert version.baseline is not None


def test_a_first_version_is_made_once(ws: Workspace) -> None:
    """A second one would have no reason to be better."""
    with pytest.raises(errors.IllegalMove, match="has a champion already: v1"):
        world.with_champion(ws)


def test_a_better_challenger_is_promoted_with_its_baseline(ws: Workspace) -> None:
    """After the rule has turned round, the retrained model passes every check and takes over."""
    done = retrain.run(ws, order(ws))
    champion, new = queries.champion(ws.registry, "m"), queries.version(ws.registry, "m", "v2")
    checks = queries.checks(ws.registry, done.id)
    assert (RunState.PROMOTED, "v2") == (done.state, done.challenger)
    assert champion is not None
    assert ("v2", world.AS_OF) == (champion.version, champion.since)
    assert ({CheckResult.PASS}, {"v2"}) == ({c.result for c in checks}, {c.version for c in checks})
    assert new.metrics["challenger"] < new.metrics["champion"]
    assert (ws.state / "baselines" / "m" / "v2.json").is_file()


def test_a_look_is_weighed_once(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded of a run's look is what its gate has weighed."""
    weighed, weigh = [], evidence.weigh

    def counted(*args: Any, **options: Any) -> evidence.Evidence:
        weighed.append(weigh(*args, **options))
        return weighed[-1]

    monkeypatch.setattr(evidence, "weigh", counted)
    done = retrain.run(ws, order(ws))
    (look,) = queries.comparisons(ws.registry, "m", run_id=done.id)
    assert [look.numbers["better"]] == [one.better for one in weighed]


def test_an_earlier_version_is_judged_by_the_file_that_is_stored(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only new models are written."""
    retrain.run(ws, RetrainRequest(decide(ws), world.START + 45 * world.DAY, world.NOW))
    written, dump = [], artifacts.dump_model

    def counted(model: object) -> bytes:
        written.append(model)
        return dump(model)

    monkeypatch.setattr(artifacts, "dump_model", counted)
    done = retrain.run(ws, order(ws))
    candidates = {c.version for c in queries.checks(ws.registry, done.id)}
    assert {"v1"} < candidates
    assert len(candidates) - 1 == len(written)


def test_the_cost_of_a_run_is_what_its_steps_have_taken(ws: Workspace) -> None:
    """Each step takes seconds of the timer; the run ends that much later than it began, with its promotion."""
    passed = [0.0]

    def call(step: Any, *args: Any) -> Any:
        passed[0] += 7.5
        return step(*args)

    done = retrain.run(ws, order(ws), call=call, timer=lambda: passed[0])
    (record,) = retrain_record.of_runs(ws.registry, "m", [done])
    assert (RunState.PROMOTED, 4 * 7.5) == (done.state, record.seconds)
    assert done.finished_at == queries.promotions(ws.registry, "m")[-1].made_at


def test_a_run_that_fails_has_its_cost_on_record(ws: Workspace) -> None:
    """What a failure has taken is as much a cost as what a promotion has."""
    passed = [100.0]

    def call(step: Any, *_: Any) -> Any:
        passed[0] += 60.0
        msg = "no rows"
        raise errors.NotEnoughData(msg)

    with pytest.raises(errors.NotEnoughData):
        retrain.run(ws, order(ws), call=call, timer=lambda: passed[0])
    (record,) = retrain_record.records(ws.registry, "m")
    assert (RunState.FAILED, 60.0) == (record.run.state, record.seconds)


def test_a_model_that_was_rolled_back_is_noticed(ws: Workspace) -> None:
    """Trained again on the same rows it is the same file: the gate says which version it is, and does not let it in."""
    retrain.run(ws, order(ws))
    operations.rollback(
        ws.registry,
        model="m",
        expected_generation=2,
        effective_at=world.AS_OF,
        actor="ann",
        reason="worse",
        now=world.NOW,
    )
    again = retrain.run(ws, order(ws))

    known = [c for c in queries.checks(ws.registry, again.id) if c.name == "known"]
    assert (RunState.REJECTED, ["same model file as v2 (rolled back)"]) == (again.state, [c.got for c in known])
    assert "v1" == queries.champion(ws.registry, "m").version  # type: ignore[union-attr]
    artifacts = {v.version: v.artifact for v in queries.versions(ws.registry, "m")}
    assert artifacts["v2"] == artifacts["v3"] != artifacts["v1"]


def gathered(ws: Workspace, actor: str = "bob", as_of: datetime = world.AS_OF) -> RetrainData:
    """Return the data of a run, by default at the end of the world's events, decided by *actor*."""
    decision = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                          because=["x"], actor=actor, now=world.NOW)  # fmt: skip
    run = operations.start_run(ws.registry, decision_id=decision.id, as_of=as_of, flow_run=None, now=world.NOW)
    return retrain_data.gather(ws, run)


def test_the_evaluation_is_the_newest_part_of_the_rows_and_labels_had_matured(ws: Workspace) -> None:
    """Both end at a whole day, a label delay before what was known; the gate's rows are trained on last of all."""
    data = gathered(ws)
    days = [(rows.times // 86_400_000 - 15706) for rows in (data.rows, data.evaluation)]  # since 1 January 2013
    assert [(29, 58), (45, 58)] == [(d.min(), d.max()) for d in days]


@pytest.mark.parametrize(("actor", "day"), [(run_cause.SCHEDULE, 20), ("bob", 30)])
def test_the_champion_is_not_asked_about_rows_it_was_trained_on(make: Make, actor: str, day: int) -> None:
    """It would know them. Where drift is the cause, rows before the change point are left out too."""
    ws = make(evaluation=45 * world.DAY, window=59 * world.DAY)
    data = gathered(ws, actor)
    assert world.START + world.TURN * world.DAY == data.change
    assert int((world.START + day * world.DAY).timestamp() * 1000) == data.evaluation.times[0]


@pytest.mark.parametrize(("actor", "days", "found"), [
    ("bob", 4, True), (run_cause.SCHEDULE, 4, False), (run_cause.SCHEDULE, 5, True),
])  # fmt: skip
def test_the_schedule_takes_some_bad_days_for_no_change(make: Make, actor: str, days: int, *, found: bool) -> None:
    """Nobody has called it drift, and the rows since then are too few to compare models on."""
    as_of = world.START + (world.TURN + days + 1) * world.DAY  # labels take a day
    data = gathered(make(window=30 * world.DAY), actor, as_of)
    assert found == (data.change is not None)


def test_the_baseline_is_made_of_answers_out_of_sample(ws: Workspace) -> None:
    """The reference covers the newest 28 days since the change; no answer is the final model's own."""
    retrain.run(ws, order(ws))
    at = baseline_rows.place(ws.state, "m", "v2")
    table = decode.read_events(ws.schema, "predictions", at.predictions).table
    model = retrain_data.load(ws, queries.version(ws.registry, "m", "v2"))
    own = scoring.score(model, table.select(["x", "c"]).to_pandas(), ws.schema.task)
    same = table["prediction"].to_numpy() == own
    assert (28 * world.PER_DAY, {"v2"}) == (len(same), set(table["model_version"].to_pylist()))
    assert not same.any()


@pytest.mark.parametrize("mode", ["static", "online"])
def test_a_baseline_says_what_matters_to_its_version(make: Make, mode: str) -> None:
    """The rule is all in x, before and after its turn; c is noise."""
    ws = make(mode=mode)
    retrain.run(ws, order(ws))
    for version in ("v1", "v2"):
        baseline = queries.baseline_of(ws.registry, "m", version)
        assert baseline is not None
        assert {"x", "c"} == set(baseline.importance)
        assert baseline.importance["x"] > 0.95


def test_importance_is_the_same_when_a_run_is_repeated(ws: Workspace) -> None:
    """A baseline is known by its digest, which must not hang on luck."""
    data = gathered(ws)
    first, again = (challengers.train(ws, "static", data).loss_increases for _ in range(2))
    assert first == again


def test_a_challenger_that_is_worse_is_rejected_with_its_numbers(make: Make) -> None:
    """The champion stays, and so does the incident: it is decided again after the cool-down."""
    ws = make(trainer=f"{world.HERE}:wrong")
    (incident,) = world.drift(ws)
    done = retrain.run(ws, order(ws, decide(ws, incident.id)))
    assert RunState.REJECTED is done.state
    assert "loss failed: mean loss " in done.reason
    assert VersionState.REJECTED is queries.version(ws.registry, "m", "v2").state
    assert IncidentState.OPEN is queries.incident(ws.registry, incident.id).state
    assert 1 == len(queries.promotions(ws.registry, "m"))


def test_a_challenger_that_more_labels_must_decide_about_is_held(make: Make) -> None:
    """It has its baseline already, its run is held, and its incident stays open."""
    ws = make(gate=world.RETRAIN.gate.model_copy(update={"min_rows": 10_000}))
    (incident,) = world.drift(ws)
    done = retrain.run(ws, order(ws, decide(ws, incident.id)))
    held = queries.version(ws.registry, "m", "v2")
    assert (RunState.HELD, "v2", VersionState.CANDIDATE) == (done.state, done.challenger, held.state)
    assert "rows inconclusive: 560 evaluation rows; required: at least 10000" in done.reason
    assert held.baseline is not None
    assert IncidentState.OPEN is queries.incident(ws.registry, incident.id).state
    assert done == retrain.run(ws, order(ws, queries.decision(ws.registry, done.decision_id)))


def test_an_earlier_version_is_promoted_where_its_concept_comes_back(make: Make) -> None:
    """It keeps its name, model file and baseline; it is champion again by the gate, and not by a rollback."""
    ws = make(trainer=f"{world.HERE}:wrong")
    good = make()
    first = retrain.run(good, order(good))
    operations.add_version(ws.registry, queries.version(ws.registry, "m", "v1").model_copy(
        update={"version": "v3", "state": VersionState.CANDIDATE, "baseline": None}))  # fmt: skip
    operations.store_baseline(ws.registry, _baseline(ws, "v3"), now=world.NOW)
    operations.promote(ws.registry, model="m", version="v3", expected_generation=2, effective_at=world.START,
                       actor="ann", reason="by hand", now=world.NOW)  # fmt: skip
    done = retrain.run(ws, order(ws))
    newest = queries.promotions(ws.registry, "m")[-1]
    assert (RunState.PROMOTED, RunState.PROMOTED, "v2") == (first.state, done.state, done.challenger)
    assert ("promote", True) == (newest.kind, newest.reason.startswith("earlier version passed the gate"))


def test_the_best_of_both_modes_is_promoted(make: Make) -> None:
    """Each has its checks on record; the one that lost is rejected."""
    ws = make(mode="both")
    done = retrain.run(ws, order(ws))
    versions = {v.version: v for v in queries.versions(ws.registry, "m") if v.version != "v1"}
    assert {"static", "online"} == {v.mode for v in versions.values()}
    winner = versions.pop(done.challenger or "")
    (loser,) = versions.values()
    assert winner.metrics["challenger"] < loser.metrics["challenger"]
    assert (VersionState.CHAMPION, VersionState.REJECTED) == (winner.state, loser.state)


def test_an_online_champion_goes_on_learning_from_where_it_stopped(make: Make) -> None:
    """The new snapshot names its parent and its parent's file, and has learned from later rows only."""
    ws = make(mode="online")
    earlier = replace(order(ws), as_of=world.AS_OF - 8 * world.DAY)
    assert RunState.PROMOTED is retrain.run(ws, earlier).state
    retrain.run(ws, order(ws))
    first, second = (queries.version(ws.registry, "m", v) for v in ("v2", "v3"))
    assert (None, "v2", first.artifact) == (first.parent, second.parent, second.parent_digest)
    assert (first.trained_until, 8 * world.PER_DAY) == (second.trained_from, second.rows)


def test_a_trainer_that_raises_fails_the_run_in_its_own_words(make: Make) -> None:
    """The reason is on record, the incident stays open to be tried again, and whoever called sees the error too."""
    ws = make(trainer=f"{world.HERE}:broken")
    (incident,) = world.drift(ws)
    with pytest.raises(errors.TrainerError, match="broken raised KeyError") as caught:
        retrain.run(ws, order(ws, decide(ws, incident.id)))
    run = queries.runs(ws.registry, "m")[0]
    assert isinstance(caught.value.__cause__, KeyError)
    assert (RunState.FAILED, caught.value.message) == (run.state, run.reason)
    assert IncidentState.OPEN is queries.incident(ws.registry, incident.id).state


def test_any_other_exception_is_on_record_too(ws: Workspace) -> None:
    """A fault of Leeway's own is no reason to lose a run."""

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        retrain.run(replace(ws, build_baseline=fails), order(ws))
    assert "OSError: disk full" == queries.runs(ws.registry, "m")[0].reason


@pytest.mark.parametrize("step", world.STEPS)
def test_a_run_that_was_killed_is_taken_up_again_and_promotes_once(ws: Workspace, step: Any) -> None:
    """Killed before any step, and run again for the same decision with another clock, it ends the same way once."""

    def killed_at(called: Any, *args: Any) -> Any:
        if called is step:
            raise Killed
        return called(*args)

    decision = decide(ws)
    with pytest.raises(Killed):
        retrain.run(ws, order(ws, decision), call=killed_at)
    later = RetrainRequest(decision, world.AS_OF + world.DAY, world.NOW + world.DAY)
    done = retrain.run(ws, later)
    assert (RunState.PROMOTED, world.AS_OF) == (done.state, done.as_of)
    assert done == retrain.run(ws, later)
    assert ["bootstrap", "promote"] == [p.kind for p in queries.promotions(ws.registry, "m")]


def test_a_run_that_was_killed_after_its_look_looks_again(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look that the killed attempt recorded is no evidence for the repetition, which sees the same slices."""
    decision, promote_version = decide(ws), operations.promote

    def killed(*_: Any, **__: Any) -> Any:
        raise Killed

    monkeypatch.setattr(operations, "promote", killed)
    with pytest.raises(Killed):
        retrain.run(ws, order(ws, decision))
    monkeypatch.setattr(operations, "promote", promote_version)
    done = retrain.run(ws, order(ws, decision))
    first, again = queries.comparisons(ws.registry, "m", run_id=done.id)
    assert (RunState.PROMOTED, "v3") == (done.state, done.challenger)
    assert (1, first.numbers, first.slices) == (again.look, again.numbers, again.slices)
    assert VersionState.REJECTED is queries.version(ws.registry, "m", "v2").state


def test_a_repeated_run_keeps_the_times_that_were_measured_first(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No two measurements are alike, and no check is overwritten: an earlier version has its own on record already."""
    retrain.run(ws, RetrainRequest(decide(ws), world.START + 45 * world.DAY, world.NOW))
    decision = decide(ws)

    def killed(*_: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("retrain_flows.trial.record_gate", killed)
        with pytest.raises(Killed):
            retrain.run(ws, order(ws, decision))
    (run,) = [r for r in queries.runs(ws.registry, "m") if r.decision_id == decision.id]
    first = [c for c in queries.checks(ws.registry, run.id) if c.version == "v1"]
    done = retrain.run(ws, order(ws, decision))
    assert RunState.FAILED is not done.state
    assert first == [c for c in queries.checks(ws.registry, run.id) if c.version == "v1"]
    assert "latency" in {c.name for c in first}


def test_a_run_that_was_killed_after_the_promotion_has_ended(ws: Workspace) -> None:
    """The promotion ended it, in its own transaction."""

    def killed_after(called: Any, *args: Any) -> Any:
        result = called(*args)
        if called is promote.promote_or_reject:
            raise Killed
        return result

    decision = decide(ws)
    with pytest.raises(Killed):
        retrain.run(ws, order(ws, decision), call=killed_after)
    assert RunState.PROMOTED is retrain.run(ws, order(ws, decision)).state
    assert 2 == len(queries.promotions(ws.registry, "m"))


def test_somebody_elses_promotion_in_between_is_not_overwritten(ws: Workspace) -> None:
    """The challenger was compared with a champion that is none any more: the run fails, the other one stays."""

    def promote_first(called: Any, *args: Any) -> Any:
        result = called(*args)
        if called is retrain_data.gather:
            other = RetrainRequest(decide(ws), world.AS_OF, world.NOW)
            version = promote.describe(ws, _fitted(ws, args[1]), None, until=world.AS_OF, now=world.NOW)
            operations.add_version(ws.registry, version)
            operations.store_baseline(ws.registry, _baseline(ws, version.version), now=world.NOW)
            operations.promote(ws.registry, model="m", version=version.version, expected_generation=1,
                          effective_at=world.AS_OF, actor="eve", reason="by hand", now=other.now)  # fmt: skip
        return result

    with pytest.raises(errors.StaleChampion):
        retrain.run(ws, order(ws), call=promote_first)
    champion = queries.champion(ws.registry, "m")
    assert champion is not None
    assert ("v2", RunState.FAILED) == (champion.version, queries.runs(ws.registry, "m")[0].state)


def _fitted(ws: Workspace, run: RetrainRun) -> Any:
    return challengers.train(ws, "static", retrain_data.gather(ws, run))


def _baseline(ws: Workspace, version: str) -> Any:
    made = queries.baseline_of(ws.registry, "m", "v1")
    assert made is not None
    return made.model_copy(update={"version": version})


def test_two_processes_do_not_retrain_one_model(ws: Workspace) -> None:
    """The second is told so at once, and nothing of the first one's is touched."""
    (ws.state / "locks").mkdir(parents=True)
    with (
        filelock.FileLock(ws.state / "locks" / "m.lock"),
        pytest.raises(errors.IllegalMove, match="m is being retrained by another process"),
    ):
        retrain.run(ws, order(ws))
    assert [] == queries.runs(ws.registry, "m")


def test_rows_under_an_open_data_fault_are_left_out(ws: Workspace) -> None:
    """Of training and gate, also where the fault was found after the decision; the retrain itself goes on."""
    decision = decide(ws)
    world.drift(ws, Signal.QUALITY)
    done = retrain.run(ws, order(ws, decision))
    (data,) = (c for c in queries.checks(ws.registry, done.id) if c.name == "data")
    assert RunState.PROMOTED is done.state
    assert f"{world.PER_DAY} rows under a data fault left out" in data.got


def test_too_few_rows_fail_the_run_before_anything_is_trained(make: Make) -> None:
    """A decision by hand is held to `retrain.min_rows` too."""
    ws = make(min_rows=100_000)
    with pytest.raises(errors.NotEnoughData, match="1200 labelled rows to train on"):
        retrain.run(ws, order(ws))


def test_a_log_without_versions_cannot_be_retrained_for(ws: Workspace, tmp_path: Path) -> None:
    """Every event would seem to be the new version's."""
    fixed = replace(ws, schema=ws.schema.model_copy(update={"version": "v1"}))
    with pytest.raises(errors.ProjectError, match=r"events\.version is v1 for all events of m"):
        retrain.run(fixed, order(ws))


def test_a_champion_that_is_only_watched_is_judged_by_the_answers_it_gave(tmp_path: Path, events: Events) -> None:
    """There is no model file to ask: its log says 0.5 each time, and a challenger that knows better is promoted."""
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, events)
        gate = ws.trainers.gate.model_copy(update={"confidence": 0.9})  # two weeks since the change are few slices
        ws = replace(ws, retrain=ws.trainers.model_copy(update={"gate": gate}))
        operations.add_model(registry, model="m", task="binary", now=world.NOW)
        operations.add_version(registry, Version(model="m", version="v1", mode="external", trained_until=world.AS_OF,
                                            created_at=world.NOW))  # fmt: skip
        sources = {role: Path(getattr(events, role).path) for role in ("predictions", "labels")}
        made = ws.build_baseline(ws.schema, ws.monitor, version="v1", **sources, start=world.START, end=world.AS_OF)
        operations.store_baseline(registry, made, now=world.NOW)
        operations.promote(
            registry,
            model="m",
            version="v1",
            expected_generation=0,
            effective_at=world.START,
            actor="ann",
            reason="ours",
            now=world.NOW,
        )
        done = retrain.run(ws, order(ws))
        loss = next(c for c in queries.checks(registry, done.id) if c.name == "loss")
    assert (RunState.PROMOTED, round(float(np.log(2)), 6)) == (done.state, round(loss.numbers["champion"], 6))
