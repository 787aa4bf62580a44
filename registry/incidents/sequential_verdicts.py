"""Window reports become verdicts over time on their way into the registry: it alone holds all of them, in order.

What a judge remembers follows from the baseline, the policy and the newest revisions that are stored. So it can be
dropped at any time, and a correction of an earlier slice is a replay, which may change later verdicts too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from monitors.baseline.baseline import Baseline
from monitors.config import MonitorPolicy
from monitors.quality import duplicates
from monitors.report import Report, Stage, digest
from monitors.sequential import monitor
from monitors.sequential.monitor import MonitoringPlan, MonitorState
from monitors.verdicts.plan import monitoring_plan
from registry import lookups
from registry.connection import Registry
from registry.database import tables
from registry.incidents import missing_windows

Series = tuple[str, str, str, Stage]
"""Model, version, segment and stage: what is judged in one line."""
_T = tables.window_reports.c


@dataclass(frozen=True, eq=False)
class _SeriesState:
    """What a judge remembers after the report *digest*, whose window ended at *end*."""

    memory: MonitorState
    end: datetime
    digest: str


class SequentialVerdicts:
    """Judges reports over time, by the policy of each model; a model without one is left as its windows alone are.

    One process keeps one, so that it need not read the history again with every batch. Not to be shared by threads.
    """

    def __init__(self, policies: Mapping[str, MonitorPolicy]) -> None:
        self._policies = policies
        self._baselines: dict[str, Baseline] = {}
        self._outlooks: dict[Series, tuple[str, MonitoringPlan]] = {}
        self._states: dict[Series, tuple[_SeriesState, ...]] = {}
        self._feeds: dict[str, missing_windows.WatchedFeed] = {}

    def judged(
        self,
        c: sa.Connection,
        reports: Iterable[Report],
        until: Mapping[str, missing_windows.ClockReached] | None = None,
    ) -> list[Report]:
        """Return *reports* with their verdicts, and every stored report whose verdict changes because of them.

        Beside them come reports on windows that nobody made because nothing came: see
        :mod:`registry.incidents.missing_windows`. *until* says, by model, up to when records might have come; absent,
        only later reports show a gap.
        """
        series: dict[Series, list[Report]] = defaultdict(list)
        fed = self._fed(c, list(reports), until or {})
        for report in sorted(self._counted_twice(c, fed), key=lambda r: r.window_end):
            series[report.model, report.version, report.segment, report.stage].append(report)
        return [judged for key, new in series.items() for judged in self._judge(c, key, new)]

    def _judge(self, c: sa.Connection, key: Series, new: list[Report]) -> list[Report]:
        known = self._outlook(c, key)
        if known is None:
            return new
        state = self._state_before(c, key, new[0].window_end)
        if state is not None:
            return self._go_on(key, known, state, new)
        stored = {r.window_end: r for r in _stored(c, key)}
        every = stored | {r.window_end: r for r in new}
        judged = self._go_on(key, known, None, [every[end] for end in sorted(every)])
        # What lies before the first correction keeps the verdict it was given, under whatever policy that was.
        return [r for r in judged if r.window_end >= new[0].window_end and stored.get(r.window_end) != r]

    def differences(self, c: sa.Connection, model: str) -> tuple[list[Report], int]:
        """Return the stored reports of *model* that would now be judged otherwise, and how many are judged the same.

        From the first window on, by today's policy: those that were judged by another are left out.
        """
        differ, same = [], 0
        for key in _series(c, model):
            known = self._outlook(c, key)
            stored = _stored(c, key)
            for report, again in zip(stored, monitor.judge_all(known, stored) if known else (), strict=False):
                if report.policy == self._digest(model):
                    differ += [report] if report.findings != again.findings else []
                    same += report.findings == again.findings
        return differ, same

    def _fed(
        self, c: sa.Connection, reports: list[Report], until: Mapping[str, missing_windows.ClockReached]
    ) -> list[Report]:
        """Return *reports* with what silence makes of them, and the windows that it left without a report."""
        by_model: dict[str, list[Report]] = {model: [] for model in until}
        for report in reports:
            by_model.setdefault(report.model, []).append(report)
        fed = []
        for model, some in by_model.items():
            watched = self._watched(c, model)
            fed += missing_windows.missing_reports(c, watched, some, until.get(model)) if watched else some
        return fed

    def _watched(self, c: sa.Connection, model: str) -> missing_windows.WatchedFeed | None:
        """Return the model's champion, whose feed is watched; None without a policy, a champion or its baseline."""
        t, b = tables.champions.c, tables.baselines.c
        found = sa.select(t.since, b.digest).join_from(
            tables.champions, tables.baselines, (b.model == t.model) & (b.version == t.version)
        )
        row = c.execute(found.where(t.model == model)).one_or_none()
        if row is None or model not in self._policies:
            return None
        kept = self._feeds.get(model)
        if kept is None or (kept.digest, kept.since) != (row.digest, row.since):
            baseline = self._baseline(c, row.digest)
            kept = missing_windows.WatchedFeed(model, baseline, row.digest, self._policies[model], row.since)
            self._feeds[model] = kept
        return kept

    def _digest(self, model: str) -> str:
        return digest(self._policies[model])

    def _counted_twice(self, c: sa.Connection, reports: list[Report]) -> Iterator[Report]:
        """Yield the reports; outcomes also tell how many of the window's predictions were delivered again.

        Inputs count every delivery, outcomes each id once: the difference was repeated.
        """
        here = {_moment(r): r.rows for r in reports if r.stage is Stage.INPUTS and not r.segment}
        for report in reports:
            known = self._known_version(c, report) if report.stage is Stage.OUTCOMES and not report.segment else None
            if known is None:
                yield report
                continue
            rows = here.get(_moment(report)) or _input_rows(c, report)
            yield duplicates.with_duplicates(known, self._policies[report.model], report, rows)

    def _known_version(self, c: sa.Connection, report: Report) -> Baseline | None:
        t = tables.baselines.c
        digest = c.scalar(sa.select(t.digest).where(t.model == report.model, t.version == report.version))
        return self._baseline(c, digest) if digest and report.model in self._policies else None

    def _state_before(self, c: sa.Connection, key: Series, end: datetime) -> _SeriesState | None:
        """Return a state that the newest stored report left, if it is older than a window that ends at *end*."""
        states = [state for state in self._states.get(key, ()) if state.end < end]
        newest = _newest(c, key) if states else None
        return next((state for state in states if state.digest == newest), None)

    def _go_on(
        self, key: Series, plan: MonitoringPlan, start: _SeriesState | None, reports: list[Report]
    ) -> list[Report]:
        """Judge *reports*, in order, from the state *start* on, or from the beginning, and remember both ends.

        What is judged may not be stored, if something else comes in between; then it goes on from *start* again.
        """
        memory = start.memory if start else monitor.initial_state(plan)
        judged = []
        for report in reports:
            memory, with_verdicts = monitor.judge(plan, memory, report)
            judged.append(with_verdicts.model_copy(update={"policy": self._digest(report.model)}))
        reached = _SeriesState(memory, judged[-1].window_end, judged[-1].digest)
        self._states[key] = (reached, start) if start else (reached,)
        return judged

    def _outlook(self, c: sa.Connection, key: Series) -> MonitoringPlan | None:
        model, version, segment, stage = key
        t = tables.baselines.c
        baseline = c.scalar(sa.select(t.digest).where(t.model == model, t.version == version))
        if model not in self._policies or baseline is None:
            return None
        made = self._outlooks.get(key)
        if made is None or made[0] != baseline:
            made = baseline, monitoring_plan(self._baseline(c, baseline), self._policies[model], stage, segment)
            self._outlooks[key] = made
        return made[1]

    def _baseline(self, c: sa.Connection, named: str) -> Baseline:
        if named not in self._baselines:
            self._baselines[named] = lookups.baseline(c, named)
        return self._baselines[named]


def recheck(reg: Registry, model: str, policy: MonitorPolicy) -> tuple[list[Report], int]:
    """Judge all that is stored of *model* again: see :meth:`SequentialVerdicts.differences`."""
    with reg.read() as c:
        return SequentialVerdicts({model: policy}).differences(c, model)


def _of(key: Series) -> sa.ColumnElement[bool]:
    model, version, segment, stage = key
    mine = (_T.model == model) & (_T.version == version) & (_T.segment == segment)
    return mine & (_T.stage == stage.value) & _T.latest


def _series(c: sa.Connection, model: str) -> list[Series]:
    columns = _T.model, _T.version, _T.segment, _T.stage
    found = c.execute(sa.select(*columns).where(_T.model == model).distinct().order_by(*columns))
    return [(row.model, row.version, row.segment, Stage(row.stage)) for row in found]


def _moment(report: Report) -> tuple[str, str, datetime]:
    return report.model, report.version, report.window_end


def _input_rows(c: sa.Connection, report: Report) -> int:
    """Return the rows of all traffic's inputs on record for *report*'s window, 0 if there are none."""
    mine = _of((report.model, report.version, "", Stage.INPUTS))
    return c.scalar(sa.select(_T.rows).where(mine, _T.window_end == report.window_end)) or 0


def _newest(c: sa.Connection, key: Series) -> str | None:
    return c.scalar(sa.select(_T.digest).where(_of(key)).order_by(_T.window_end.desc()).limit(1))


def _stored(c: sa.Connection, key: Series) -> list[Report]:
    found = c.scalars(sa.select(_T.report).where(_of(key)).order_by(_T.window_end))
    return [Report.model_validate(report) for report in found]
