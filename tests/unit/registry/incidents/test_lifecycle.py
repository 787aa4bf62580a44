"""Incident life cycle as windows arrive and are corrected: opening, continuing, reopening, ending."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from monitors.signals import Severity
from registry import operations, outbox, queries
from registry.config import IncidentPolicy, OpenAfter
from registry.connection import Registry
from registry.incidents import ingest, stored_reports
from registry.incidents.ingest import Ingested, Rules
from registry.records import Action, Incident, IncidentState
from tests.support import registry_values as make

SAID = {"D": Verdict.DRIFT, "S": Verdict.STEADY, "?": Verdict.NOT_ENOUGH}
TWO_OF_THREE = IncidentPolicy(open_after=OpenAfter(windows=2, of=3))


@pytest.fixture(autouse=True)
def _champion(reg: Registry) -> None:
    make.champion(reg)


def put(
    reg: Registry, *reports: Report, policy: IncidentPolicy | None = None, awaits_decision: bool = True
) -> Ingested:
    """Ingest *reports* as one batch."""
    rules = Rules(policy or IncidentPolicy(), awaits_decision=awaits_decision)
    return ingest.ingest(reg, reports, now=make.NOW, rules=rules)


def play(reg: Registry, line: str, policy: IncidentPolicy | None = None, *, start: int = 1) -> list[Incident]:
    """Ingest a window a day from day *start*, a batch each, and return all incidents."""
    for day, word in enumerate(line, start):
        put(reg, make.window(day, SAID[word]), policy=policy)
    return queries.incidents(reg)


def decided(reg: Registry, *reports: Report) -> Incident:
    """Open an incident by *reports*, decide to do nothing about it, and return it."""
    (incident,) = put(reg, *reports).opened
    make.decide(reg, incident.id, Action.NOTHING)
    return incident


def days(incident: Incident) -> list[int]:
    """Return the days that the incident begins, was opened, drifted last and was judged last."""
    moments = (incident.since, incident.opened_at, incident.last_seen, incident.judged_until)
    return [(moment - make.NOW).days for moment in moments]


def told(reg: Registry) -> list[str]:
    """Return what was told about incidents, in order."""
    return [m.type.removeprefix("incident.") for m in outbox.messages(reg) if m.type.startswith("incident.")]


def lines(reg: Registry, action: str) -> list[dict[str, object]]:
    """Return the details of the audit log's lines of one action."""
    return [entry.details for entry in queries.audit_log(reg) if entry.action == action]


def test_two_of_three_windows_open_an_incident(reg: Registry) -> None:
    """It counts both, from the first, and gives both as evidence; it is opened by the second.

    day    1  2  3  4
    drift  x  .  ?  x
    """
    assert [] == play(reg, "DS?", TWO_OF_THREE)
    (incident,) = play(reg, "D", TWO_OF_THREE, start=4)
    assert ([1, 4, 4, 4], 2) == (days(incident), incident.windows)
    assert [1, 4] == [e.window_end.day - 1 for e in incident.evidence]


def test_one_of_three_windows_opens_nothing(reg: Registry) -> None:
    """A signal that flaps seldom enough never makes an incident."""
    assert [] == play(reg, "DSSDSSSD", TWO_OF_THREE)


def test_a_windows_opens_by_what_is_known_before_it(reg: Registry) -> None:
    """In one batch as in many: the second drift opens, and what comes after it goes to that incident."""
    (incident,) = put(reg, *(make.window(n, SAID[w]) for n, w in enumerate("DSDSD", 1)), policy=TWO_OF_THREE).opened
    assert ([1, 3, 5, 5], 3) == (days(incident), incident.windows)
    assert ["opened"] == told(reg)
    assert 2 == outbox.messages(reg, type="incident.opened")[0].data["incident"]["windows"]


def test_a_late_window_can_be_the_one_that_was_missing(reg: Registry) -> None:
    """Steady on day 2, drift on day 3; late data make day 2 drift as well, which is two of the last three."""
    assert [] == play(reg, "SSD", TWO_OF_THREE)
    (incident,) = put(reg, make.window(2, n=130), policy=TWO_OF_THREE).opened
    assert ([2, 3, 3, 3], 2) == (days(incident), incident.windows)


def test_a_window_counts_in_one_incident(reg: Registry) -> None:
    """Resolved by hand on day 2; day 3 is the second of three that drift, and the new incident begins with it."""
    (first,) = play(reg, "DD", TWO_OF_THREE)
    operations.resolve_incident(reg, first.id, because="a holiday", actor="ann", now=make.NOW)
    _, second = play(reg, "D", TWO_OF_THREE, start=3)
    assert ([3, 3, 3, 3], 1) == (days(second), second.windows)


@pytest.mark.parametrize(("outcomes", "expected"), [("SSDD", ([3, 4, 4, 4], 2)), ("?DSD", ([4, 4, 4, 4], 1))])
def test_outcomes_of_the_window_that_opened_it_may_have_drifted_before(
    reg: Registry, outcomes: str, expected: tuple[list[int], int]
) -> None:
    """They come after its inputs, and the incident then begins earlier; but not with what another one has counted.

    inputs    x x . x   the first two are another incident's, resolved by hand
    outcomes  . . x x   or  ? x . x
    """

    def of_outcomes(day: int) -> Report:
        return make.window(day, SAID[outcomes[day - 1]], stage=Stage.OUTCOMES)

    (first,) = play(reg, "DD", TWO_OF_THREE)
    for day in (1, 2):
        put(reg, of_outcomes(day), policy=TWO_OF_THREE)
    operations.resolve_incident(reg, first.id, because="a holiday", actor="ann", now=make.NOW)
    put(reg, make.window(3, Verdict.STEADY), of_outcomes(3), policy=TWO_OF_THREE)
    _, second = play(reg, "D", TWO_OF_THREE, start=4)
    assert ([4, 4, 4, 4], 1) == (days(second), second.windows)

    put(reg, of_outcomes(4), policy=TWO_OF_THREE)
    assert expected == (days(moved := queries.incident(reg, second.id)), moved.windows)
    assert ["opened", "resolved", "opened"] == told(reg)


@pytest.mark.parametrize(("apart", "said"), [(False, ["opened"]), (True, ["opened", "resolved", "reopened"])])
def test_what_was_told_to_have_ended_has_ended(reg: Registry, apart: bool, said: list[str]) -> None:
    """Inputs end an incident, outcomes of the same window drift: at once, it goes on; one by one, it is continued."""
    incident = decided(reg, make.window(1))
    policy = IncidentPolicy(clear_after=1, cool_down=timedelta(days=3))
    steady, drift = make.window(2, Verdict.STEADY), make.window(2, stage=Stage.OUTCOMES)
    for batch in ([steady], [drift]) if apart else ([steady, drift],):
        put(reg, *batch, policy=policy)
    assert said == told(reg)
    assert (IncidentState.OPEN, 2) == ((now := queries.incident(reg, incident.id)).state, now.windows)


def test_another_versions_windows_do_not_count(reg: Registry) -> None:
    """The retired v1 drifted on day 1; v2's first drift is one of its own three."""
    play(reg, "D", TWO_OF_THREE)
    make.ready(reg, "v2")
    make.promote(reg, "v2", 1)
    assert () == put(reg, make.window(2, version="v2"), policy=TWO_OF_THREE).opened
    (incident,) = put(reg, make.window(3, version="v2"), policy=TWO_OF_THREE).opened
    assert ([2, 3, 3, 3], "v2") == (days(incident), incident.version)


COOL = IncidentPolicy(clear_after=2, cool_down=timedelta(days=3))


def test_drift_within_the_cool_down_continues_the_incident(reg: Registry) -> None:
    """Cleared on day 3; day 6 is within three days of it: the same incident, with its decision, open again.

    day    1  2  3  4  5  6
    drift  x  .  .  ?  ?  x
    """
    incident = decided(reg, make.window(1))
    play(reg, "SS??", COOL, start=2)
    assert IncidentState.RESOLVED is queries.incident(reg, incident.id).state
    (again,) = put(reg, make.window(6), policy=COOL).reopened
    assert (incident.id, IncidentState.OPEN, "", None) == (again.id, again.state, again.resolution, again.resolved_at)
    assert ([1, 1, 6, 6], 2, 0) == (days(again), again.windows, again.steady)
    assert ([], 1) == (queries.undecided(reg), len(queries.decisions(reg)))
    assert ["opened", "resolved", "reopened"] == told(reg)
    (cleared,) = put(reg, make.window(7, Verdict.STEADY), make.window(8, Verdict.STEADY), policy=COOL).resolved
    assert again.id == cleared.id


@pytest.mark.parametrize(("awaits", "open_then"), [(True, 1), (False, 0)])
def test_where_nobody_decides_an_incident_ends_when_it_is_steady(reg: Registry, awaits: bool, open_then: int) -> None:
    """Of a model that is only monitored it ends, with `nothing` as its decision; of others it waits for one."""
    for day, word in enumerate("DSS", 1):
        put(reg, make.window(day, SAID[word]), policy=COOL, awaits_decision=awaits)
    assert open_then == len(queries.undecided(reg))
    (incident,) = queries.incidents(reg)
    if awaits:
        assert IncidentState.OPEN is incident.state
        return
    assert "steady again" == incident.resolution
    assert [Action.NOTHING] == [decision.action for decision in queries.decisions(reg)]
    (again,) = put(reg, make.window(6), policy=COOL, awaits_decision=False).reopened
    assert incident.id == again.id


def test_drift_after_the_cool_down_is_another_incident(reg: Registry) -> None:
    """Day 7 is four days after day 3."""
    decided(reg, make.window(1))
    first, second = play(reg, "SS???D", COOL, start=2)
    assert [IncidentState.RESOLVED, IncidentState.OPEN] == [first.state, second.state]
    assert [second] == queries.undecided(reg)


def test_without_a_cool_down_drift_is_another_incident(reg: Registry) -> None:
    """The default: what is resolved stays so."""
    decided(reg, make.window(1))
    assert 2 == len(play(reg, "SSSD", start=2))


def test_what_was_resolved_by_hand_is_not_continued(reg: Registry) -> None:
    """Somebody said it is over, and why; drift after that is another incident."""
    incident = decided(reg, make.window(1))
    operations.resolve_incident(reg, incident.id, because="repaired", actor="ann", now=make.NOW)
    assert [] == list(put(reg, make.window(2), policy=COOL).reopened)
    assert 2 == len(queries.incidents(reg))


def test_late_drift_continues_what_had_cleared(reg: Registry) -> None:
    """Within the cool-down it does not matter in which order windows came: day 3 drifted after all, so it goes on."""
    incident = decided(reg, make.window(1))
    play(reg, "SS", COOL, start=2)
    (again,) = put(reg, make.window(3, n=130), policy=COOL).reopened
    assert (incident.id, [1, 1, 3, 3], 2) == (again.id, days(again), again.windows)


def test_late_drift_that_would_have_cleared_continues_nothing(reg: Registry) -> None:
    """Day 2 drifted after all, and days 3 and 4 were steady: it is over either way."""
    decided(reg, make.window(1))
    (incident,) = play(reg, "SSS", COOL, start=2)
    got = put(reg, make.window(2, n=130), policy=COOL)
    assert (0, 1, 0, (), (), (), ()) == got
    assert [incident] == queries.incidents(reg)


def fault(day: int, verdict: Verdict, stage: Stage) -> Report:
    """Return what a stage's window says of quality."""
    return make.window(day, verdict, signal=Signal.QUALITY, stage=stage)


def test_steady_inputs_do_not_mend_a_fault_of_the_labels(reg: Registry) -> None:
    """A fault in the outcomes of day 1 ends with three steady windows of outcomes, however steady the inputs are."""
    decided(reg, fault(1, Verdict.DRIFT, Stage.OUTCOMES))
    for day in range(2, 9):
        assert () == put(reg, fault(day, Verdict.STEADY, Stage.INPUTS)).resolved
    for day in (2, 3):
        assert () == put(reg, fault(day, Verdict.STEADY, Stage.OUTCOMES)).resolved
    assert 1 == len(put(reg, fault(4, Verdict.STEADY, Stage.OUTCOMES)).resolved)


def test_outcomes_without_a_fault_are_steady(reg: Registry) -> None:
    """They have a finding about quality only where there is a fault; judged labels without one will do."""
    decided(reg, fault(1, Verdict.DRIFT, Stage.OUTCOMES))
    fine = [make.window(d, Verdict.STEADY, signal=Signal.LABEL, stage=Stage.OUTCOMES) for d in (2, 3, 4)]
    assert ["quality"] == [i.signal for i in put(reg, *fine).resolved]


def test_a_fault_in_both_stages_is_one_incident(reg: Registry) -> None:
    """Both must tell steady; the stage that is mended last ends it."""
    decided(reg, *(fault(1, Verdict.DRIFT, stage) for stage in Stage))
    put(reg, *(fault(day, Verdict.STEADY, Stage.OUTCOMES) for day in (2, 3, 4)))
    put(reg, *(fault(day, Verdict.STEADY, Stage.INPUTS) for day in (2, 3)))
    (incident,) = queries.incidents(reg)
    assert (1, 2, IncidentState.OPEN) == (incident.windows, incident.steady, incident.state)
    assert 1 == len(put(reg, fault(4, Verdict.STEADY, Stage.INPUTS)).resolved)


def test_a_correction_is_counted_and_on_record(reg: Registry) -> None:
    """Day 3 of three was steady after all: two windows, seen last on day 2, and the audit log says what changed."""
    play(reg, "DDD")
    (incident,) = put(reg, make.window(3, Verdict.STEADY, n=130)).updated
    assert ([1, 1, 2, 3], 2, 1) == (days(incident), incident.windows, incident.steady)
    assert [1, 2] == [e.window_end.day - 1 for e in incident.evidence]
    (line,) = lines(reg, "incident.corrected")
    assert (2, ["2013-06-04 12:00 inputs: drift, now steady"]) == (line["windows"], line["changes"])
    assert 1 == incident.corrections
    assert ["opened"] == told(reg)


def test_a_window_that_drifted_after_all_is_counted(reg: Registry) -> None:
    """The other way: day 2 lies inside the episode."""
    play(reg, "DSD")
    (incident,) = put(reg, make.window(2, n=130)).updated
    assert (3, 1) == (incident.windows, incident.corrections)


def test_the_first_window_can_be_corrected(reg: Registry) -> None:
    """The evidence is then of the first one that is left; the incident was opened when it was."""
    play(reg, "DDD")
    (incident,) = put(reg, make.window(1, Verdict.STEADY, n=130)).updated
    assert ([1, 1, 3, 3], 2) == (days(incident), incident.windows)
    assert [2, 3] == [e.window_end.day - 1 for e in incident.evidence]


def test_other_figures_for_the_same_verdict_are_no_correction(reg: Registry) -> None:
    """The evidence is the newer one."""
    play(reg, "D")
    (incident,) = put(reg, make.window(1, n=130)).updated
    assert ([130], 0, []) == (
        [e.finding.n for e in incident.evidence],
        incident.corrections,
        lines(reg, "incident.corrected"),
    )


def test_what_late_data_clear_up_is_resolved(reg: Registry) -> None:
    """Nothing is left, and nobody has acted: the incident ends with the decision to do nothing, and it is told."""
    play(reg, "DD")
    got = put(reg, make.window(1, Verdict.STEADY, n=130), make.window(2, Verdict.NOT_ENOUGH, n=130))
    (incident,) = got.resolved
    assert ("corrected by late data", 0, ()) == (incident.resolution, incident.windows, incident.evidence)
    (decision,) = queries.decisions(reg)
    assert (Action.NOTHING, ("corrected by late data",)) == (decision.action, decision.because)
    assert ["opened", "resolved"] == told(reg)
    (line,) = lines(reg, "incident.corrected")
    assert 2 == len(line["changes"])  # type: ignore[arg-type]


def test_what_was_acted_upon_stays_on_record(reg: Registry) -> None:
    """A retrain may be running: the incident stays until it is steady for long enough, and tells of the correction."""
    incident = decided(reg, make.window(1))
    (corrected,) = put(reg, make.window(1, Verdict.STEADY, n=130)).updated
    assert (IncidentState.OPEN, 0, 1, 1) == (
        corrected.state, corrected.windows, corrected.steady, corrected.corrections,
    )  # fmt: skip
    assert incident.opened_at == corrected.last_seen
    put(reg, make.window(2, Verdict.STEADY))
    (cleared,) = put(reg, make.window(3, Verdict.STEADY)).resolved
    assert "steady again" == cleared.resolution


def test_a_correction_can_end_an_incident(reg: Registry) -> None:
    """Decided, two steady windows, and the drift before them was steady too: that makes three."""
    decided(reg, make.window(1), make.window(2))
    assert () == put(reg, make.window(3, Verdict.STEADY), make.window(4, Verdict.STEADY)).resolved
    (cleared,) = put(reg, make.window(2, Verdict.STEADY, n=130)).resolved
    assert ("steady again", 1) == (cleared.resolution, cleared.windows)


def test_a_segment_can_be_corrected(reg: Registry) -> None:
    """The window drifts in all traffic as before; the segment's evidence is gone, and the log names it."""
    put(reg, make.window(1), make.window(1, segment="a"))
    (incident,) = put(reg, make.window(1, Verdict.STEADY, segment="a", n=130)).updated
    assert (1, [""]) == (incident.windows, [e.segment for e in incident.evidence])
    assert ["2013-06-02 12:00 inputs (a): drift, now steady"] == lines(reg, "incident.corrected")[0]["changes"]


def test_what_came_before_the_episode_does_not_concern_it(reg: Registry) -> None:
    """Day 1 was steady, or so it seemed when the incident was opened on day 2."""
    (incident,) = play(reg, "SD")
    assert (0, 1, 0, (), (), (), ()) == put(reg, make.window(1, n=130))
    assert [incident] == queries.incidents(reg)


def test_a_resolved_incident_is_not_corrected(reg: Registry) -> None:
    """It is history: what was known then is what it says."""
    play(reg, "DD")
    resolved = operations.resolve_incident(reg, 1, because="a holiday", actor="ann", now=make.NOW)
    put(reg, make.window(1, Verdict.STEADY, n=130))
    assert [resolved] == queries.incidents(reg)


def test_an_incident_gets_worse_and_never_better(reg: Registry) -> None:
    """Three times the threshold is one level more; it is told once, and stays when the effect is small again."""
    put(reg, make.window(1, effect=0.2, threshold=0.125))
    assert Severity.INFO is queries.incident(reg, 1).severity
    (raised,) = put(reg, make.window(2, effect=0.375, threshold=0.125)).updated
    assert Severity.WARNING is raised.severity
    put(reg, make.window(3, effect=0.9, threshold=0.125), make.window(4, effect=0.2, threshold=0.125))
    assert Severity.WARNING is queries.incident(reg, 1).severity
    assert ["opened", "raised"] == told(reg)
    assert ["info", "warning"] == [m.data["incident"]["severity"] for m in outbox.messages(reg) if "incident" in m.data]


def test_half_of_the_segments_make_it_worse(reg: Registry) -> None:
    """Two of four, counted among those that could be judged."""
    words = {"a": "D", "b": "S", "c": "S", "d": "?"}
    put(reg, make.window(1), *(make.window(1, SAID[w], segment=s) for s, w in words.items()))
    assert Severity.INFO is queries.incident(reg, 1).severity
    put(reg, make.window(2), *(make.window(2, SAID[w], segment=s) for s, w in (words | {"b": "D"}).items()))
    assert Severity.WARNING is queries.incident(reg, 1).severity


def test_the_project_says_how_bad_a_signal_is(reg: Registry) -> None:
    """A feature may be critical to somebody; such an incident cannot rise."""
    policy = IncidentPolicy.model_validate({"severity": {"feature": "critical"}})
    (incident,) = put(reg, make.window(1, effect=9, threshold=1), policy=policy).opened
    assert (Severity.CRITICAL, ["opened"]) == (incident.severity, told(reg))


def test_the_same_counts_are_known_whatever_was_made_of_them(reg: Registry) -> None:
    """A report that comes again is a duplicate, also once it was judged otherwise, or corrected."""
    report, judged = make.window(1), make.window(1, Verdict.STEADY)
    put(reg, judged, make.window(1, n=130))
    with reg.read() as c:
        asked = (report, judged, make.window(2))
        known = stored_reports.stored_evidence(c, asked)
        assert [True, True, False] == [r.evidence_digest in known for r in asked]
    before = make.everything(reg)
    assert (0, 0, 2) == put(reg, report, report)[:3]
    assert before == make.everything(reg)


def test_what_a_judge_changes_is_a_revision(reg: Registry) -> None:
    """Day 2's counts come, and say that day 1 has drifted after all: a revision of the same counts, there and back."""
    verdicts = ["S", "DD", "SDS", "SDSS"]
    seen = []

    def judge(_: sa.Connection, new: list[Report]) -> list[Report]:
        """Say of each day so far what the newest line says."""
        seen.append([r.rows for r in new])
        return [make.window(day, SAID[word]) for day, word in enumerate(verdicts[len(seen) - 1], 1)]

    for day in (1, 2, 3, 3):
        ingest.ingest(reg, [make.window(day, Verdict.NOT_ENOUGH)], now=make.NOW, judge=judge)
    assert [[100], [100], [100], []] == seen
    rows = queries.windows(reg, "m")
    assert [("steady", 3), ("drift", 1), ("steady", 1), ("steady", 1)] == [(r.verdict, r.revision) for r in rows]
    (incident,) = queries.incidents(reg)
    assert ([1, 1, 2, 4], 1, 2, 1) == (days(incident), incident.windows, incident.steady, incident.corrections)
