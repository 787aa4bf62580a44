"""Sequential verdicts at ingest: the same in one batch, in many, after a restart, and after a correction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from features.window import to_ms
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from monitors.sequential import monitor
from monitors.verdicts.plan import monitoring_plan
from registry import queries
from registry.connection import Registry
from registry.incidents import ingest, sequential_verdicts
from registry.incidents.sequential_verdicts import SequentialVerdicts
from registry.records import Action
from tests.support import registry_values as make
from tests.support import stationary_reports as overtime

POLICY = overtime.POLICY
SHIFT = overtime.shift("x", 0.6, since=4)


@pytest.fixture(scope="module")
def known() -> Baseline:
    """The baseline of 30 quiet days."""
    return overtime.baseline(overtime.days(np.random.default_rng(1), 30))


@pytest.fixture(scope="module")
def raw(known: Baseline) -> list[Report]:
    """The reports of 14 later days with a shift from the fifth on, as their windows alone say."""
    return list(overtime.reports(known, overtime.days(np.random.default_rng(2), 14, change=SHIFT)))


def put(reg: Registry, reports: Sequence[Report], judges: SequentialVerdicts) -> ingest.Ingested:
    """Ingest *reports*."""
    return ingest.ingest(reg, reports, now=make.NOW, judge=judges.judge)


def stored(reg: Registry) -> list[Report]:
    """Return what is on record, the newest revisions, oldest window first."""
    rows = queries.windows(reg, "m", since=overtime.START, until=make.NOW + 9999 * make.DAY)
    return sorted((Report.model_validate(r.report) for r in rows), key=lambda r: r.window_end)


def verdicts(reports: Sequence[Report]) -> list[Verdict]:
    """Return the verdict on x of every report."""
    return [next(f.verdict for f in r.findings if f.signal is Signal.FEATURE and f.variable == "x") for r in reports]


def without_policy(reports: Sequence[Report]) -> list[Report]:
    """Return *reports* without the digest of what they were judged by."""
    return [r.model_copy(update={"policy": ""}) for r in reports]


@pytest.mark.parametrize("size", [1, 5, 14])
def test_what_is_stored_is_the_judgement_of_all_in_order(
    watched: Registry, known: Baseline, raw: list[Report], size: int
) -> None:
    """Whatever the batches, and with a new process at each: a function of baseline, policy and reports."""
    for at in range(0, len(raw), size):
        put(watched, raw[at : at + size], SequentialVerdicts({"m": POLICY}))
    wanted = list(monitor.judge_all(monitoring_plan(known, POLICY, Stage.INPUTS), raw))

    assert wanted == without_policy(stored(watched))
    assert Verdict.DRIFT in verdicts(wanted)


def test_one_process_goes_on_from_what_it_remembers(watched: Registry, raw: list[Report]) -> None:
    """A judge that is kept says what one that reads all anew says."""
    judges = SequentialVerdicts({"m": POLICY})
    for report in raw:
        put(watched, [report], judges)

    assert ([], len(raw)) == sequential_verdicts.recheck(watched, "m", POLICY)


def test_delivered_again_nothing_changes(watched: Registry, raw: list[Report]) -> None:
    """The same counts are the same report, judged or not."""
    put(watched, raw, SequentialVerdicts({"m": POLICY}))
    again = put(watched, raw[3:9], SequentialVerdicts({"m": POLICY}))

    assert (0, 0, 6) == (again.stored, again.revised, again.duplicates)


def test_a_late_correction_changes_the_verdicts_after_it(watched: Registry, known: Baseline, raw: list[Report]) -> None:
    """Days that looked shifted are counted again without the shift: the drift they led to is taken back."""
    put(watched, raw, SequentialVerdicts({"m": POLICY}))
    assert Verdict.DRIFT in verdicts(stored(watched))
    mended = list(overtime.reports(known, overtime.days(np.random.default_rng(2), 14)))
    result = put(watched, mended[4:], SequentialVerdicts({"m": POLICY}))

    assert result.revised >= 10
    assert Verdict.DRIFT not in verdicts(stored(watched))
    assert list(monitor.judge_all(monitoring_plan(known, POLICY, Stage.INPUTS), mended)) == without_policy(
        stored(watched)
    )


def test_another_policy_does_not_rewrite_the_past(watched: Registry, raw: list[Report]) -> None:
    """What was judged keeps its verdict; what comes is judged by the new policy; an audit compares like with like."""
    put(watched, raw[:10], SequentialVerdicts({"m": POLICY}))
    before = stored(watched)
    loose = MonitorPolicy(min_effect=0.9)
    put(watched, raw[10:], SequentialVerdicts({"m": loose}))

    assert before == stored(watched)[:10]
    assert Verdict.DRIFT not in verdicts(stored(watched)[10:])
    assert ([], 4) == sequential_verdicts.recheck(watched, "m", loose)


def test_a_verdict_in_the_words_of_another_release_is_the_same(watched: Registry, raw: list[Report]) -> None:
    """What a note says may be worded otherwise; verdict and evidence may not."""
    put(watched, raw, SequentialVerdicts({"m": POLICY}))
    last = stored(watched)[-1]
    findings = [
        f.model_copy(update={"sequential": f.sequential.model_copy(update={"note": "as it was said once"})})
        if f.sequential
        else f
        for f in last.findings
    ]
    ingest.ingest(watched, [last.model_copy(update={"findings": tuple(findings)})], now=make.NOW)

    assert ([], len(raw)) == sequential_verdicts.recheck(watched, "m", POLICY)


def test_a_verdict_that_does_not_follow_is_found(watched: Registry, raw: list[Report]) -> None:
    """A finding that somebody altered, digest and all, differs from what the counts on record give."""
    put(watched, raw, SequentialVerdicts({"m": POLICY}))
    told = stored(watched)[-1]
    judged = [f for f in told.findings if f.sequential]
    findings = [
        f.model_copy(update={"sequential": f.sequential.model_copy(update={"evidence": 1.0})})
        for f in judged
        if f.sequential
    ]
    altered = told.model_copy(update={"findings": tuple(findings)})
    ingest.ingest(watched, [altered.model_copy(update={"rows": told.rows + 1})], now=make.NOW)
    differ, _ = sequential_verdicts.recheck(watched, "m", POLICY)

    assert [to_ms(told.window_end)] == [to_ms(r.window_end) for r in differ]


def test_a_model_without_policy_is_left_alone(watched: Registry, raw: list[Report]) -> None:
    """Its reports are stored as their windows alone are."""
    put(watched, raw, SequentialVerdicts({}))

    assert raw == stored(watched)


@pytest.mark.parametrize("together", [True, False])
def test_rows_delivered_again_are_a_fault_of_the_feed(watched: Registry, raw: list[Report], together: bool) -> None:
    """Inputs count each delivery, outcomes each id: a tenth more is told with the outcomes, a hundredth is not."""
    inputs, judges = raw[:2], SequentialVerdicts({"m": POLICY})
    outcomes = [
        r.model_copy(
            update={
                "stage": Stage.OUTCOMES,
                "rows": n,
                "counts": {"coverage": [n, 0]},
                "newest_slice": {},
                "findings": (),
            }
        )
        for r, n in zip(inputs, (540, 594), strict=True)
    ]
    for batch in ([*inputs, *outcomes],) if together else (inputs, outcomes):
        put(watched, batch, judges)
    found = [r.findings for r in stored(watched) if r.stage is Stage.OUTCOMES]

    assert ["repeated_share"] == [f.metric for findings in found for f in findings]
    assert (0.1, Verdict.DRIFT, Signal.QUALITY) == (found[0][0].effect, found[0][0].verdict, found[0][0].signal)
    assert ([], 4) == sequential_verdicts.recheck(watched, "m", POLICY)


class Interrupted:
    """A judge during whose work *writers*, one a call, write to the registry; *calls* counts them."""

    def __init__(self, policy: MonitorPolicy, *writers: Callable[[], object]) -> None:
        self.judge, self.writers, self.calls = SequentialVerdicts({"m": policy}), list(writers), 0

    def judged(self, c: sa.Connection, reports: list[Report]) -> list[Report]:
        """Judge *reports*, and let a writer write before they are stored."""
        self.calls += 1
        verdicts = self.judge.judge(c, reports)
        if self.writers:
            self.writers.pop(0)()
        return verdicts


def in_time(write: Callable[[], object]) -> Callable[[], None]:
    """Return what lets another thread *write*, and fails if that has to wait for its turn."""

    def wait() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write).result(timeout=10)

    return wait


def test_another_writer_has_its_turn_while_a_series_is_judged_again(watched: Registry, raw: list[Report]) -> None:
    """A correction of the first day replays the series; a decision made meanwhile waits for nothing, nor undoes it."""
    put(watched, raw, SequentialVerdicts({"m": POLICY}))
    corrected = raw[0].model_copy(update={"rows": raw[0].rows + 1})
    judge = Interrupted(POLICY, in_time(lambda: make.decide(watched, None, Action.NOTHING)))
    result = ingest.ingest(watched, [corrected], now=make.NOW, judge=judge.judged)

    assert (1, 1, 1) == (judge.calls, result.revised, len(queries.decisions(watched)))
    assert ([], len(raw)) == sequential_verdicts.recheck(watched, "m", POLICY)


@pytest.mark.parametrize("conflicts", [1, 2, 3])
def test_what_changes_the_series_meanwhile_is_judged_with_it(
    watched: Registry, raw: list[Report], conflicts: int
) -> None:
    """However often reports come in between, the last is judged alone; what is stored is one judgement of all."""
    others = [in_time(partial(put, watched, [report], SequentialVerdicts({"m": POLICY}))) for report in raw[:conflicts]]
    judge = Interrupted(POLICY, *others)
    result = ingest.ingest(watched, raw[conflicts:], now=make.NOW, judge=judge.judged)

    assert (conflicts + 1, len(raw) - conflicts) == (judge.calls, result.stored)
    assert ([], len(raw)) == sequential_verdicts.recheck(watched, "m", POLICY)


def test_the_same_report_delivered_meanwhile_is_stored_once(watched: Registry, raw: list[Report]) -> None:
    """Two deliveries at the same moment are one report, and one of them a duplicate."""
    other = in_time(partial(put, watched, raw[:1], SequentialVerdicts({"m": POLICY})))
    judge = Interrupted(POLICY, other)
    result = ingest.ingest(watched, raw[:1], now=make.NOW, judge=judge.judged)

    assert (0, 0, 1) == (result.stored, result.revised, result.duplicates)
    assert 1 == len(stored(watched))


def test_another_models_reports_make_nobody_judge_again(watched: Registry, raw: list[Report]) -> None:
    """What a verdict rests on is its own model's."""
    make.champion(watched, of="other")
    other = make.window(1).model_copy(update={"model": "other"})
    judge = Interrupted(POLICY, in_time(lambda: ingest.ingest(watched, [other], now=make.NOW)))
    ingest.ingest(watched, raw, now=make.NOW, judge=judge.judged)

    assert 1 == judge.calls


def test_a_judge_goes_on_from_before_what_was_not_stored(
    watched: Registry, raw: list[Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a conflict, or a write that failed, the batch alone is judged again, not the series."""
    judges = SequentialVerdicts({"m": POLICY})
    put(watched, raw[:9], judges)
    judged: list[Report] = []
    judge = monitor.judge

    def counted(plan: Any, state: Any, report: Report) -> Any:
        judged.append(report)
        return judge(plan, state, report)

    monkeypatch.setattr(monitor, "judge", counted)
    with watched.read() as c:
        judges.judge(c, raw[9:])
    put(watched, raw[9:], judges)

    assert 2 * len(raw[9:]) == len(judged)
    assert ([], len(raw)) == sequential_verdicts.recheck(watched, "m", POLICY)
