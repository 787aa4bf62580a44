"""Recorded slices in other windows, judged by several policies: the same verdicts as the monitor's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.window import Windows, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.sequential import monitor
from monitors.simulation import rewindow
from monitors.simulation.policy_comparison import PolicyComparison
from monitors.simulation.tilting import rounded_to_total
from monitors.verdicts import plan, window_verdict
from tests.support import recorded_history as replayed

DAY = to_ms(replayed.DAY)
KNOWN = replayed.baseline()
SERIES = [(Stage.INPUTS, ""), (Stage.INPUTS, "site=a"), (Stage.OUTCOMES, "")]


def policy(budget: str = "1 per 90 days", **said: float) -> MonitorPolicy:
    """Return a policy with a budget."""
    return MonitorPolicy.model_validate({"false_alarms": budget, **said})


def of(slices: Sequence[Slice], segment: str = "") -> list[Slice]:
    """Return the slices of one segment."""
    return [s for s in slices if s.segment == segment]


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3) | st.none(), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_a_window_is_the_sum_of_its_slices(days: list[list[int] | None], length: int) -> None:
    """Of those that are there: counts, the newest slice, and in how many slices the most constant cell has events."""
    slices = [Slice(start=i, counts={"x": row}) for i, row in enumerate(days) if row]
    found = {w.start: w for w in rewindow.windows(slices, length, 1)}

    for end in range(slices[0].start, slices[-1].start + 1) if slices else ():
        part = np.array([days[i] or [0, 0, 0] for i in range(max(0, end - length + 1), end + 1)])
        window = found.pop(end - length + 1, None)
        if window is None:
            assert not part.any()
        else:
            expected = (part.sum(axis=0).tolist(), part[-1].tolist(), int((part > 0).sum(axis=0).max()))
            assert expected == (window.counts["x"], window.newest["x"], window.slices_with_events)
    assert {} == found


def test_slices_are_the_newest_of_reports() -> None:
    """One a report, by time; a report from before there were any tells nothing."""
    ins, _ = replayed.later(KNOWN, 4)
    found = replayed.reports(KNOWN, tuple(of(ins)))
    old = found[0].model_copy(update={"newest_slice": {}})

    assert of(ins) == rewindow.newest_slices(reversed(found), DAY)
    assert of(ins)[1:] == rewindow.newest_slices([old, *found[1:]], DAY)


def test_a_baseline_is_cut_anew_as_its_events_would_have_been() -> None:
    """Two days make a slice of two days, in all segments and stages; less than a slice cannot be had."""
    cut = rewindow.recut(KNOWN, Windows.model_validate({"size": "4d", "slide": "2d"}))
    one, *_, last = cut.slices(Stage.INPUTS, "site=b")
    days = {d.start: np.array(d.counts["x"]) for d in KNOWN.slices(Stage.INPUTS, "site=b")}

    for slice_ in (one, last):
        inside = [days[at] for at in (slice_.start, slice_.start + DAY) if at in days]
        assert np.sum(inside, axis=0).tolist() == slice_.counts["x"]
    assert {0} == {s.start % (2 * DAY) for s in cut.inputs}
    assert KNOWN.counts(Stage.OUTCOMES, "loss").sum() == cut.counts(Stage.OUTCOMES, "loss").sum()
    assert KNOWN is rewindow.recut(KNOWN, KNOWN.events.windows)
    assert KNOWN.inputs is rewindow.recut(KNOWN, Windows.model_validate({"size": "4d", "slide": "1d"})).inputs
    with pytest.raises(DataError, match="slices of 12h cannot be made of the 1d"):
        rewindow.recut(KNOWN, Windows.model_validate({"size": "1d", "slide": "12h"}))


def alone(known: Baseline, rules: MonitorPolicy, slices: Sequence[Slice], stage: Stage, segment: str) -> list[Report]:
    """Return what the monitor and the registry say of *slices* by one policy: window by window, then over time."""
    raw = []
    for report, window in zip(
        (r for r in replayed.reports(known, tuple(slices), stage)),
        rewindow.windows(slices, known.events.windows.slices, DAY),
        strict=True,
    ):
        found = window_verdict.judge(
            known,
            rules,
            stage=stage,
            segment=segment,
            window_slices=known.events.windows.slices,
            start_ms=to_ms(report.window_start),
            counts=report.counts,
            newest=report.newest_slice,
            slices_with_events=window.slices_with_events,
        )
        raw.append(report.model_copy(update={"findings": found}))
    return list(monitor.judge_all(plan.monitoring_plan(known, rules, stage, segment), raw))


def verdicts(reports: Sequence[Report]) -> list[list[tuple[Signal, str, Verdict, bool | None, float | None]]]:
    """Return what each report says, but for words."""
    return [[(f.signal, f.variable, f.verdict, f.guaranteed, f.effect) for f in r.findings] for r in reports]


def broken(slices: Sequence[Slice], *, slowly: bool) -> list[Slice]:
    """Return slices in which half of every fifth's x is missing or, *slowly*, a row more each day."""

    def part(s: Slice, i: int) -> Slice:
        lost = i if slowly else sum(s.counts["x"]) // 2 * (i % 5 == 0)
        row = rounded_to_total(np.array(s.counts["x"]), sum(s.counts["x"]) - lost).tolist()
        row[KNOWN.bins["x"].body + 2] += lost
        return s.model_copy(update={"counts": {**s.counts, "x": row}})

    return [part(s, i) for i, s in enumerate(slices)]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "segment"), SERIES)
@pytest.mark.parametrize("spoil", ["not", "often", "slowly"])
def test_several_policies_say_what_each_says_alone(stage: Stage, segment: str, spoil: str) -> None:
    """Shared work changes no verdict: with other budgets and effects, with faults, before and after an alarm."""
    ins, outs = replayed.later(KNOWN, 30, since=8)
    slices = of(ins, segment) if stage is Stage.INPUTS else of(outs)
    slices = broken(slices, slowly=spoil == "slowly") if spoil != "not" and stage is Stage.INPUTS else slices
    said = {"max_missing_increase": 0.0}
    rules = (
        policy("1 per 90 days", **said), policy("2 per 1 days", **said), policy("1 per 9000 days", **said),
        policy(min_effect=0.3),
    )  # fmt: skip
    together = list(zip(*PolicyComparison(KNOWN, rules, stage, segment).run(slices), strict=True))

    for mine, one in zip(together, rules, strict=True):
        expected = alone(KNOWN, one, slices, stage, segment)
        assert verdicts(expected) == verdicts(mine)
        assert [(r.window_start, r.counts, r.newest_slice) for r in expected] == [
            (r.window_start, r.counts, r.newest_slice) for r in mine
        ]


def test_the_alarms_differ_where_budgets_do() -> None:
    """The world above is one in which sharing could go wrong: a looser budget alarms sooner."""
    ins, _ = replayed.later(KNOWN, 30, since=8)
    rules = (policy("1 per 900 days"), policy("1 per 5 days"))
    strict, loose = zip(*PolicyComparison(KNOWN, rules, Stage.INPUTS).run(of(ins)), strict=True)
    first = [next(i for i, r in enumerate(some) if _promised(r)) for some in (strict, loose)]

    assert first[1] < first[0]


def _promised(report: Report) -> bool:
    return any(f.guaranteed and f.verdict is Verdict.DRIFT for f in report.findings)


def test_slices_of_the_baselines_own_period_are_not_judged() -> None:
    """They are part of windows that end later, and no more."""
    ins, _ = replayed.later(KNOWN, 3)
    every = [*KNOWN.slices(Stage.INPUTS)[-3:], *of(ins)]
    found = [r[0] for r in PolicyComparison(KNOWN, (policy(),), Stage.INPUTS).run(every)]

    assert 3 == len(found)
    assert 400 == found[0].rows


def test_windows_of_equal_keys_are_described_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time their findings are those of the first."""
    asked: list[int] = []
    judge = window_verdict.judge

    def counted(*args: object, **said: object) -> tuple[Finding, ...]:
        asked.append(1)
        return judge(*args, **said)  # type: ignore[arg-type]

    monkeypatch.setattr(window_verdict, "judge", counted)
    ins, _ = replayed.later(KNOWN, 4)
    bench = PolicyComparison(KNOWN, (policy(),), Stage.INPUTS)
    windows = [(w, w.start) for w in rewindow.windows(of(ins), 2, DAY)]
    first, again = (verdicts([r[0] for r in bench.judge(windows, bench.monitoring_plans())]) for _ in range(2))

    assert first == again
    assert 4 == len(asked)
