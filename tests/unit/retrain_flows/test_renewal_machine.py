"""Renewal of baselines, stateful test: its rule holds in any order of steady days, drift, promotions and kills."""

from __future__ import annotations

from itertools import count, pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from features.schema import PREDICTION
from features.window import to_ms
from monitors.baseline import renewal as renewals
from monitors.baseline.baseline import Baseline
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry import baseline_plan, operations, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.operations.baselines import PUBLISHED, RENEWED
from retrain_flows import reconcile
from tests.support import audit_chain, trained_model
from tests.support import stationary_reports as world
from tests.support.example_counts import examples
from tests.support.short_baselines import DAY, ShortBaseline

_folders = count()
STEPS = ("record_decision", "renew_baseline", "record_published")
SIGNALS = st.sampled_from([Signal.FEATURE, Signal.QUALITY])
BAD = st.sampled_from([False] * 9 + [True])


class Killed(BaseException):
    """The process ends here."""


class Renewals(RuleBasedStateMachine):
    """One model whose champion began with a short baseline; windows are as drawn, all else is the real reconciler."""

    def __init__(self, reg: Registry, folder: Path) -> None:
        super().__init__()
        self.model = ShortBaseline(reg, folder / str(next(_folders)), rows=20, name=f"m{next(_folders)}")
        self.reg, self.name = reg, self.model.name
        self.versions = {"v1": self.model.baseline}
        self.serving, self.bad = "v1", set[int]()

    @rule(days=st.integers(1, 8), signal=SIGNALS, is_bad=BAD, is_empty=BAD)
    def pass_days(self, days: int, signal: Signal, *, is_bad: bool, is_empty: bool) -> None:
        """Some days are judged alike: steady, or the last one drifts, has a fault or no rows."""
        for day in range(days):
            last = day == days - 1
            self._window(
                signal, Verdict.DRIFT if last and is_bad else Verdict.STEADY, rows=0 if last and is_empty else 20
            )

    @rule(days=st.integers(5, 12))
    def drift_that_passes(self, days: int) -> None:
        """An incident opens, is decided, and ends by steady days."""
        self._window(Signal.FEATURE, Verdict.DRIFT, rows=20)
        self.reconcile(None, is_after=False)
        for _ in range(days):
            self._window(Signal.FEATURE, Verdict.STEADY, rows=20)

    def _window(self, signal: Signal, verdict: Verdict, rows: int) -> None:
        """Store the window of the next day."""
        made, end = self.versions[self.serving], self.model.now + DAY
        counts = {name: np.eye(made.bins[name].cells, dtype=int)[0] * rows for name in world.NAMES}
        newest = {name: row.tolist() for name, row in counts.items()}
        finding = Finding(
            signal=signal, variable="x", window_verdict=verdict, metric="js", effect=0.5, n=20, baseline_n=1
        )
        report = Report(model=self.name, version=self.serving, stage=Stage.INPUTS, window_start=self.model.now,
                        window_end=end, baseline=made.digest, rows=rows, counts=newest, newest_slice=newest,
                        findings=(finding,))  # fmt: skip
        ingest.ingest(self.reg, [report], now=end)
        self.bad |= {to_ms(self.model.now)} if verdict is Verdict.DRIFT or not rows else set()
        self.model.day += 1

    @rule(killed=st.sampled_from([None, None, *STEPS]), is_after=st.booleans())
    def reconcile(self, killed: str | None, *, is_after: bool) -> None:
        """The reconciler does what is missing; its process may be killed before or after a step."""
        incidents = bool(queries.open_incidents(self.reg, self.name))
        before = baseline_plan.digests(self.reg, self.name, self.serving)
        if killed is None:
            reconcile.reconcile(self.model.workspace, now=self.model.now)
        else:
            self._killed(killed, is_after=is_after)
        after = baseline_plan.digests(self.reg, self.name, self.serving)
        assert not incidents or before == after
        if killed is None:
            plan = baseline_plan.read(self.reg, self.name)
            assert plan is not None
            assert not plan.is_due
            assert after[-1] == self.model.spec.in_force(self.serving, Stage.INPUTS, self.model.now + DAY).digest

    def _killed(self, step: str, *, is_after: bool) -> None:
        operation = getattr(operations, step)

        def killed(*args: Any, **options: Any) -> None:
            if is_after:
                operation(*args, **options)
            raise Killed

        with mock.patch.object(operations, step, killed):
            try:
                reconcile.reconcile(self.model.workspace, now=self.model.now)
            except Killed:
                return

    @rule(days=st.sampled_from([3, 19, 20]))
    def promote(self, days: int) -> None:
        """Another version serves, with a baseline of some days."""
        name = f"v{len(self.versions) + 1}"
        drawn, start = world.baseline(world.days(self.model.rng, days, 20)), self.model.now - days * DAY
        moved = to_ms(start) - min(one.start for one in drawn.inputs)
        inputs = tuple(one.model_copy(update={"start": one.start + moved}) for one in drawn.inputs)
        made = drawn.model_copy(update={"version": name, "start": start, "end": self.model.now, "inputs": inputs,
                                        "events": self.model.baseline.events})  # fmt: skip
        self.model.register(made, len(self.versions))
        self.versions[name], self.serving = made, name

    @invariant()
    def a_revision_only_adds_what_the_one_before_lacked(self) -> None:
        """To exactly the slices that are needed; so one that has them is never renewed."""
        for name, first in self.versions.items():
            made = [queries.baseline(self.reg, d) for d in baseline_plan.digests(self.reg, self.name, name)]
            assert first == made[0]
            for before, after in pairwise(made):
                assert renewals.extends(after, before)
                assert {Stage.INPUTS: renewals.SLICES_NEEDED} == renewals.length(after).slices
                self._is_clean(before, after)

    def _is_clean(self, before: Baseline, after: Baseline) -> None:
        """No slice was added that drifted, had a fault or no rows, and none twice."""
        gained = [s.start for s in after.inputs if s not in before.inputs]
        assert not self.bad & set(gained)
        assert len(gained) == len(set(gained))
        assert all(s.counts[PREDICTION] for s in after.inputs)

    @invariant()
    def the_log_tells_the_steps_in_order(self) -> None:
        """A decision before each revision, which is published before the next."""
        log = [e for e in queries.audit_log(self.reg) if e.model == self.name]
        renewed = [e for e in log if e.action == RENEWED]
        decisions = {d.id: d for d in queries.decisions(self.reg, self.name)}
        assert all(str(e.details["digest"]) in decisions[e.details["decision"]].because[2] for e in renewed)
        steps = [e.action for e in log if e.action in (RENEWED, PUBLISHED)]
        assert [RENEWED, PUBLISHED] * (len(steps) // 2) == steps[: len(steps) // 2 * 2]


@pytest.mark.slow
def test_renewals_keep_their_rule_in_any_order(tmp_path: Path) -> None:
    """Steady days, drift, faults, empty days, promotions and kills, as they come."""
    few = settings(max_examples=examples(12), stateful_step_count=10, deadline=None)
    with trained_model.open_registry(tmp_path) as reg:
        run_state_machine_as_test(lambda: Renewals(reg, tmp_path), settings=few)  # type: ignore[arg-type]
        assert [] == audit_chain.verify(reg)
