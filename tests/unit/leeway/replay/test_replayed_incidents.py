"""The incident life cycle on two stores, in memory for a replay and in the registry: one suite for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.window import UTC
from leeway.replay import replayed_incidents
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry import operations, queries
from registry.config import IncidentPolicy
from registry.connection import Registry
from registry.incidents import ingest
from registry.incidents.ingest import Rules
from registry.records import Action, Incident, IncidentState, Version
from tests.support import recorded_history as replayed
from tests.support.example_counts import examples

DAY, NOW = timedelta(days=1), datetime(2024, 6, 1, tzinfo=UTC)
KEPT = ("signal", "severity", "since", "opened_at", "last_seen", "judged_until", "windows", "steady", "resolution")
Incidents = Callable[[list[Report], IncidentPolicy], list[Incident]]
VERDICTS = st.sampled_from([*Verdict, None])
RULES = st.fixed_dictionaries({
    "open_after": st.sampled_from([{"windows": 1, "of": 1}, {"windows": 2, "of": 3}]),
    "clear_after": st.integers(1, 3),
    "cool_down": st.sampled_from(["0d", "3d"]),
})  # fmt: skip


def report(day: int, told: dict[Signal, Verdict | None], *, segment: str = "", stage: Stage = Stage.INPUTS,
           effect: float = 0.2) -> Report:  # fmt: skip
    """Return the report of the window that ends after *day* days, with a finding for each verdict."""
    findings = tuple(
        Finding(signal=signal, variable="x", window_verdict=verdict, metric="js", effect=effect, threshold=0.1, n=50,
                baseline_n=50)
        for signal, verdict in told.items()
        if verdict
    )  # fmt: skip
    end = NOW + day * DAY
    return Report(model="m", version="v1", segment=segment, stage=stage, window_start=end - DAY, window_end=end,
                  baseline="0" * 64, rows=50, counts={"x": [day]}, findings=findings)  # fmt: skip


def found(reports: list[Report], **rules: Any) -> list[replayed_incidents.ReplayedIncident]:
    """Return the episodes in *reports*."""
    policy = IncidentPolicy.model_validate(rules)
    return replayed_incidents.replayed_incidents(
        (replayed_incidents.window_verdicts(r) for r in reports), policy, model="m", version="v1"
    )


def days(verdicts: str) -> list[Report]:
    """Return a report a day: d(rift), s(teady) or n(ot enough evidence) of a feature."""
    of = {"d": Verdict.DRIFT, "s": Verdict.STEADY, "n": Verdict.NOT_ENOUGH}
    return [report(i, {Signal.FEATURE: of[letter]}) for i, letter in enumerate(verdicts)]


def span(incident: Incident) -> tuple[int, int | None]:
    """Return the days on which an incident opened and, once it has ended, was judged last."""
    ended = incident.state is IncidentState.RESOLVED
    return (incident.opened_at - NOW).days, (incident.judged_until - NOW).days if ended else None


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Yield a registry for many models."""
    folder = tmp_path_factory.mktemp("registry")
    with Registry.open(f"sqlite:///{folder / 'leeway.db'}", Path(folder)) as reg:
        yield reg


@pytest.fixture(params=["memory", "registry"])
def incidents(request: pytest.FixtureRequest, registry: Registry) -> Incidents:
    """Return what counts the incidents in reports, by either store; each incident is decided as soon as it opens."""
    if request.param == "registry":
        return lambda reports, policy: opened(registry, champion(registry), reports, policy)
    return lambda reports, policy: [one.incident for one in found(reports, **policy.model_dump())]


@pytest.mark.parametrize(
    ("verdicts", "rules", "expected"),
    [
        ("sssss", {}, []),
        ("sdssd", {}, [(1, None)]),
        ("sdsssd", {}, [(1, 4), (5, None)]),
        ("sdsssd", {"cool_down": "2d"}, [(1, None)]),
        ("sdsdd", {"open_after": {"windows": 2, "of": 2}}, [(4, None)]),
        ("dnsnsns", {"clear_after": 3}, [(0, 6)]),
        ("nnnn", {}, []),
    ],
)
def test_an_incident_opens_and_ends_by_the_policy(
    incidents: Incidents, verdicts: str, rules: dict[str, Any], expected: list[tuple[int, int | None]]
) -> None:
    """N of M windows open it, steady ones in a row end it, a cool-down joins two, what is not judged counts not."""
    policy = IncidentPolicy.model_validate(rules)

    assert expected == [span(incident) for incident in incidents(days(verdicts), policy)]


def test_what_it_was_when_it_opened_is_kept() -> None:
    """An incident grows; what it was decided on is what was known when it opened."""
    (alarm,) = found(
        [report(0, {Signal.FEATURE: Verdict.DRIFT}), report(1, {Signal.FEATURE: Verdict.DRIFT}, effect=0.9)]
    )

    assert (1, "info") == (alarm.opened.windows, alarm.opened.severity.value)
    assert (2, "warning") == (alarm.incident.windows, alarm.incident.severity.value)
    assert [0.2, 0.9] == [e.finding.effect for e in alarm.incident.evidence]


def test_an_ignored_signal_opens_nothing() -> None:
    """Here too."""
    said = [replayed_incidents.window_verdicts(r) for r in days("ddd")]

    assert [] == replayed_incidents.replayed_incidents(
        said, IncidentPolicy(), model="m", version="v1", ignored=frozenset({Signal.FEATURE})
    )


def champion(reg: Registry) -> str:
    """Register a model of a new name with a champion, and return the name."""
    name = f"m{len(queries.models(reg))}"
    operations.add_model(reg, model=name, task="binary", now=NOW)
    operations.add_version(reg, Version(model=name, version="v1", mode="external", created_at=NOW))
    events = replayed.schema().model_copy(update={"model": name})
    known = replayed.baseline(2, events=events)
    operations.store_baseline(reg, known, now=NOW)
    operations.promote(
        reg,
        model=name,
        version="v1",
        expected_generation=0,
        effective_at=NOW,
        actor="ann",
        reason="first",
        now=NOW,
    )
    return name


def opened(reg: Registry, model: str, reports: list[Report], policy: IncidentPolicy) -> list[Incident]:
    """Return the incidents of *model* after its windows came in one end after the other, each decided at once."""
    for end in sorted({r.window_end for r in reports}):
        batch = [r.model_copy(update={"model": model}) for r in reports if r.window_end == end]
        for incident in ingest.ingest(reg, batch, now=NOW, rules=Rules(policy)).opened:
            operations.record_decision(
                reg,
                model=model,
                incident_id=incident.id,
                action=Action.NOTHING,
                because=("a test",),
                actor="ann",
                now=NOW,
            )
    return queries.incidents(reg, model)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.tuples(VERDICTS, VERDICTS, VERDICTS, VERDICTS, st.sampled_from([0.2, 0.9])), max_size=10),
    rules=RULES,
)
def test_both_stores_count_the_same(registry: Registry, days: list[tuple[Any, ...]], rules: dict[str, Any]) -> None:
    """Whatever windows say, in a segment and in all traffic, of inputs and outcomes, by whatever policy."""
    reports = [
        one
        for i, (every, site, quality, label, effect) in enumerate(days)
        for one in (
            report(i, {Signal.FEATURE: every, Signal.QUALITY: quality}, effect=effect),
            report(i, {Signal.FEATURE: site}, segment="site=a"),
            report(i, {Signal.LABEL: label}, stage=Stage.OUTCOMES),
        )
    ]
    policy = IncidentPolicy.model_validate(rules)
    expected = opened(registry, champion(registry), reports, policy)
    mine = [a.incident for a in found(reports, **rules)]

    assert sorted(_kept(i) for i in expected) == sorted(_kept(i) for i in mine)


def _kept(incident: Incident) -> tuple[str, ...]:
    return tuple(str(getattr(incident, name)) for name in KEPT)
