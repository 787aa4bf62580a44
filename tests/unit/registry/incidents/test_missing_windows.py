"""Missing windows: made by the registry where no data came, if silence is a fault.

slice     0 1 2 ... 19 | 20 21 22 | 23 24 25 26 | 27 ...
          baseline     | rows     | nothing     | rows again
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest

from features.schema import PREDICTION, UNUSABLE, Task
from features.window import from_ms
from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from monitors.verdicts import window_verdict
from monitors.worker.report_lines import WindowCounts
from registry import operations, outbox, queries
from registry.audit_log import chain
from registry.connection import Registry
from registry.incidents import ingest, missing_windows, sequential_verdicts
from registry.records import Action, Incident, IncidentState
from tests.support import audit_chain
from tests.support import learned_baselines as learned
from tests.support import registry_values as make
from tests.support.learned_baselines import DAY, schema

POLICY = MonitorPolicy()
FIRST = 20


@pytest.fixture(scope="module")
def known() -> Baseline:
    """The baseline: twenty days of fifty rows; windows have two slices of a day."""
    rng = np.random.default_rng(1)
    rows = {"x": rng.normal(size=1000), PREDICTION: rng.random(1000), "label": rng.integers(2, size=1000).astype(float)}
    return learned.baseline(schema(Task.BINARY, "x"), rows)


@pytest.fixture
def watched(reg: Registry, known: Baseline) -> Registry:
    """A registry whose champion has that baseline."""
    operations.add_model(reg, model="m", task="binary", now=make.NOW)
    make.version(reg, "v1")
    operations.store_baseline(reg, known, now=make.NOW)
    operations.promote(
        reg, model="m", version="v1", expected_generation=0, effective_at=from_ms(FIRST * DAY),
        actor="test", reason="first", now=make.NOW,
    )  # fmt: skip
    return reg


def reports(known: Baseline, days: Sequence[int]) -> list[Report]:
    """Return the reports on every closed window with a row in it, of fifty rows on each of *days*."""
    own = {day: {k: v for k, v in known.inputs[day % 20].counts.items() if k != UNUSABLE} for day in days}
    nothing = {name: [0] * len(row) for name, row in own[days[0]].items()}
    made = []
    for last in sorted({day + more for day in days for more in (0, 1) if day + more <= max(days)}):
        newest, before = own.get(last, nothing), own.get(last - 1, nothing)
        window = {name: [a + b for a, b in zip(newest[name], before[name], strict=True)] for name in newest}
        counted = WindowCounts(window, newest, (last in own) + (last - 1 in own))
        made.append(_report(known, last, counted))
    return made


def _report(known: Baseline, last: int, counted: WindowCounts) -> Report:
    start = (last - 1) * DAY
    findings = window_verdict.judge(
        known, POLICY, stage=Stage.INPUTS, segment="", window_slices=2, start_ms=start, counts=counted.window,
        newest=counted.newest, slices_with_events=counted.slices,
    )  # fmt: skip
    return Report(model="m", version="v1", stage=Stage.INPUTS, window_start=from_ms(start),
                  window_end=from_ms(start + 2 * DAY), baseline=known.digest, rows=sum(counted.window[PREDICTION]),
                  counts=dict(counted.window), newest_slice=dict(counted.newest), findings=findings)  # fmt: skip


def take(reg: Registry, found: Sequence[Report], until: datetime | None = None, come: datetime | None = None) -> None:
    """Store *found*, and what is missing up to *until*, *come* being known to have come."""
    judge = partial(
        sequential_verdicts.SequentialVerdicts({"m": POLICY}).judge,
        until={"m": missing_windows.ClockReached(until, come)} if until else {},
    )
    ingest.ingest(reg, found, now=make.NOW, judge=judge)


def faults(reg: Registry) -> list[int]:
    """Return the last days of the windows whose feed is silent."""
    stored = (Report.model_validate(row.report) for row in queries.windows(reg, "m"))
    return [(r.window_end - from_ms(0)) // timedelta(days=1) - 1
            for r in stored if any(f.metric == "silent_slices" for f in r.drifted())]  # fmt: skip


def incidents(reg: Registry) -> list[Incident]:
    """Return the incidents of faults."""
    return [i for i in queries.incidents(reg, "m") if i.signal == Signal.QUALITY.value]


def test_days_without_a_record_between_others_are_a_fault(watched: Registry, known: Baseline) -> None:
    """Each is told from the first on, those too whose windows have no row; the incident is like any other."""
    take(watched, reports(known, [*range(FIRST, 23), *range(27, 30)]))
    (incident,) = incidents(watched)

    assert [23, 24, 25, 26] == faults(watched)
    assert ("critical", 4, IncidentState.OPEN) == (incident.severity.value, incident.windows, incident.state)
    assert "no predictions for 1d, since 1970-01-24" in incident.evidence[0].finding.reason
    assert "incident.opened" in {m.type for m in outbox.messages(watched)}
    assert [] == audit_chain.verify(watched)


def test_the_incident_ends_by_the_usual_rule(watched: Registry, known: Baseline) -> None:
    """When rows come again: decided, and after as many steady windows as any other incident asks for."""
    days = [*range(FIRST, 23), *range(27, 33)]
    take(watched, reports(known, [day for day in days if day < 29]))
    operations.record_decision(watched, model="m", incident_id=incidents(watched)[0].id, action=Action.REPAIR_DATA,
                          because=["the feed was away"], actor="ann", now=make.NOW)  # fmt: skip
    take(watched, reports(known, days))
    assert [IncidentState.RESOLVED] == [i.state for i in incidents(watched)]


def test_a_feed_that_stops_is_told_though_no_window_closes(watched: Registry, known: Baseline) -> None:
    """Time is an argument: at the end of the first empty slice there is a fault, and not a moment before."""
    take(watched, reports(known, range(FIRST, 23)))
    take(watched, [], from_ms(24 * DAY - 1))
    assert [] == faults(watched)
    take(watched, [], from_ms(24 * DAY))
    assert [23] == faults(watched)
    take(watched, [], from_ms(26 * DAY))
    assert [23, 24, 25] == faults(watched)


def test_the_slice_of_the_newest_record_is_not_silent(watched: Registry, known: Baseline) -> None:
    """Its window is not closed, as nothing later came, so no report tells of it; the silence begins after it."""
    take(watched, reports(known, range(FIRST, 23)))
    take(watched, [], from_ms(24 * DAY), come=from_ms(23 * DAY + 5))
    assert [] == faults(watched)
    take(watched, [], from_ms(25 * DAY), come=from_ms(23 * DAY + 5))
    assert [24] == faults(watched)


def test_what_the_clock_made_is_what_the_stream_would_have_made(watched: Registry, known: Baseline) -> None:
    """A window that was told by the clock and is reported later, when the feed goes on, is a duplicate."""
    closed = reports(known, range(FIRST, 23))
    take(watched, closed)
    take(watched, [], from_ms(26 * DAY))
    take(watched, reports(known, [*range(FIRST, 23), *range(26, 29)]))

    assert {1} == {row.revision for row in queries.windows(watched, "m")}
    assert [23, 24, 25] == faults(watched)


def test_a_feed_that_never_comes_is_told(watched: Registry) -> None:
    """From the moment on from which the champion serves; nothing else is on record then."""
    take(watched, [], from_ms((FIRST + 2) * DAY))
    assert [FIRST, FIRST + 1] == faults(watched)


def test_what_lies_before_the_first_record_is_no_silence(watched: Registry, known: Baseline) -> None:
    """A log that begins months after its baseline was read from its first event on: nobody missed the time before."""
    take(watched, reports(known, range(90, 93)))
    assert [] == faults(watched)


def test_late_records_take_the_fault_back(watched: Registry, known: Baseline) -> None:
    """What had been missing came after all, and the windows are reported anew: the incident is corrected."""
    take(watched, reports(known, [*range(FIRST, 23), 24, 25]))
    take(watched, reports(known, range(FIRST, 26)))

    assert 23 not in faults(watched)
    assert 1 == incidents(watched)[0].corrections


def test_verdicts_of_silence_follow_from_the_record(watched: Registry, known: Baseline) -> None:
    """Who judges everything again finds the same, as an audit does."""
    take(watched, reports(known, [*range(FIRST, 23), *range(27, 30)]))
    differ, same = sequential_verdicts.recheck(watched, "m", POLICY)

    assert ([], True) == (differ, same > 0)
    assert Verdict.DRIFT.value in {row.verdict for row in queries.windows(watched, "m")}
    assert chain.SYSTEM == queries.audit_log(watched)[-1].actor
