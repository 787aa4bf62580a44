"""The reconciler: whenever and however often it is called, what is missing is done once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features import errors
from features.schema import LATE, Task
from features.window import to_ms
from monitors.finding import Signal, Stage
from monitors.signals import Reaction
from monitors.training_set import built
from monitors.training_set.built import BuiltSet, Run
from monitors.training_set.parts import Part
from monitors.training_set.period import TrainingPeriod
from monitors.verdicts import window_verdict
from registry import operations, queries
from registry.incidents import ingest
from registry.records import Action, IncidentState, RetrainRun, RunState
from registry.views import loss_precedence
from registry.views.loss_precedence import LossPrecedence
from retrain_flows import reconcile as reactions
from retrain_flows import retrain
from retrain_flows.config import Schedule, Signals
from retrain_flows.data import workspace
from retrain_flows.data.event_log import StoredEvents
from retrain_flows.data.workspace import Workspace
from retrain_flows.reconcile import Outcome
from retrain_flows.retrain import RetrainRequest
from tests.support import learned_baselines as learned
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make


def react(ws: Workspace, **options: Any) -> list[Outcome]:
    """React at the end of the world's events."""
    return reactions.reconcile(ws, **{"now": world.NOW, "as_of": world.AS_OF, **options})


def actions(ws: Workspace) -> list[Action]:
    """Return what was decided about incidents, in order."""
    return [d.action for d in queries.decisions(ws.registry, "m") if d.incident_id is not None]


def test_drift_leads_to_a_new_champion(ws: Workspace) -> None:
    """Incident, decision, run, promotion: all on record, and a second call finds nothing left to do."""
    (incident,) = world.drift(ws)
    (outcome,) = react(ws)
    assert ("incident 1", True) == (outcome.subject, outcome.result.startswith("retrain promoted: static challenger"))
    assert "baseline replaced by v2" == queries.incident(ws.registry, incident.id).resolution
    assert [] == react(ws)
    assert ([Action.RETRAIN], 1) == (actions(ws), len(queries.runs(ws.registry, "m")))


def test_with_nothing_to_do_no_event_is_read(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be called every minute over years of events."""
    monkeypatch.setattr(StoredEvents, "read", lambda *_: pytest.fail("events were read"))
    assert [] == react(ws)
    world.drift(ws, Signal.FEATURE)
    assert ["no action: signals.feature is alert (retrain would allow one)"] == [o.result for o in react(ws)]


def test_a_signal_that_rarely_came_with_a_loss_is_counted_for_its_own_incidents(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure of the incident's signal is what the decision rests on."""
    rare = {Signal.LABEL: LossPrecedence(Signal.LABEL, 12, 0)}
    monkeypatch.setattr(loss_precedence, "read", lambda *_: rare)
    ws = replace(ws, signals=Signals(without_loss="wait"))
    world.drift(ws, Signal.LABEL, Signal.PERFORMANCE)
    waiting, done = sorted(react(ws), key=lambda outcome: outcome.subject)
    assert waiting.result.startswith("waits: of 12 past incidents of label, 0 came with a rise of the loss (0% to 24%)")
    assert done.result.startswith("retrain promoted")


def test_two_signals_of_one_drift_make_one_retrain(ws: Workspace) -> None:
    """The first one's promotion resolves the second, which gets its decision with it."""
    world.drift(ws, Signal.LABEL, Signal.PERFORMANCE)
    assert 1 == len(react(ws))
    assert [Action.RETRAIN, Action.NOTHING] == actions(ws)
    assert [] == queries.undecided(ws.registry, "m")


def test_a_decision_and_its_retrain_read_the_log_once(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision counts the rows of the training set that the retrain then reads from disk."""
    periods, really = list[TrainingPeriod](), built.build

    def build(period: TrainingPeriod, parts: Sequence[Part], folder: Path, run: Run, **how: Any) -> BuiltSet:
        periods.append(period)
        return really(period, parts, folder, run, **how)

    monkeypatch.setattr(built, "build", build)
    world.drift(ws)
    assert 1 == len(react(ws))
    (run,) = queries.runs(ws.registry, "m")
    when = workspace.periods(ws.schema, ws.trainers, run.as_of)
    assert [to_ms(when.start)] == [period.start for period in periods]


def test_a_rejected_challenger_makes_the_next_incident_wait(make: Make) -> None:
    """The cool-down counts from the last retrain, whatever came of it. After it both incidents are decided again."""
    ws = make(trainer=f"{world.HERE}:wrong", cool_down=2 * world.DAY)
    first, second = world.drift(ws, Signal.LABEL, Signal.PERFORMANCE)
    refused, waiting = react(ws)
    assert refused.result.startswith("retrain rejected: v2 (static): loss failed: mean loss ")
    assert waiting.result.startswith("waits: retrain.cool_down: the next retrain is possible from 20")
    assert waiting.result.removeprefix("waits: ") == queries.undecided(ws.registry, "m")[0].pending
    react(ws)
    assert waiting.result.removeprefix("waits: ") == queries.incident(ws.registry, first.id).pending
    for n in (1, 2):
        react(ws, as_of=world.AS_OF + n * ws.trainers.cool_down)
    made = [(d.incident_id, d.revision, d.action) for d in queries.decisions(ws.registry, "m") if d.incident_id]
    assert [(i, n, Action.RETRAIN) for i, n in ((first.id, 1), (second.id, 1), (first.id, 2))] == made


def test_a_decision_is_revised_when_its_reason_is_gone(ws: Workspace) -> None:
    """Nothing was done under one policy; under another the same open incident retrains, and both are on record."""
    (incident,) = world.drift(ws, Signal.FEATURE)
    react(ws)
    react(replace(ws, signals=Signals(feature=Reaction.RETRAIN)))
    made = [(d.revision, d.action) for d in queries.decisions(ws.registry, "m") if d.incident_id == incident.id]
    assert [(1, Action.NOTHING), (2, Action.RETRAIN)] == made


def test_a_decision_of_a_person_is_not_revised(ws: Workspace) -> None:
    """Who said that nothing shall be done is not overruled by the policy."""
    (incident,) = world.drift(ws)
    operations.record_decision(ws.registry, model="m", incident_id=incident.id, action=Action.NOTHING,
                               because=["a strike"], actor="ann", now=world.NOW)  # fmt: skip
    assert [] == react(ws)


def test_a_suggestion_stands_until_somebody_acts(make: Make) -> None:
    """It is made once; after a retrain by hand that failed the gate it waits, and is then made again."""
    ws = make(decide="suggest", trainer=f"{world.HERE}:wrong")
    (incident,) = world.drift(ws)
    assert ["suggest: retrain.decide is suggest: `leeway retrain` starts it"] == [o.result for o in react(ws)]
    assert [] == react(ws)
    by_hand = operations.record_decision(ws.registry, model="m", incident_id=None, action=Action.RETRAIN,
                                         because=["try"], actor="ann", now=world.NOW)  # fmt: skip
    retrain.run(ws, RetrainRequest(by_hand, world.AS_OF, world.NOW))
    (waiting,) = react(ws)
    assert waiting.result.startswith("waits: retrain.cool_down")
    react(ws, as_of=world.AS_OF + ws.trainers.cool_down)
    again = queries.decision_of(ws.registry, incident.id)
    assert again is not None
    assert (Action.SUGGEST, 2, "") == (again.action, again.revision, queries.incident(ws.registry, incident.id).pending)


def test_what_waits_too_long_is_given_up(make: Make) -> None:
    """Too few labels for a month of event time, and the decision says so."""
    ws = make(min_rows=100_000)
    world.drift(ws)
    assert ["waits: too few rows with labels: 1200 of 100000 (retrain.min_rows)"] == [o.result for o in react(ws)]
    assert [] == actions(ws)
    react(ws, as_of=world.AS_OF + ws.trainers.wait)
    assert [Action.WAIT_GIVEN_UP] == actions(ws)


def test_a_data_fault_does_not_keep_drift_waiting(ws: Workspace) -> None:
    """Somebody is told to repair the data first; then the drift is retrained for without the rows under the fault."""
    (fault,) = world.drift(ws, Signal.QUALITY, day=50)
    world.drift(ws, Signal.PERFORMANCE)
    repair, promoted = react(ws)
    assert (f"incident {fault.id}", True) == (repair.subject, repair.result.startswith("repair data: "))
    assert promoted.result.startswith("retrain promoted")
    assert [Action.REPAIR_DATA, Action.RETRAIN] == actions(ws)
    (run,) = queries.runs(ws.registry, "m")
    assert any("rows under a data fault left out" in c.got for c in queries.checks(ws.registry, run.id))


def test_drift_that_only_faulty_rows_show_waits(ws: Workspace) -> None:
    """Its windows hold rows under an open fault, so it may be the fault that drifts."""
    world.drift(ws, Signal.QUALITY, Signal.PERFORMANCE)
    repair, waiting = react(ws)
    assert repair.result.startswith("repair data: ")
    assert waiting.result.startswith("waits: seen only in windows with rows under the data fault of 2013-02-")


def test_predictions_that_came_too_late_are_a_data_fault(ws: Workspace) -> None:
    """What the monitor says of such a window is an incident of quality like any other."""
    x = np.random.default_rng(0).random(1000)
    known = learned.baseline(learned.schema(Task.BINARY, "x"), {"x": x, "prediction": x, "label": np.round(x)})
    end = to_ms(world.START + 59 * world.DAY)
    found = window_verdict.judge(known, ws.monitor, stage=Stage.INPUTS, segment="", counts={LATE: [100]}, start_ms=end,
                          window_slices=known.events.windows.slices)  # fmt: skip
    told = world.report(world.START + 59 * world.DAY)
    late = told.model_copy(update={"stage": Stage.INPUTS, "counts": {LATE: [100]}, "findings": found})
    (fault,) = ingest.ingest(ws.registry, [late], now=world.NOW).opened
    world.drift(ws, Signal.PERFORMANCE)
    repair, promoted = react(ws)

    assert ("quality", "late_share", 1.0) == (
        fault.signal,
        fault.evidence[0].finding.metric,
        fault.evidence[0].finding.effect,
    )
    assert repair.result.startswith("repair data: ")
    assert promoted.result.startswith("retrain promoted")


def test_a_decision_whose_run_never_began_is_carried_out(ws: Workspace) -> None:
    """As after a crash between the two."""
    (incident,) = world.drift(ws)
    operations.record_decision(
        ws.registry,
        model="m",
        incident_id=incident.id,
        action=Action.RETRAIN,
        because=["drift"],
        actor="leeway",
        now=world.NOW,
    )
    (outcome,) = react(ws)
    assert outcome.result.startswith("retrain promoted")
    assert IncidentState.RESOLVED is queries.incident(ws.registry, incident.id).state


def test_a_crash_in_the_middle_of_a_run_is_made_good(ws: Workspace) -> None:
    """The next call takes the run up again."""
    world.drift(ws)

    def killed(ws: Workspace, order: RetrainRequest) -> RetrainRun:
        def at_once(*_: Any) -> Any:
            raise KeyboardInterrupt

        return retrain.run(ws, order, call=at_once)

    with pytest.raises(KeyboardInterrupt):
        react(ws, execute=killed)
    assert [RunState.RUNNING] == [r.state for r in queries.runs(ws.registry, "m")]
    react(ws)
    assert [RunState.PROMOTED] == [r.state for r in queries.runs(ws.registry, "m")]


def test_a_failing_retrain_does_not_keep_the_others_waiting(make: Make) -> None:
    """Its error is an outcome in words, the next incident waits for the retry, and then it is tried again."""
    ws = make(trainer=f"{world.HERE}:broken")
    world.drift(ws, Signal.LABEL, Signal.PERFORMANCE)
    failed, waiting = react(ws)
    assert failed.result.startswith("retrain failed: trainer tests.support.trained_model:broken raised")
    assert waiting.result.startswith("waits: retrain.retry: the last retrain failed, and the next try is on 2013-03-03")
    react(ws)
    again = react(ws, as_of=world.AS_OF + ws.trainers.retry)
    assert [RunState.FAILED] * 2 == [r.state for r in queries.runs(ws.registry, "m")]
    assert [True, False] == [o.result.startswith("retrain failed: ") for o in again]


@pytest.mark.parametrize(
    "due", [Schedule(interval=20 * world.DAY), Schedule(new_labels=800), Schedule(cron="0 6 * * 1")]
)
def test_a_retrain_is_due_by_schedule(make: Make, due: Schedule) -> None:
    """Without an incident; the decision names the setting, and the next one counts from this retrain."""
    ws = make(schedule=due)
    (outcome,) = react(ws)
    decision = queries.decisions(ws.registry, "m")[-1]
    assert ("schedule", True) == (outcome.subject, outcome.result.startswith("retrain promoted"))
    assert ("schedule", None, True) == (
        decision.actor,
        decision.incident_id,
        decision.because[0].startswith("retrain.schedule."),
    )
    assert [] == react(ws)


def test_two_that_look_at_once_retrain_once_by_schedule(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the one counts rows the other decides, and is done: its retrain is the one that was due."""
    ws, counted = make(schedule=Schedule(interval=20 * world.DAY)), reactions.matured_rows
    others = list[Outcome]()

    def count(ws: Workspace, as_of: datetime) -> int:
        monkeypatch.setattr(reactions, "matured_rows", counted)
        others.extend(react(ws))
        return counted(ws, as_of)

    monkeypatch.setattr(reactions, "matured_rows", count)
    assert [] == react(ws)
    assert ["schedule"] == [o.subject for o in others]
    assert [Action.RETRAIN] == [d.action for d in queries.decisions(ws.registry, "m") if d.actor == "schedule"]
    assert 1 == len(queries.runs(ws.registry, "m"))


def test_no_retrain_is_scheduled_while_one_is_decided_on(make: Make) -> None:
    """Another process has recorded its decision, and its run has not begun."""
    ws = make(schedule=Schedule(interval=20 * world.DAY))

    def elsewhere(*_: Any) -> RetrainRun:
        msg = "m is being retrained by another process"
        raise errors.IllegalMove(msg)

    first, second = (react(ws, execute=elsewhere) for _ in range(2))
    assert [["schedule"], ["decision 2"]] == [[o.subject for o in outcomes] for outcomes in (first, second)]
    assert [1, 2] == [d.id for d in queries.decisions(ws.registry, "m")]


def test_the_clock_is_the_newest_window_reported(ws: Workspace) -> None:
    """So replayed history is decided as it would have been at the time."""
    assert reactions.clock(ws) is None
    world.drift(ws)
    assert world.START + 59 * world.DAY == reactions.clock(ws)


def test_without_a_trainer_an_incident_ends_in_nothing(ws: Workspace) -> None:
    """A model that is only watched has its decisions too."""
    world.drift(ws)
    react(replace(ws, retrain=None))
    assert [Action.NOTHING] == actions(ws)


def test_events_that_cannot_be_read_are_an_error_of_the_data(make: Make) -> None:
    """The incident stays undecided, and is there for the next call."""
    ws = make()
    gone = ws.events.model_copy(update={"predictions": ws.events.predictions.model_copy(update={"path": "/not/there"})})
    world.drift(ws)
    with pytest.raises(errors.DataError, match="/not/there is not there"):
        react(replace(ws, events=gone))
    assert 1 == len(queries.undecided(ws.registry, "m"))
