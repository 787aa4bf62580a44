"""Sequential verdicts at ingest: each report is judged with all stored reports of its series before it, in order.

The state of a series follows from the baseline, the policy and the newest revisions that are stored. So it can be
dropped at any time, and after a correction the series is judged again from its first report, which may change later
verdicts too. Each report is judged by the revision of the baseline that it was compared with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa

from monitors.baseline.baseline import Baseline, in_force
from monitors.config import MonitorPolicy
from monitors.finding import Stage
from monitors.quality import duplicates
from monitors.report import Report, digest
from monitors.sequential import monitor
from monitors.sequential.monitoring_plan import MonitoringPlan
from monitors.verdicts import accepted_faults
from monitors.verdicts.plan import monitoring_plan
from monitors.verdicts.window_verdict import Accepted
from registry import acceptances, lookups
from registry.connection import Registry
from registry.database import mapping, tables
from registry.incidents import missing_windows, stored_series
from registry.incidents.series_states import SeriesState, SeriesStates
from registry.incidents.stored_series import Series
from registry.records import Champion

Revisions = Mapping[str, Baseline]
"""The baselines of a version by their sha256, oldest first."""


class SequentialVerdicts:
    """Judges reports over time, by the policy of each model; a model's reports without one keep their window verdicts.

    A process keeps one instance, so that the history is not read again with every batch. Not safe between threads.
    """

    def __init__(self, policies: Mapping[str, MonitorPolicy]) -> None:
        self._policies = policies
        self._baselines: dict[str, Baseline] = {}
        self._plans: dict[tuple[Series, str], MonitoringPlan] = {}
        self._states = SeriesStates()
        self._feeds: dict[str, missing_windows.WatchedFeed] = {}

    def judge(
        self,
        c: sa.Connection,
        reports: Iterable[Report],
        until: Mapping[str, missing_windows.ClockReached] | None = None,
        with_more_faults: Callable[[Sequence[Report]], Sequence[Report]] | None = None,
    ) -> list[Report]:
        """Return *reports* with sequential verdicts, and the stored reports whose verdicts change because of them.

        With them come reports on windows that are missing because no record came: see
        :mod:`registry.incidents.missing_windows`.

        Parameters
        ----------
        c
            The connection to read with.
        reports
            Reports that are not stored, in any order.
        until
            Up to when records might have come, by model; if absent, only later reports show that a window is missing.
        with_more_faults
            Adds faults to reports that their counts do not show.
        """
        reports = with_more_faults(list(reports)) if with_more_faults else reports
        series: dict[Series, list[Report]] = defaultdict(list)
        complete = self._with_missing_windows(c, list(reports), until or {})
        with_duplicates = self._with_duplicate_findings(c, complete)
        for report in sorted(self._without_accepted_faults(c, with_duplicates), key=lambda r: r.window_end):
            series[report.model, report.version, report.segment, report.stage].append(report)
        newest = self._states.newest(c, series)
        return [judged for key, new in series.items() for judged in self._judge_series(c, key, new, newest.get(key))]

    def _judge_series(self, c: sa.Connection, key: Series, new: list[Report], newest: str | None) -> list[Report]:
        """Return the *new* reports of a series, by time, with verdicts, and the stored ones whose verdicts change.

        *newest* is the digest of its newest stored report, as :meth:`.SeriesStates.newest` returns it.
        """
        revisions = self._revisions(c, *key[:2])
        if not revisions:
            return new
        state = self._states.before(key, new[0].window_end, newest)
        if state is not None:
            return self._judge_from(key, revisions, state, new)
        stored = {r.window_end: r for r in stored_series.stored(c, key)}
        by_end = stored | {r.window_end: r for r in new}
        judged = self._judge_from(key, revisions, None, [by_end[end] for end in sorted(by_end)])
        # What lies before the first correction keeps the verdict it was given, under whatever policy that was.
        later = (r for r in judged if r.window_end >= new[0].window_end)
        return [r for r in later if not _says_the_same(stored.get(r.window_end), r)]

    def differences(self, c: sa.Connection, model: str) -> tuple[list[Report], int]:
        """Return the stored reports of *model* that would now be judged otherwise, and how many would be the same.

        Each series is judged from its first window on by today's policy; reports judged by another one are left out.
        """
        differ, same = [], 0
        for key in stored_series.all_of(c, model):
            revisions, stored = self._revisions(c, *key[:2]), stored_series.stored(c, key)
            for report, again in zip(
                stored, self._judge_from(key, revisions, None, stored) if revisions else (), strict=False
            ):
                if report.policy == self._digest(model):
                    equal = _says_the_same(report, again)
                    differ += [] if equal else [report]
                    same += equal
        return differ, same

    def _with_missing_windows(
        self, c: sa.Connection, reports: list[Report], until: Mapping[str, missing_windows.ClockReached]
    ) -> list[Report]:
        """Return *reports* with faults of missing records, and reports on the windows that are missing."""
        by_model: dict[str, list[Report]] = {model: [] for model in until}
        for report in reports:
            by_model.setdefault(report.model, []).append(report)
        complete = []
        for model, own in by_model.items():
            watched = self._watched_feed(c, model)
            complete += missing_windows.missing_reports(c, watched, own, until.get(model)) if watched else own
        return complete

    def _watched_feed(self, c: sa.Connection, model: str) -> missing_windows.WatchedFeed | None:
        """Return the feed of the model's champion; None without a policy, a champion or its baseline."""
        champion = mapping.one(c, Champion, tables.champions.c.model == model)
        revisions = self._revisions(c, model, champion.version) if champion else {}
        if champion is None or not revisions:
            return None
        feed = self._feeds.get(model)
        if feed is None or (feed.revisions.keys(), feed.since) != (revisions.keys(), champion.since):
            feed = missing_windows.WatchedFeed(model, revisions, self._policies[model], champion.since)
            self._feeds[model] = feed
        return feed

    def _digest(self, model: str) -> str:
        return digest(self._policies[model])

    def _with_duplicate_findings(self, c: sa.Connection, reports: list[Report]) -> Iterator[Report]:
        """Yield the reports, outcomes with a finding on how many predictions of the window are duplicates.

        Inputs count every delivery, outcomes each id once: the difference is duplicates.
        """
        new_rows = {stored_series.moment(r): r.rows for r in reports if r.stage is Stage.INPUTS and not r.segment}
        for report in reports:
            baseline = (
                self._version_baseline(c, report) if report.stage is Stage.OUTCOMES and not report.segment else None
            )
            if baseline is None:
                yield report
                continue
            rows = new_rows.get(stored_series.moment(report)) or stored_series.input_rows(c, report)
            yield duplicates.with_duplicates(baseline, self._policies[report.model], report, rows)

    def _without_accepted_faults(self, c: sa.Connection, reports: Iterable[Report]) -> Iterator[Report]:
        """Yield the reports, those with faults that were accepted as drift judged for drift instead."""
        accepted: dict[tuple[str, str], Accepted] = {}
        for report in reports:
            key = report.model, report.version
            if key not in accepted:
                accepted[key] = acceptances.of_version(c, *key)
            baseline = self._version_baseline(c, report) if accepted[key] else None
            if baseline is None:
                yield report
                continue
            policy = self._policies[report.model]
            yield accepted_faults.without_accepted(baseline, policy, report, accepted[key])

    def _version_baseline(self, c: sa.Connection, report: Report) -> Baseline | None:
        revisions = self._revisions(c, report.model, report.version)
        return revisions[_compared_with(revisions, report)] if revisions else None

    def _revisions(self, c: sa.Connection, model: str, version: str) -> Revisions:
        """Return the baselines of a version, oldest first; none without a policy."""
        digests = lookups.baseline_digests(c, model, version) if model in self._policies else ()
        return {digest: self._baseline(c, digest) for digest in digests}

    def _judge_from(
        self, key: Series, revisions: Revisions, start: SeriesState | None, reports: list[Report]
    ) -> list[Report]:
        """Judge *reports*, in order, from the state *start* on, or from the beginning, and remember both ends.

        What is judged may not be stored, if something else comes in between; then it goes on from *start* again.
        """
        state, baseline, judged = (start.monitor, start.baseline, []) if start else (None, "", list[Report]())
        for report in reports:
            before, baseline = baseline, _compared_with(revisions, report)
            plan = self._plan(key, baseline, revisions[baseline])
            if state is None:
                state = monitor.initial_state(plan)
            elif baseline != before:
                state = state.begun_anew(monitor.initial_state(plan))
            state, with_verdicts = monitor.judge(plan, state, report)
            judged.append(with_verdicts.model_copy(update={"policy": self._digest(report.model)}))
        assert state is not None  # there is a report
        reached = SeriesState(state, baseline, judged[-1].window_end, judged[-1].digest)
        self._states.remember(key, reached, start)
        return judged

    def _plan(self, key: Series, digest: str, baseline: Baseline) -> MonitoringPlan:
        """Return the monitoring plan of a series on one baseline, which is cached."""
        planned = self._plans.get((key, digest))
        if planned is None:
            model, _, segment, stage = key
            planned = self._plans[key, digest] = monitoring_plan(baseline, self._policies[model], stage, segment)
        return planned

    def _baseline(self, c: sa.Connection, named: str) -> Baseline:
        if named not in self._baselines:
            self._baselines[named] = lookups.baseline(c, named)
        return self._baselines[named]


def recheck(reg: Registry, model: str, policy: MonitorPolicy) -> tuple[list[Report], int]:
    """Judge all stored reports of *model* again: see :meth:`SequentialVerdicts.differences`."""
    with reg.read() as c:
        return SequentialVerdicts({model: policy}).differences(c, model)


def _compared_with(revisions: Revisions, report: Report) -> str:
    """Return the sha256 of the baseline that a report was compared with; the valid one's where it is not on record."""
    if report.baseline in revisions:
        return report.baseline
    return in_force(revisions, report.stage, report.window_end)


def _says_the_same(stored: Report | None, again: Report) -> bool:
    """Return whether a stored report and the same one judged again differ in wording at most."""
    return stored is not None and stored.without_notes() == again.without_notes()
