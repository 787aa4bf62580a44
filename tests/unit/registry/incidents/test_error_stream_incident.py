"""Incidents of the error stream: of performance, outside the guarantee, and found again by the audit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from features.schema import EventSchema, Task
from features.window import Windows, from_ms, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage, Verdict
from monitors.profiles import outcome_counts
from monitors.profiles.side_channels import ERROR_STREAM
from monitors.report import Report
from monitors.simulation.policy_comparison import PolicyComparison
from monitors.stats.bins import Bins, freeze_numeric
from monitors.verdicts import window_verdict
from registry import queries
from registry.connection import Registry
from registry.incidents import ingest, sequential_verdicts
from registry.incidents.sequential_verdicts import SequentialVerdicts
from registry.records import IncidentState
from tests.support import registry_values as make

DAY = timedelta(days=1)
START = from_ms(0)
POLICY = MonitorPolicy(error_stream="adwin")
DAYS, ALARM = 20, 3
"""Days of the baseline, and the day after it on which single losses alarmed."""
QUIET, LOUD = [0, 0, 0, 0, 0], [1, 60_000, 1_207, 500_000, 900_000]


def outcomes(rng: np.random.Generator, bins: Mapping[str, Bins]) -> dict[str, list[int]]:
    """Return a quiet day's outcomes."""
    label, one = rng.normal(size=400), np.zeros(400, np.int64)
    said = label + rng.normal(size=400)
    found = outcome_counts.count(Task.REGRESSION, bins, said, label, np.ones(400, bool), one, 1)
    return {name: counts[0].tolist() for name, counts in found.items()}


@pytest.fixture(scope="module")
def known() -> Baseline:
    """Twenty quiet days of a regression."""
    rng = np.random.default_rng(1)
    bins = {name: freeze_numeric(rng.normal(size=4000)) for name in ("x", "prediction", "label")}
    windows = Windows(size=DAY, slide=DAY)
    events = EventSchema(model="m", task=Task.REGRESSION, features={"x": "numeric"}, windows=windows)
    slices = tuple(Slice(start=to_ms(START + DAY * i), counts=outcomes(rng, bins)) for i in range(DAYS))
    return Baseline(events=events, version="v1", start=START, end=START + DAY * DAYS, rows=400 * DAYS, bins=bins,
                    inputs=(), outcomes=slices)  # fmt: skip


@pytest.fixture(scope="module")
def later(known: Baseline) -> list[Slice]:
    """Eight quiet days after it, on one of which single losses alarmed all the same."""
    rng = np.random.default_rng(2)
    return [
        Slice(
            start=to_ms(known.end + DAY * i),
            counts={**outcomes(rng, known.bins), ERROR_STREAM: LOUD if i == ALARM else QUIET},
        )
        for i in range(8)
    ]


def report(known: Baseline, day: Slice, policy: MonitorPolicy = POLICY) -> Report:
    """Return the report that a job makes of a *day*."""
    found = window_verdict.judge(known, policy, stage=Stage.OUTCOMES, segment="", window_slices=1, start_ms=day.start,
                          counts=day.counts, newest=day.counts)  # fmt: skip
    start = from_ms(day.start)
    return Report(
        model="m",
        version="v1",
        stage=Stage.OUTCOMES,
        window_start=start,
        window_end=start + DAY,
        baseline=known.digest,
        rows=400,
        counts=day.counts,
        newest_slice=day.counts,
        findings=found,
    )


def put(reg: Registry, reports: list[Report], policy: MonitorPolicy = POLICY) -> ingest.Ingested:
    """Ingest *reports*, judged over time."""
    return ingest.ingest(reg, reports, now=make.NOW, judge=SequentialVerdicts({"m": policy}).judge)


def test_an_alarm_opens_an_incident_of_performance_outside_the_promise(
    watched: Registry, known: Baseline, later: list[Slice]
) -> None:
    """Its evidence names the record; the days around it are steady."""
    (incident,) = put(watched, [report(known, day) for day in later]).opened
    (evidence,) = incident.evidence

    assert (Signal.PERFORMANCE.value, ERROR_STREAM, False) == (
        incident.signal,
        evidence.finding.variable,
        evidence.finding.guaranteed,
    )
    assert (1, 8 - ALARM - 1) == (incident.windows, incident.steady)
    assert "the 1,207th that it saw" in evidence.finding.reason


def test_an_alarm_goes_to_the_incident_that_is_open(watched: Registry, known: Baseline, later: list[Slice]) -> None:
    """There is one incident of performance of a version at a time, whichever finding began it."""
    made = [report(known, day) for day in later]
    worse = [
        f.model_copy(update={"window_verdict": Verdict.DRIFT}) if f.variable == "loss" else f for f in made[1].findings
    ]
    ingest.ingest(watched, [made[1].model_copy(update={"findings": tuple(worse)})], now=make.NOW)
    result = ingest.ingest(watched, [made[ALARM]], now=make.NOW)

    assert () == result.opened
    assert [2] == [incident.windows for incident in result.updated]
    assert [IncidentState.OPEN] == [incident.state for incident in queries.incidents(watched, "m")]


def test_what_is_on_record_says_so_again(watched: Registry, known: Baseline, later: list[Slice]) -> None:
    """The audit judges all windows again and finds every verdict the same."""
    put(watched, [report(known, day) for day in later])

    assert ([], 8) == sequential_verdicts.recheck(watched, "m", POLICY)


def test_a_rehearsal_sees_it_where_its_policy_asks(known: Baseline, later: list[Slice]) -> None:
    """Recorded slices through two policies: one looks at the error stream, the other does not."""
    told = list(PolicyComparison(known, (POLICY, MonitorPolicy()), Stage.OUTCOMES).run(later))
    seen = [[any(f.variable == ERROR_STREAM for f in reports[i].findings) for reports in told] for i in range(2)]

    assert [[day == ALARM for day in range(8)], [False] * 8] == seen
