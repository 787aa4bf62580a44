"""Ingest of window reports into rows and incidents: idempotent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import NotFound
from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from registry import operations, outbox, queries
from registry.connection import Registry
from registry.incidents import ingest
from registry.incidents.ingest import Rules
from registry.records import Action, IncidentState
from tests.support import registry_values as make
from tests.support.example_counts import examples

DRIFT, STEADY, UNSURE = Verdict.DRIFT, Verdict.STEADY, Verdict.NOT_ENOUGH


def put(reg: Registry, *reports: Report, ignore: frozenset[Signal] = frozenset()) -> ingest.Ingested:
    """Ingest *reports* as one batch."""
    return ingest.ingest(reg, reports, now=make.NOW, rules=Rules(ignore=ignore))


def test_the_same_reports_again_change_nothing(reg: Registry) -> None:
    """A batch that is delivered twice is stored once, and tells nobody a second time."""
    make.champion(reg)
    batch = [make.window(1), make.window(2, STEADY)]
    first = put(reg, *batch)
    before = make.everything(reg)
    again = put(reg, *batch)
    assert (2, 0, 0) == first[:3]
    assert (0, 0, 2, (), (), (), ()) == again
    assert before == make.everything(reg)


def test_late_data_make_a_revision(reg: Registry) -> None:
    """Other counts for a known window are stored beside the old ones; queries show the newest only."""
    make.champion(reg)
    put(reg, make.window(1, n=100))
    assert (0, 1, 0) == put(reg, make.window(1, n=130))[:3]
    (row,) = queries.windows(reg, "m")
    assert (2, 130) == (row.revision, row.rows)
    assert 2 == len(make.everything(reg)["window_reports"])


def test_an_old_revision_that_comes_again_changes_nothing(reg: Registry) -> None:
    """A job that restarts from a checkpoint repeats what it said before it was corrected."""
    make.champion(reg)
    put(reg, make.window(1, n=100))
    put(reg, make.window(1, n=130))
    before = make.everything(reg)
    put(reg, make.window(1, n=100))
    put(reg, make.window(1, n=130))
    assert before == make.everything(reg)


def test_a_report_is_read_back_bit_for_bit(reg: Registry) -> None:
    """What is stored is the report: parsed again it has the digest that is on record."""
    make.champion(reg)
    report = make.window(1)
    put(reg, report)
    (row,) = queries.windows(reg, "m")
    assert report == Report.model_validate(row.report)
    assert report.digest == row.digest == Report.model_validate(row.report).digest


def test_a_report_of_an_unknown_version_stops_the_batch(reg: Registry) -> None:
    """Nothing of the batch is stored, so that it can be sent again once the version is registered."""
    make.champion(reg)
    before = make.everything(reg)
    with pytest.raises(NotFound, match="no version v9"):
        put(reg, make.window(1), make.window(1, version="v9"))
    assert before == make.everything(reg)


def test_windows_are_found_by_what_they_are(reg: Registry) -> None:
    """Filters combine; a limit keeps the newest, oldest first; the ends of a period belong to it."""
    make.champion(reg)
    put(reg, *(make.window(day, STEADY, segment=s) for day in (1, 2, 3) for s in ("", "carrier=AA")))
    put(reg, make.window(4, STEADY, signal=Signal.LABEL, stage=Stage.OUTCOMES))

    def days(**filters: object) -> list[int]:
        return [(row.window_end - make.NOW).days for row in queries.windows(reg, "m", **filters)]  # type: ignore[arg-type]

    assert [1, 1, 2, 2, 3, 3, 4] == days()
    assert [2, 3, 4] == days(segment="", limit=3)
    assert [1, 2] == days(segment="carrier=AA", until=make.NOW + 2 * make.DAY)
    assert [2, 3] == days(segment="", stage=Stage.INPUTS, since=make.NOW + 2 * make.DAY)
    assert [] == days(version="v2")
    assert make.NOW + 3 * make.DAY == queries.newest_window(reg, "m", "inputs")
    assert queries.newest_window(reg, "other", Stage.INPUTS) is None
    assert (7, 0) == (queries.count_windows(reg, "m"), queries.count_windows(reg, "other"))


def test_drift_opens_an_incident_and_tells(reg: Registry) -> None:
    """The incident starts at the window's end, with the findings as evidence, and its message is in the outbox."""
    make.champion(reg)
    got = put(reg, make.window(1), make.window(2, STEADY, signal=Signal.LABEL, stage=Stage.OUTCOMES))
    (incident,) = got.opened
    assert (Signal.FEATURE, IncidentState.OPEN, 1) == (incident.signal, incident.state, incident.windows)
    assert make.NOW + make.DAY == incident.opened_at == incident.last_seen
    assert ["x"] == [e.finding.variable for e in incident.evidence]
    assert [incident] == queries.undecided(reg)
    (message,) = outbox.messages(reg, type="incident.opened")
    assert incident.model_dump(mode="json") == message.data["incident"]


@pytest.mark.parametrize("late_first", [True, False])
def test_incidents_wait_in_the_order_of_event_time(reg: Registry, late_first: bool) -> None:
    """Whichever report is taken in first: what is decided about them must not depend on how a stream was batched."""
    make.champion(reg)
    loss = make.window(1, signal=Signal.PERFORMANCE, stage=Stage.OUTCOMES)
    for report in sorted([loss, make.window(1)], key=lambda r: (r.stage is Stage.INPUTS) is late_first):
        put(reg, report)
    put(reg, make.window(2, signal=Signal.LABEL, stage=Stage.OUTCOMES))

    assert [Signal.FEATURE, Signal.PERFORMANCE, Signal.LABEL] == [i.signal for i in queries.undecided(reg)]


def test_an_episode_is_one_incident(reg: Registry) -> None:
    """Windows 1, 2 and 4 drift, 3 is unsure: three windows of one incident, with the first and the newest kept.

    day      1  2  3  4
    drift    x  x  ?  x
    """
    make.champion(reg)
    put(reg, make.window(1))
    for day, verdict in ((2, DRIFT), (3, UNSURE), (4, DRIFT)):
        got = put(reg, make.window(day, verdict))
        assert got.opened == ()
    (incident,) = got.updated
    assert (3, make.NOW + 4 * make.DAY) == (incident.windows, incident.last_seen)
    assert [1, 4] == [_day(e.window_end) for e in incident.evidence]


def test_one_batch_is_as_good_as_many(reg: Registry) -> None:
    """The same windows in one batch, in any order, make the same incident as one at a time."""
    make.champion(reg)
    (incident,) = put(reg, make.window(3), make.window(1), make.window(2, STEADY)).opened
    assert (make.NOW + make.DAY, make.NOW + 3 * make.DAY) == (incident.opened_at, incident.last_seen)
    assert 2 == incident.windows


def test_segments_and_revisions_of_a_window_count_once(reg: Registry) -> None:
    """A window that drifts in all traffic and two segments, and is then revised, is one window of one incident."""
    make.champion(reg)
    put(reg, *(make.window(1, segment=s) for s in ("", "a", "b")))
    (incident,) = put(reg, make.window(1, segment="a", n=130)).updated
    assert 1 == incident.windows
    assert [("", 100), ("a", 130), ("b", 100)] == sorted((e.segment, e.finding.n) for e in incident.evidence)


def test_a_segment_that_lags_does_not_turn_the_clock_back(reg: Registry) -> None:
    """All traffic drifted on days 1 and 3; a segment's day 2, coming later, counts, but is not the newest."""
    make.champion(reg)
    (incident,) = put(reg, make.window(1), make.window(3)).opened
    (later,) = put(reg, make.window(2, segment="a")).updated
    assert incident.model_copy(update={"windows": 3}) == later


def test_signals_have_incidents_of_their_own(reg: Registry) -> None:
    """Drift of the features and of the label are two episodes."""
    make.champion(reg)
    got = put(reg, make.window(1), make.window(1, signal=Signal.LABEL, stage=Stage.OUTCOMES))
    assert ["feature", "label"] == sorted(i.signal for i in got.opened)


def test_an_ignored_signal_is_stored_only(reg: Registry) -> None:
    """The window is on record; no incident is."""
    make.champion(reg)
    assert (1, 0, 0, (), (), (), ()) == put(reg, make.window(1), ignore=frozenset({Signal.FEATURE}))


def test_only_the_champions_windows_open_incidents(reg: Registry) -> None:
    """A retired version's drift concerns nobody."""
    make.champion(reg)
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    assert () == put(reg, make.window(2, version="v1")).opened
    assert 1 == len(put(reg, make.window(2, version="v2")).opened)


def test_an_old_window_opens_no_incident(reg: Registry) -> None:
    """Late data may revise what is past; they do not raise an alarm about it."""
    make.champion(reg)
    put(reg, make.window(1, STEADY), make.window(2, STEADY))
    assert (0, 1, 0, (), (), (), ()) == put(reg, make.window(1, DRIFT, n=130))
    assert 1 == len(put(reg, make.window(2, DRIFT, n=130)).opened)


def test_a_decided_incident_clears_after_three_steady_windows(reg: Registry) -> None:
    """Drift on day 1, decided, steady on 2, 3 and 4: resolved on day 4, and drift on day 5 opens a new one.

    day    1  2  3  4  5
    drift  x  .  .  .  x
    """
    make.champion(reg)
    (incident,) = put(reg, make.window(1)).opened
    make.decide(reg, incident.id, Action.NOTHING)
    assert () == put(reg, make.window(2, STEADY), make.window(3, STEADY)).resolved
    (resolved,) = put(reg, make.window(4, STEADY)).resolved
    assert (IncidentState.RESOLVED, "steady again") == (resolved.state, resolved.resolution)
    (later,) = put(reg, make.window(5)).opened
    assert later.id != incident.id


def test_an_undecided_incident_waits_for_its_decision(reg: Registry) -> None:
    """However long it is steady, an incident without a decision stays open; decided, the next steady window ends it."""
    make.champion(reg)
    (incident,) = put(reg, make.window(1)).opened
    assert () == put(reg, *(make.window(day, STEADY) for day in range(2, 9))).resolved
    make.decide(reg, incident.id)
    assert 1 == len(put(reg, make.window(9, STEADY)).resolved)


@pytest.mark.parametrize(
    "reports",
    [
        [make.window(2, STEADY), make.window(3, DRIFT), make.window(4, STEADY), make.window(5, STEADY)],
        [make.window(2, STEADY), make.window(2, STEADY, n=130), make.window(3, STEADY)],
        [make.window(day, UNSURE) for day in range(2, 9)],
        [make.window(day, STEADY, segment="a") for day in range(2, 9)],
        [r for day in range(2, 9) for r in (make.window(day, STEADY), make.window(day, DRIFT, segment="a"))],
    ],
    ids=["drift in between", "a revision counts once", "not enough evidence", "only a segment", "a segment drifts"],
)
def test_what_does_not_clear_an_incident(reg: Registry, reports: Sequence[Report]) -> None:
    """Three steady windows of all traffic, in a row, with no segment drifting: nothing less."""
    make.champion(reg)
    (incident,) = put(reg, make.window(1)).opened
    make.decide(reg, incident.id)
    assert [] == [resolved for report in reports for resolved in put(reg, report).resolved]


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([DRIFT, STEADY, UNSURE]), max_size=8), st.randoms())
def test_redelivery_in_any_batches_changes_nothing(reg: Registry, verdicts: list[Verdict], random: object) -> None:
    """Whatever was delivered in order may come again, in any order and grouping, and the registry stays the same."""
    if queries.champion(reg, "m") is None:
        make.champion(reg)
    reports = [make.window(day, verdict, n=len(verdicts) + day) for day, verdict in enumerate(verdicts)]
    put(reg, *reports)
    before = make.everything(reg)
    random.shuffle(reports)  # type: ignore[attr-defined]
    for report in reports:
        put(reg, report, *reports[:2])
    assert before == make.everything(reg)


def test_a_batch_leaves_one_line_in_the_audit_log(reg: Registry) -> None:
    """The line says how many reports there were and carries a digest over them; the rows are digested in the next."""
    make.champion(reg)
    put(reg, make.window(1, STEADY), make.window(2, STEADY))
    (line, rows) = queries.audit_log(reg)[-2:]
    assert ("reports.stored", 2, 0) == (line.action, line.details["reports"], line.details["revised"])
    assert 64 == len(line.details["digest"])
    assert ("rows.written", ["window_reports"]) == (rows.action, [*rows.details["rows"]])


def test_an_incident_of_a_replaced_version_is_not_reopened(reg: Registry) -> None:
    """After a promotion the old version's windows are history."""
    make.champion(reg)
    put(reg, make.window(1))
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    assert () == put(reg, make.window(2)).opened
    assert [IncidentState.RESOLVED] == [i.state for i in queries.incidents(reg)]
    assert operations.next_version(reg, "m") == "v3"


def _day(end: datetime) -> int:
    return end.day - 1


def test_windows_stored_before_their_version_was_champion_open_incidents_once_it_is(reg: Registry) -> None:
    """As if they came now; those of the time before it took the earlier champion's place do not count."""
    make.champion(reg)
    make.ready(reg, "v2")
    assert () == put(reg, *(make.window(day, version="v2") for day in (1, 2, 3))).opened
    make.promote(reg, "v2", 1)
    since = make.window(1).window_end
    done = ingest.follow_stored(reg, "m", "v2", since=since, now=make.NOW)

    (incident,) = queries.open_incidents(reg, "m")
    assert ([incident], 2, "v2", 2) == ([*done.opened], done.duplicates, incident.version, incident.windows)


def test_drift_that_was_over_before_the_promotion_leaves_nothing_open(reg: Registry) -> None:
    """Its incident has ended, where nobody need decide."""
    make.champion(reg)
    make.ready(reg, "v2")
    put(reg, *(make.window(day, DRIFT if day < 3 else STEADY, version="v2") for day in range(1, 9)))
    make.promote(reg, "v2", 1)
    since = make.window(0).window_end
    ingest.follow_stored(reg, "m", "v2", since=since, now=make.NOW, rules=Rules(awaits_decision=False))
    assert [IncidentState.RESOLVED] == [incident.state for incident in queries.incidents(reg, "m")]
