"""The loop from incident to promotion, stateful test: its invariants hold in any order of drift, outcomes and kills."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from features import errors
from features.schema import Events, Source
from monitors.finding import Signal, Verdict
from registry import operations, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.records import OTHER_CHAMPION, SUPERSEDED, Check, CheckResult, Comparison, RetrainRun, RunState
from retrain_flows import approval, follow_up, reconcile, trial
from retrain_flows.approval import Passed
from retrain_flows.retrain import RetrainRequest
from retrain_flows.training.trial_series import TrialSeries
from retrain_flows.trial import Pair
from tests.support import audit_chain, loop_invariants
from tests.support import registry_values as values
from tests.support import trained_model as world
from tests.support.example_counts import examples

_models = count()
SIGNALS = st.sampled_from([Signal.PERFORMANCE, Signal.PERFORMANCE, Signal.LABEL, Signal.FEATURE, Signal.QUALITY])
RUNS = st.sampled_from(["promote", "hold", "hold", "reject", "fail", "killed at start", "killed before the end"])
LOOKS = st.sampled_from([None, CheckResult.HOLD, CheckResult.PASS, CheckResult.FAIL])


class Killed(BaseException):
    """The process ends here."""


class Loop(RuleBasedStateMachine):
    """One model with a champion; a retrain and a look end as drawn, all else is the real reconciler."""

    def __init__(self, reg: Registry, folder: Path) -> None:
        super().__init__()
        self.reg, self.model = reg, f"model-{next(_models)}"
        values.model(reg, self.model)
        self.version("v1")
        values.promote(reg, "v1", 0, model=self.model)
        events = Events(predictions=Source(path="/none"), labels=Source(path="/none"))
        ws = world.workspace(folder, reg, events, cool_down=2 * world.DAY, wait=20 * world.DAY)
        self.ws = replace(ws, schema=world.SCHEMA.model_copy(update={"model": self.model}))
        self.day, self.ends, self.looks, self.dies = 1, "promote", None, False
        self.approved: set[int] = set()

    def version(self, name: str) -> None:
        """Register a version with a model file and a baseline."""
        values.ready(self.reg, name, model=self.model, data=f"{self.model} {name}".encode())

    def champion(self) -> Any:
        """Return the champion."""
        found = queries.champion(self.reg, self.model)
        assert found is not None
        return found

    @rule(signal=SIGNALS, verdict=st.sampled_from([Verdict.DRIFT, Verdict.DRIFT, Verdict.STEADY]))
    def window(self, signal: Signal, verdict: Verdict) -> None:
        """A window of the champion drifts, or is steady."""
        self.day += 1
        told = world.report(world.START + self.day * world.DAY, signal, verdict)
        told = told.model_copy(update={"model": self.model, "version": self.champion().version})
        ingest.ingest(self.reg, [told], now=world.NOW)

    @rule(days=st.integers(0, 30), ends=RUNS, looks=LOOKS, dies=st.booleans())
    def reconcile(self, days: int, ends: str, looks: CheckResult | None, *, dies: bool) -> None:
        """Time passes, and the reconciler does what is missing; its process may be killed in between."""
        self.day += days
        self.ends, self.looks, self.dies = ends, looks, dies
        promoted, waiting = self._promoted(), approval.awaiting(self.reg, self.model)
        at = world.START + (self.day + 20) * world.DAY
        with mock.patch.object(trial, "look", self._look), mock.patch.object(reconcile, "matured_rows", _many):
            try:
                reconcile.reconcile(self.ws, now=world.NOW, as_of=at, execute=self._execute)
            except Killed:
                return
            finally:
                self._nobody_is_passed_over(promoted, waiting)
        for incident in queries.incidents(self.reg, self.model):
            assert incident.pending or queries.decision_of(self.reg, incident.id)

    @rule(decide=st.sampled_from(["ask", "ask", "act"]))
    def set_policy(self, decide: str) -> None:
        """Promotions need somebody's approval from now on, or none."""
        assert self.ws.retrain is not None
        self.ws = replace(self.ws, retrain=self.ws.retrain.model_copy(update={"decide": decide}))

    @precondition(lambda self: bool(approval.awaiting(self.reg, self.model)))
    @rule(yes=st.booleans())
    def answer(self, *, yes: bool) -> None:
        """Somebody approves what waits, or refuses it; approval of what another champion has outdated is refused."""
        run = approval.awaiting(self.reg, self.model)[-1]
        if not yes:
            done = approval.refuse(self.reg, self.model, str(run.challenger), actor="ann", reason="no", now=world.NOW)
            assert RunState.REJECTED is done.state
            return
        at = world.START + (self.day + 20) * world.DAY
        if approval.outdated(self.reg, run):
            with pytest.raises(errors.IllegalMove):
                approval.approve(self.reg, run, actor="ann", reason="yes", effective_at=at, now=world.NOW)
            return
        self.approved.add(run.id)
        approval.approve(self.reg, run, actor="ann", reason="yes", effective_at=at, now=world.NOW)

    @precondition(lambda self: len(queries.promotions(self.reg, self.model)) > 1)
    @rule()
    def roll_back(self) -> None:
        """Somebody puts the version before back."""
        with contextlib.suppress(errors.IllegalMove):  # there is none that is retired
            values.rollback(self.reg, self.champion().generation, model=self.model)

    def _promoted(self) -> list[int | None]:
        """Return the runs that have ended with a promotion."""
        return [p.run_id for p in queries.promotions(self.reg, self.model) if p.kind != "rollback"]

    def _nobody_is_passed_over(self, promoted: list[int | None], waiting: list[RetrainRun]) -> None:
        """Where approval is asked for, no reconcile promotes; what waits does so until another passes or serves."""
        if self.ws.trainers.decide != "ask":
            return
        assert promoted == self._promoted()
        for run in waiting:
            after = queries.run(self.reg, run.id)
            assert after.awaits_approval or after.reason.startswith(SUPERSEDED)
            if not after.awaits_approval:
                newer = [r for r in approval.awaiting(self.reg, self.model) if r.id > run.id]
                assert newer or after.reason == OTHER_CHAMPION

    def _execute(self, ws: Any, request: RetrainRequest) -> RetrainRun:
        """Take up or begin the run of a decision, and end it as drawn."""
        own = [r for r in queries.runs(self.reg, self.model) if r.decision_id == request.decision.id]
        run = own[0] if own else operations.start_run(
            self.reg, decision_id=request.decision.id, as_of=request.as_of, flow_run=None, now=request.now
        )  # fmt: skip
        if self.ends == "killed at start":
            raise Killed
        follow_up.supersede(ws, now=request.now)
        name = operations.next_version(self.reg, self.model)
        self.version(name)
        result = {"reject": CheckResult.FAIL, "hold": CheckResult.HOLD}.get(self.ends, CheckResult.PASS)
        checks = [Check(name=n, result=result, got="", want="", version=name) for n in ("rows", "loss")]
        operations.record_checks(self.reg, run.id, checks, now=request.now)
        if self.ends == "killed before the end":
            raise Killed
        if self.ends == "promote":
            passed = Passed(name, self.champion(), request.as_of, "better")
            return approval.promote_or_ask(ws, run, passed, now=request.now)
        if self.ends == "hold":
            return operations.hold_run(self.reg, run.id, challenger=name, reason="few labels", now=request.now)
        state = RunState.REJECTED if self.ends == "reject" else RunState.FAILED
        done = operations.finish_run(self.reg, run.id, state=state, reason=self.ends, now=request.now)  # type: ignore[arg-type]
        if state is RunState.FAILED:
            msg = "the trainer raised"
            raise errors.TrainerError(msg)
        return done

    def _look(self, _: Any, pair: Pair, series: TrialSeries, **times: Any) -> Comparison | None:
        """Record a look with the drawn result; its process may be killed right after."""
        if self.looks is None:
            return None
        made = values.look(self.looks, run_id=pair.run_id, promotion_id=pair.promotion_id, number=series.count + 1,
                           candidate=pair.candidate, reference=pair.reference)  # fmt: skip
        changes = {"model": self.model, "kind": pair.kind, "series": series.name, "until": times["as_of"]}
        look = operations.record_look(self.reg, made.model_copy(update=changes))
        if self.dies:
            raise Killed
        return look

    @invariant()
    def what_is_on_record_holds_together(self) -> None:
        """One champion, revisions in order, one run at a time, no promotion without gate, baseline and audit line."""
        for holds in (loop_invariants.one_champion, loop_invariants.revisions_in_order,
                      loop_invariants.one_run_goes_on, loop_invariants.promotions_passed):  # fmt: skip
            holds(self.reg, self.model)

    @invariant()
    def somebody_approved_what_she_is_named_for(self) -> None:
        """A run's promotion is by the person who approved it, or by nobody."""
        for promotion in queries.promotions(self.reg, self.model):
            if promotion.kind != "rollback" and promotion.run_id is not None:
                assert (promotion.actor == "ann") == (promotion.run_id in self.approved)

    def teardown(self) -> None:
        """The log tells the same story, unbroken."""
        assert [] == audit_chain.verify(self.reg)


def _many(*_: Any) -> int:
    return 10**6


@pytest.mark.slow
def test_the_loop_keeps_its_invariants_in_any_order(tmp_path: Path) -> None:
    """Drift, promotions, trials, approvals, refusals, failures, rollbacks, retries and kills, as they come."""
    few = settings(max_examples=examples(30), stateful_step_count=20, deadline=None)
    with world.open_registry(tmp_path) as reg:
        run_state_machine_as_test(lambda: Loop(reg, tmp_path), settings=few)  # type: ignore[arg-type]
