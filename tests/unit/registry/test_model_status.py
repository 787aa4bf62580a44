"""Model status: the worst first, and steady only if something was judged."""

from __future__ import annotations

from itertools import product

import pytest

from features.window import from_ms
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.signals import Severity
from registry import model_status, operations
from registry.connection import Registry
from registry.model_status import ModelState
from registry.records import Incident, IncidentState, Version
from tests.support import incident_world
from tests.support.drift_evidence import evidence

DAY = 86_400_000
NOW = from_ms(20 * DAY)


def finding(signal: Signal, verdict: Verdict, variable: str = "x", reason: str = "because") -> Finding:
    """Return what a window says of one signal."""
    return Finding(
        signal=signal, variable=variable, window_verdict=verdict, metric="m", n=1, baseline_n=1, reason=reason
    )


def report(stage: Stage, *findings: Finding, **counts: list[int]) -> Report:
    """Return a window of two days that ended two days before now."""
    return Report(model="m", version="v1", stage=stage, window_start=from_ms(16 * DAY), window_end=from_ms(18 * DAY),
                  baseline="", rows=40, counts=counts, findings=findings)  # fmt: skip


def incident(severity: Severity, signal: Signal = Signal.FEATURE, segment: str = "") -> Incident:
    """Return an open incident of *signal* in one segment."""
    far = evidence("x", segment=segment, reason="far away")
    times = dict.fromkeys(("since", "opened_at", "last_seen", "judged_until"), NOW)
    return Incident(id=7, model="m", version="v1", signal=signal.value, severity=severity, state=IncidentState.OPEN,
                    windows=1, evidence=(far,), **times)  # fmt: skip


STEADY = report(
    Stage.INPUTS,
    *(finding(s, Verdict.STEADY) for s in (Signal.QUALITY, Signal.FEATURE, Signal.PREDICTION)),
    x=[40], prediction=[40],
)  # fmt: skip


@pytest.mark.parametrize(("severity", "segment"), list(product(Severity, ["", "origin=JFK"])))
def test_an_open_incident_of_any_segment_comes_before_steady_windows(severity: Severity, segment: str) -> None:
    """The model is as bad as its worst incident, however steady all traffic is, and that is said first."""
    stands = model_status.model_status([incident(Severity.INFO), incident(severity, segment=segment)], STEADY, None)

    assert ModelState(severity.value) is stands.state
    assert stands.lines[0].startswith(f"{severity.value}: feature drift in x")
    assert (f"in x, segment {segment} (" in " ".join(stands.lines)) == bool(segment)


def test_steady_is_said_of_what_was_judged() -> None:
    """The others are named, with the reason; features that could not be judged are no steady ones."""
    some = report(Stage.INPUTS, *STEADY.findings, finding(Signal.FEATURE, Verdict.NOT_ENOUGH, "y", "too noisy"))
    stands = model_status.model_status([], some, None)

    assert ModelState.STEADY is stands.state
    assert "3 of 6 signals are steady" == stands.lines[0]
    assert {"1 of 2 features (y)": "too noisy", "performance": "no window with labels yet",
            "label": "no window with labels yet"} == stands.unjudged  # fmt: skip


@pytest.mark.parametrize("inputs", [None, report(Stage.INPUTS, finding(Signal.QUALITY, Verdict.STEADY, "*"))])
def test_inputs_that_nobody_can_judge_are_said_first(inputs: Report | None) -> None:
    """No window, or none with anything to compare: that is no steady model."""
    stands = model_status.model_status([], inputs, None)
    assert ModelState.NOT_JUDGED is stands.state
    assert stands.lines[0].startswith("inputs cannot be judged: ")
    assert "steady" not in stands.lines[0]


def test_a_window_that_drifts_is_told_without_an_incident_too() -> None:
    """A signal that opens no incident by the project file is no steady one."""
    stands = model_status.model_status([], report(Stage.INPUTS, finding(Signal.FEATURE, Verdict.DRIFT)), None)
    assert (ModelState.DRIFT, "drift in feature; no incident is open (yet)") == (stands.state, stands.lines[0])


def test_records_that_were_set_aside_are_counted_by_their_reason() -> None:
    """In the newest window, by variable and by what else was of no use."""
    lost = STEADY.model_copy(update={"counts": {**STEADY.counts, "refused": [0, 3], "unusable": [0, 2, 0, 0]}})
    stands = model_status.model_status([], lost, None)

    assert {"x": 3, "time": 2} == stands.set_aside
    assert "5 of 45 records of the newest window rejected, by column: x 3, time 2; see the dead letters" in stands.lines


def test_ages_are_told_in_two_units() -> None:
    """Of the newest window, and of the newest slice with any record in it."""
    stands = model_status.model_status([], STEADY, None, heard=from_ms(17 * DAY + 3_600_000))
    assert ("2d ago", "2d23h ago") == (stands.age(NOW), stands.heard_age(NOW))
    assert "" == model_status.model_status([], None, None).age(NOW)


def test_a_version_that_answers_beside_the_champion_is_named(reg: Registry) -> None:
    """Where nobody has told the service of a promotion: its windows open no incident, and that must be seen."""
    incident_world.begin(reg)
    assert "of the champion" not in model_status.read(reg, "late").text
    other = incident_world.baseline(version="v2")
    operations.add_version(reg, Version(model="late", version="v2", mode="external", created_at=NOW))
    operations.store_baseline(reg, other, now=NOW)
    of_other = {"version": "v2", "baseline": other.digest}
    later = [r.model_copy(update=of_other) for r in incident_world.window(2, drift=False)]
    incident_world.store(reg, later)
    assert "the newest window has predictions of v2 and none of the champion" in model_status.read(reg, "late").lines
    incident_world.store(reg, incident_world.window(2, drift=False))
    assert "of the champion" not in model_status.read(reg, "late").text
