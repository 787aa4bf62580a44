"""Incident life cycle, stateful test: for any windows and revisions, as a plain reading of the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from monitors.finding import Signal, Stage, Verdict
from monitors.report import Report
from registry import operations, outbox, queries
from registry.config import IncidentPolicy, OpenAfter
from registry.connection import Registry
from registry.incidents import ingest
from registry.incidents.ingest import Rules
from registry.records import Action, Incident, IncidentState
from tests.support import audit_chain
from tests.support import registry_values as make
from tests.support.example_counts import examples

_models = count()
SAID = {"D": Verdict.DRIFT, "S": Verdict.STEADY, "?": Verdict.NOT_ENOUGH}
WORDS = st.sampled_from("DS?")
STAGES = st.sampled_from([Stage.INPUTS, Stage.OUTCOMES])
SEGMENTS = st.sampled_from(["", "a"])
POLICIES = st.builds(
    lambda n, more, clear, cool: IncidentPolicy(
        open_after=OpenAfter(windows=n, of=n + more), clear_after=clear, cool_down=timedelta(days=cool)
    ),
    st.integers(1, 2), st.integers(0, 2), st.integers(1, 3), st.sampled_from([0, 0, 2, 5]),
)  # fmt: skip


TWO_OF_THREE = IncidentPolicy(open_after=OpenAfter(windows=2, of=3))
I, O = Stage.INPUTS, Stage.OUTCOMES  # noqa: E741 - a letter each, as in a line of days


def window(model: str, day: int, word: str, n: int, *, stage: Stage = Stage.INPUTS, segment: str = "") -> Report:
    """Return what a window of *model* says of quality, the one signal that both stages tell of."""
    told = make.window(day, SAID[word], signal=Signal.QUALITY, stage=stage, segment=segment, n=n)
    return told.model_copy(update={"model": model})


@dataclass
class Expected:
    """An incident as a plain reading has it: days instead of moments."""

    since: int
    opened: int
    state: str = "open"
    decided: bool = False
    corrections: int = 0
    resolution: str = ""
    windows: int = 0
    steady: int = 0
    last: int = 0
    until: int = 0


@dataclass
class Timeline:
    """Every window's newest verdict, and the incidents that follow from reading them one report at a time."""

    policy: IncidentPolicy
    said: dict[tuple[Stage, int, str], str] = field(default_factory=dict)
    incidents: list[Expected] = field(default_factory=list)

    def word(self, stage: Stage, day: int) -> str:
        """Return what a stage says on *day*: drift in any segment is drift, steady is said by all traffic."""
        words = {segment: word for (s, d, segment), word in self.said.items() if (s, d) == (stage, day)}
        if "D" in words.values():
            return "D"
        return "S" if words.get("") == "S" else "?"

    def line(self, stage: Stage, since: int = 1) -> str:
        """Return a stage's days from *since* on, a letter each."""
        last = max((d for _, d, _ in self.said), default=0)
        return "".join(self.word(stage, day) for day in range(since, last + 1))

    def reads(self, stage: Stage, day: int, segment: str, word: str) -> None:
        """Take in one report."""
        said = self.said.get((stage, day, segment), "")
        self.said[stage, day, segment] = word
        live = self.incidents[-1] if self.incidents and self.incidents[-1].state != "resolved" else None
        if live is None:
            self._wake(stage, day)
        else:
            if day == live.opened and (drifted := self._opening(stage, day, until=day)):
                live.since = min(live.since, self._begins(drifted, [None, *self.incidents][-2]))
            live.corrections += bool(said) and day >= live.since and (said == "D") != (word == "D")
            self._recount(live)
            if not live.windows and not live.decided:
                self._end(live, "corrected by late data")
            elif live.decided and live.steady >= self.policy.clear_after:
                self._end(live, "steady again")

    def _end(self, incident: Expected, resolution: str) -> None:
        incident.state, incident.decided, incident.resolution = "resolved", True, resolution

    def _wake(self, stage: Stage, day: int) -> None:
        """Continue the last incident, or begin another, or neither, because of *day*."""
        last = self.incidents[-1] if self.incidents else None
        cool = self.policy.cool_down.days
        if last and last.resolution == "steady again" and cool and last.since <= day <= last.until + cool:
            goes_on = self._course(last.since)["steady"] < self.policy.clear_after
            if goes_on and self.word(stage, day) == "D":
                last.state, last.resolution = "open", ""
                self._recount(last)
                return
        if drifted := self._opening(stage, day):
            self.incidents.append(Expected(self._begins(drifted, last), drifted[-1]))
            self._recount(self.incidents[-1])

    def _opening(self, stage: Stage, day: int, until: int | None = None) -> list[int]:
        """Return the days that open an incident in *stage* because of *day*, among those up to *until*."""
        judged = [d for d, word in enumerate(self.line(stage)[:until], 1) if word != "?"][-self.policy.open_after.of :]
        drifted = [d for d in judged if self.word(stage, d) == "D"]
        opens = day in judged and drifted[-1:] == judged[-1:] and len(drifted) >= self.policy.open_after.windows
        return drifted if opens else []

    def _begins(self, drifted: list[int], before: Expected | None) -> int:
        return next((d for d in drifted if before is None or d > before.until), drifted[-1])

    def _recount(self, incident: Expected) -> None:
        for name, value in self._course(incident.since).items():
            setattr(incident, name, value or (incident.opened if name in ("last", "until") else 0))

    def _course(self, since: int) -> dict[str, int]:
        lines = [self.line(stage, since) for stage in Stage]
        told = [line for line in lines if "D" in line] or [line for line in lines if "S" in line]
        days = [{words} for words in zip(*lines, strict=True)]
        drifted = [d for d, words in enumerate(days, since) if any("D" in w for w in words)]
        judged = [d for d, words in enumerate(days, since) if any(set(w) & set("DS") for w in words)]
        return {
            "windows": len(drifted),
            "steady": min((line.rpartition("D")[2].count("S") for line in told), default=0),
            "last": max(drifted, default=0),
            "until": max(judged, default=0),
        }


def shown(incident: Incident, decided: bool) -> Expected:
    """Return an incident of the registry as the timeline has it."""
    names = {"since": "since", "opened": "opened_at", "last": "last_seen", "until": "judged_until"}
    days: dict[str, Any] = {ours: (getattr(incident, theirs) - make.NOW).days for ours, theirs in names.items()}
    same = {name: getattr(incident, name) for name in ("corrections", "resolution", "windows", "steady")}
    return Expected(state=incident.state.value, decided=decided, **same, **days)


class Episodes(RuleBasedStateMachine):
    """Two stages of a model that run apart, with a segment that comes and goes, and people who decide."""

    def __init__(self, reg: Registry) -> None:
        super().__init__()
        self.reg = reg
        self.model = f"model-{next(_models)}"
        make.champion(reg, of=self.model)
        self.reports: list[Report] = []
        self.days = {Stage.INPUTS: 0, Stage.OUTCOMES: 0}
        self.numbers = count(1)
        self.timeline = Timeline(IncidentPolicy())

    @initialize(policy=POLICIES)
    def choose(self, policy: IncidentPolicy) -> None:
        """Choose when incidents open and clear."""
        self.timeline = Timeline(policy)

    @rule(stage=STAGES, word=WORDS, segment=st.none() | WORDS)
    def next_day(self, stage: Stage, word: str, segment: str | None) -> None:
        """The next window of a stage: all traffic, and perhaps the segment."""
        self.days[stage] += 1
        self._tell(stage, self.days[stage], "", word)
        if segment is not None:
            self._tell(stage, self.days[stage], "a", segment)

    @precondition(lambda self: any(self.days.values()))
    @rule(stage=STAGES, back=st.integers(0, 6), word=WORDS, segment=SEGMENTS)
    def revise(self, stage: Stage, back: int, word: str, segment: str) -> None:
        """Late data change a window that is known, or bring a segment that was not there."""
        if self.days[stage]:
            self._tell(stage, max(self.days[stage] - back, 1), segment, word)

    @precondition(lambda self: self.reports)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """Any report that was delivered once comes again, and changes nothing."""
        some = data.draw(st.lists(st.sampled_from(self.reports), max_size=3))
        again = ingest.ingest(self.reg, some, now=make.NOW, rules=Rules(self.timeline.policy))
        assert (0, 0, len(some), (), (), (), ()) == again

    @precondition(lambda self: queries.undecided(self.reg, self.model))
    @rule()
    def decide(self) -> None:
        """Decide about the incident that waits for it."""
        (incident,) = queries.undecided(self.reg, self.model)
        operations.record_decision(
            self.reg,
            model=self.model,
            incident_id=incident.id,
            action=Action.NOTHING,
            because=["x"],
            actor="ann",
            now=make.NOW,
        )
        self.timeline.incidents[-1].decided = True

    @precondition(lambda self: self.timeline.incidents and self.timeline.incidents[-1].state != "resolved")
    @rule()
    def resolve(self) -> None:
        """Somebody says that it is over."""
        incident = queries.incidents(self.reg, self.model)[-1]
        operations.resolve_incident(self.reg, incident.id, because="by hand", actor="ann", now=make.NOW)
        self.timeline.incidents[-1].state = "resolved"
        self.timeline.incidents[-1].decided = True
        self.timeline.incidents[-1].resolution = "by ann: by hand"

    def _tell(self, stage: Stage, day: int, segment: str, word: str) -> None:
        report = window(self.model, day, word, next(self.numbers), stage=stage, segment=segment)
        self.reports.append(report)
        ingest.ingest(self.reg, [report], now=make.NOW, rules=Rules(self.timeline.policy))
        self.timeline.reads(stage, day, segment, word)

    @invariant()
    def incidents_are_what_the_timeline_says(self) -> None:
        """Their beginnings and ends, what they count, what became of them, and that late data corrected them."""
        found = queries.incidents(self.reg, self.model)
        assert self.timeline.incidents == [shown(i, queries.decision_of(self.reg, i.id) is not None) for i in found]

    @invariant()
    def at_most_one_is_open(self) -> None:
        """And what is resolved has its decision, exactly one."""
        found = queries.incidents(self.reg, self.model)
        assert 1 >= len([i for i in found if i.state is not IncidentState.RESOLVED])
        about = [d.incident_id for d in queries.decisions(self.reg, self.model) if d.incident_id is not None]
        assert len(about) == len(set(about))
        assert {i.id for i in found if i.state is IncidentState.RESOLVED} <= set(about)

    @invariant()
    def evidence_is_of_the_first_and_the_newest_drift(self) -> None:
        """And of nothing else, as the newest revisions have it."""
        for incident in queries.incidents(self.reg, self.model, state=IncidentState.OPEN):
            ends = {e.window_end for e in incident.evidence}
            assert len(ends) == min(incident.windows, 2)
            digests = {row.digest for row in queries.windows(self.reg, self.model)}
            assert {e.report for e in incident.evidence} <= digests

    def teardown(self) -> None:
        """The audit log tells of every correction, and is whole."""
        log = [e for e in queries.audit_log(self.reg) if (e.model, e.action) == (self.model, "incident.corrected")]
        assert sum(i.corrections for i in queries.incidents(self.reg, self.model)) == len(log)
        assert [] == audit_chain.verify(self.reg)


@pytest.mark.slow
def test_an_episode_is_what_its_timeline_says(reg: Registry) -> None:
    """Any sequence of windows, revisions, redeliveries and decisions: the registry agrees with a plain reading."""
    transitions, statements = 40, 10  # SQLite tries the life cycle out; PostgreSQL, the statements that store it
    number = transitions if reg.url.get_backend_name() == "sqlite" else statements
    few = settings(max_examples=examples(number), stateful_step_count=30, deadline=None)
    run_state_machine_as_test(lambda: Episodes(reg), settings=few)  # type: ignore[arg-type]  # any factory will do


def batches(reports: Sequence[Report], sizes: Sequence[int]) -> list[list[Report]]:
    """Return *reports* cut into batches of *sizes*, the last one as long as needed."""
    cut, rest = [], list(reports)
    for size in sizes:
        cut.append(rest[:size])
        rest = rest[size:]
    return [batch for batch in (*cut, rest) if batch]


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.lists(st.tuples(WORDS, WORDS), max_size=6), st.lists(st.integers(1, 3), max_size=4))
def test_the_order_of_revisions_does_not_matter(
    reg: Registry, data: st.DataObject, line: list[tuple[str, str]], sizes: list[int]
) -> None:
    """Windows that late data change, in any order and grouping, give the incident that timely data would have given.

    It begins and ends with drift that nothing changes, so that it neither ends nor begins otherwise in between.
    """
    days = range(2, len(line) + 2)
    revised = data.draw(st.permutations([(day, after) for day, (_, after) in zip(days, line, strict=True)]))
    first, last = 1, len(line) + 2

    def incident(late: bool) -> dict[str, Any]:
        model = f"model-{next(_models)}"
        make.champion(reg, of=model)
        words = {first: "D", **{d: w[not late] for d, w in zip(days, line, strict=True)}, last: "D"}
        told = [window(model, day, word, 100 if late and first < day < last else 130) for day, word in words.items()]
        ingest.ingest(reg, told, now=make.NOW)
        changes = [window(model, day, word, 130) for day, word in revised] if late else []
        for batch in batches(changes, sizes):
            ingest.ingest(reg, batch, now=make.NOW)
        (found,) = queries.incidents(reg, model)
        return _plain(found, model)

    assert incident(late=False) == incident(late=True)


@pytest.mark.slow
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POLICIES, st.lists(st.tuples(STAGES, WORDS), max_size=12), st.lists(st.integers(1, 5), max_size=4))
@example(TWO_OF_THREE, [(I, "S"), (O, "D"), (O, "S"), (I, "D"), (O, "D"), (I, "D")], [])
def test_the_size_of_batches_does_not_matter(
    reg: Registry, policy: IncidentPolicy, told: list[tuple[Stage, str]], sizes: list[int]
) -> None:
    """Windows that come in order, one at a time or many at once, give the same incidents with the same messages.

    So do those of one end, whichever stage's comes first.
    """

    def story(sizes: Sequence[int], turned: bool = False) -> list[Any]:
        model = f"model-{next(_models)}"
        make.champion(reg, of=model)
        days = {Stage.INPUTS: count(1), Stage.OUTCOMES: count(1)}
        reports = [window(model, next(days[stage]), word, 100, stage=stage) for stage, word in told]
        arrived = reports[::-1] if turned else reports
        for batch in batches(sorted(arrived, key=lambda r: r.window_end), sizes):
            ingest.ingest(reg, batch, now=make.NOW, rules=Rules(policy))
        types = [m.type for m in outbox.messages(reg, model)]
        return [types, *(_plain(i, model) for i in queries.incidents(reg, model))]

    singly = [1] * len(told)
    assert story(singly) == story(sizes) == story(singly, turned=True)


def _plain(incident: Incident, model: str) -> dict[str, Any]:
    """Return an incident without its number, its model, and how often it was corrected on the way."""
    said = incident.model_dump(mode="json", exclude={"id", "model", "corrections"})
    return {**said, "evidence": [{**e, "report": ""} for e in said["evidence"]]}
