"""Skew of features as windows close: a fault like any other, which bars its rows from training."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from leeway import assembly
from monitors.finding import Finding, Signal, Verdict
from monitors.quality.fault import kinds
from monitors.report import Report
from monitors.verdicts.window_verdict import WITHHELD
from registry import operations, queries
from registry.faulty_periods import faulty_periods
from registry.records import AcceptedAs
from retrain_flows.audit import feature_skew as audited
from retrain_flows.audit.notes import Notes
from retrain_flows.data import usable_rows
from tests.support import skew_world
from tests.support.command_line import printed
from tests.support.skew_world import HOURS, NOW, PER_HOUR, SkewWorld, moment


def quality(world: SkewWorld) -> Mapping[datetime, list[Finding]]:
    """Return the findings of quality on record, by the end of their window."""
    rows = queries.windows(world.opened.registry, "late", segment="")
    return {row.window_end: [f for f in Report.model_validate(row.report).findings if f.signal is Signal.QUALITY]
            for row in rows}  # fmt: skip


def test_a_skewed_feature_is_a_fault_of_its_slice(tmp_path: Path) -> None:
    """It opens an incident, is on pages with its cause, and its rows are not trained on; other hours are."""
    with skew_world.opened(tmp_path, {10: 0.2}) as world:
        world.consumer.store(world.reports())
        stored = quality(world)
        (fault,) = stored[moment(11)]

        assert ("delay", Verdict.DRIFT, {"skew"}) == (fault.variable, fault.window_verdict, kinds(fault))
        assert (0.2, PER_HOUR) == (fault.effect, fault.n)
        assert "20 of 100 sampled rows were logged with another delay than the facts give" in fault.reason
        assert all(f.variable == "*" and f.verdict is not Verdict.DRIFT
                   for end, own in stored.items() if end != moment(11) for f in own)  # fmt: skip
        assert [Signal.QUALITY] == [incident.signal for incident in queries.incidents(world.opened.registry)]
        (period,) = faulty_periods(world.opened.registry, "late")
        assert (moment(10), moment(11), ("delay",)) == (period.start, period.end, period.variables)
        ws = assembly.workspace(world.opened, world.model)
        rows = usable_rows.read(ws, as_of=moment(HOURS + 2), start=moment(0), end=moment(HOURS))
        assert ((HOURS - 1) * PER_HOUR, PER_HOUR) == (len(rows.rows), rows.barred)
    assert "quality" in printed(tmp_path, "incidents")
    assert "than the facts give" in " ".join(printed(tmp_path, "why", "1").split())


def test_a_fault_is_no_drift_of_the_feature(tmp_path: Path) -> None:
    """The feature and what rests on all features are not judged on that window."""
    with skew_world.opened(tmp_path, {11: 0.5}) as world:
        world.consumer.store(world.reports())
        (row,) = queries.windows(world.opened.registry, "late", since=moment(9), until=moment(12), segment="", limit=1)
        judged = {(f.signal, f.variable): f for f in Report.model_validate(row.report).findings}

        delay, x = judged[Signal.FEATURE, "delay"], judged[Signal.FEATURE, "x"]
        assert (moment(12), None, Verdict.NOT_ENOUGH) == (row.window_end, delay.effect, delay.window_verdict)
        assert delay.reason.startswith(WITHHELD)
        assert not x.reason.startswith(WITHHELD)


@pytest.mark.parametrize(("before", "after", "faults"), [(0.0, 0.0, 0), (0.3, 0.3, 0), (0.3, 0.9, 4)])
def test_what_the_baseline_had_is_no_fault(tmp_path: Path, before: float, after: float, faults: int) -> None:
    """A caller that always sent some values of its own is as it was; one that sends more is not."""
    shares = {hour: before if hour < skew_world.BASELINE_HOURS else after for hour in range(HOURS)}
    with skew_world.opened(tmp_path, shares) as world:
        world.consumer.store(world.reports())
        drifted = [f for own in quality(world).values() for f in own if f.verdict is Verdict.DRIFT]

        assert faults == len(drifted)


def test_facts_that_cannot_be_read_are_told_and_stop_nothing(tmp_path: Path) -> None:
    """Windows are judged; the finding on the feature says that it could not be compared, and why."""
    with skew_world.opened(tmp_path, {}) as world:
        reports = world.reports()
        (tmp_path / "landings").rename(tmp_path / "moved")
        world.consumer.store(reports)
        (own,) = [f for f in quality(world)[moment(11)] if f.variable == "delay"]

        assert Verdict.NOT_ENOUGH is own.verdict
        assert "could not be compared with the facts" in own.reason
        assert "landings is not there" in own.reason
        assert () == tuple(queries.incidents(world.opened.registry))


def test_a_fault_that_is_accepted_as_drift_is_none_afterwards(tmp_path: Path) -> None:
    """As with any fault: the next windows are judged for drift."""
    with skew_world.opened(tmp_path, {10: 0.4, 11: 0.4}) as world:
        first, last = [r for r in world.reports() if r.window_end < moment(12)], world.reports()[-1:]
        world.consumer.store(first)
        (incident,) = queries.incidents(world.opened.registry)
        operations.accept_incident(world.opened.registry, incident.id, accepted_as=AcceptedAs.DRIFT,
                                   because="callers send their own", actor="ann", now=NOW)  # fmt: skip
        world.consumer.store(last)

        assert [("*", Verdict.STEADY)] == [(f.variable, f.verdict) for f in quality(world)[moment(12)]]
        assert [] == list(faulty_periods(world.opened.registry, "late"))


def test_reports_that_come_again_change_nothing(tmp_path: Path) -> None:
    """Another process that stores the same reports finds them on record, fault and all."""
    with skew_world.opened(tmp_path, {10: 0.2}) as world:
        world.consumer.store(world.reports())
        before = quality(world)
        again = SkewWorld.__new__(SkewWorld)
        again.opened, again.baseline = world.opened, world.baseline
        again.consumer.store(again.reports())

        assert (before, 0, 0) == (quality(world), again.consumer.tally.stored, again.consumer.tally.revised)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_audit_has_a_line_for_it(tmp_path: Path, share: float) -> None:
    """How many values were compared and differ, and a finding with the feature where they differ too often."""
    with skew_world.opened(tmp_path, {10: share}) as world:
        notes = Notes()
        audited.check(assembly.workspace(world.opened, world.model), moment(9), moment(12), notes, now=NOW)

        assert {"fact_values": 300, "fact_values_different": round(share * 100)} == notes.numbers
        assert bool(share) == any("delay (6.7% of sampled rows, line" in finding for finding in notes.findings)
