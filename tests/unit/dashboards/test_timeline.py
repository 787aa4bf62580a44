"""Timeline: each window once, by the version that served it, with its worst verdict."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from dashboards import performance_chart, timeline
from dashboards.timeline import Address
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from registry.records import Promotion, WindowRow

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def finding(signal: Signal, verdict: Verdict, variable: str = "temp", **more: object) -> Finding:
    """Return a finding with nothing special about it."""
    given = {
        "signal": signal,
        "variable": variable,
        "window_verdict": verdict,
        "metric": "m",
        "n": 9,
        "baseline_n": 9,
        **more,
    }
    return Finding.model_validate(given)


def row(
    end: int, *findings: Finding, version: str = "v1", stage: Stage = Stage.INPUTS, rows: int = 100, days: int = 7
) -> WindowRow:
    """Return a stored window of *days* days that ends *end* days after START."""
    until = START + end * DAY
    report = Report(
        model="m", version=version, stage=stage, window_start=until - days * DAY, window_end=until, baseline="b",
        rows=rows, counts={}, findings=findings,
    )  # fmt: skip
    return WindowRow(
        id=end, model="m", version=version, segment="", stage=stage.value, window_start=report.window_start,
        window_end=until, verdict=report.verdict.value, rows=rows, digest=report.digest, revision=1,
        report=report.model_dump(mode="json"), created_at=until,
    )  # fmt: skip


def promotion(day: int, to: str, generation: int) -> Promotion:
    """Return a promotion that is effective *day* days after START."""
    return Promotion(
        id=generation, model="m", from_version=None, to_version=to, generation=generation, kind="promote",
        decision_id=None, run_id=None, actor="me", reason="", effective_at=START + day * DAY, made_at=START,
    )  # fmt: skip


STEADY, DRIFT, UNSURE = Verdict.STEADY, Verdict.DRIFT, Verdict.NOT_ENOUGH


def test_a_cell_names_what_is_away_and_says_when_there_is_more() -> None:
    """Three names, then a number."""
    away = [finding(Signal.FEATURE, DRIFT, name) for name in "abcde"]

    assert "a, b, c and 2 more" == timeline.cell_text(away)
    assert "a, b, c" == timeline.cell_text(away[:3])
    assert "steady" == timeline.cell_text([finding(Signal.FEATURE, STEADY)])
    assert "few rows" == timeline.cell_text([finding(Signal.FEATURE, UNSURE, reason="few rows")])


def test_both_stages_of_a_window_share_a_column() -> None:
    """Inputs and outcomes of the same days are one column, each cell leading to its own report."""
    rows = [
        row(7, finding(Signal.FEATURE, DRIFT)),
        row(7, finding(Signal.PERFORMANCE, STEADY), stage=Stage.OUTCOMES),
    ]
    (column,) = timeline.timeline(timeline.served(rows, []), []).columns

    found = {signal: (cell.verdict, cell.window.stage) for signal, cell in column.cells.items()}
    assert {Signal.FEATURE: (DRIFT, Stage.INPUTS), Signal.PERFORMANCE: (STEADY, Stage.OUTCOMES)} == found


@pytest.mark.parametrize("worse_first", [True, False])
def test_a_signal_judged_at_both_stages_shows_the_worse(worse_first: bool) -> None:
    """A fault found in the outcomes is not hidden by clean inputs, whichever comes first."""
    rows = [row(7, finding(Signal.QUALITY, STEADY)), row(7, finding(Signal.QUALITY, DRIFT), stage=Stage.OUTCOMES)]
    (seen,) = timeline.served(rows[::-1] if worse_first else rows, [])

    assert (DRIFT, Stage.OUTCOMES) == (
        timeline.cells(seen.reports)[Signal.QUALITY].verdict,
        timeline.cells(seen.reports)[Signal.QUALITY].window.stage,
    )


def test_the_version_that_served_is_shown() -> None:
    """Stragglers of a retired version do not hide the champion's report, and windows come from old to new.

    v1 champion from day 0, v2 from day 8:   |--- v1 ---|8--- v2 ---
    """
    rows = [row(9, version="v1", rows=999), row(9, version="v2", rows=5), row(8, version="v1"), row(8, version="v2")]
    seen = timeline.served(rows, [promotion(0, "v1", 1), promotion(8, "v2", 2)])

    assert [(START + 8 * DAY, "v1"), (START + 9 * DAY, "v2")] == [(s.end, s.version) for s in seen]


def test_a_window_without_the_champions_report_shows_the_busiest() -> None:
    """Before the first promotion, or where the champion answered nothing, the version with the most rows stands in."""
    rows = [row(7, version="v1", rows=5), row(7, version="v2", rows=900)]

    assert ["v2"] == [s.version for s in timeline.served(rows, [])]
    assert ["v2"] == [s.version for s in timeline.served(rows, [promotion(0, "v9", 1)])]


def test_of_two_promotions_the_later_generation_serves() -> None:
    """A roll-back to an earlier effective time counts, as the registry counts it."""
    moves = [promotion(0, "v1", 1), promotion(5, "v2", 2), promotion(3, "v1", 3)]

    assert "v1" == timeline.champion_before(moves, START + 9 * DAY)
    assert None is timeline.champion_before(moves, START)


def test_a_promotion_is_marked_on_the_first_window_that_it_reaches() -> None:
    """Once, on the first window that ends after it; one that is effective when a window ends is the next one's."""
    rows = [row(d) for d in range(7, 12)]
    moves = [promotion(0, "v1", 1), promotion(9, "v2", 2)]
    columns = timeline.timeline(timeline.served(rows, moves), moves).columns

    assert ["", "", "", "v2", ""] == [c.promoted for c in columns]


def test_months_and_versions_are_grouped_as_they_follow() -> None:
    """A window that ends at midnight belongs to the day before; a version that comes back starts a new band."""
    rows = [row(30, version="v1"), row(31, version="v2"), row(32, version="v1")]
    shown = timeline.timeline(timeline.served(rows, []), [])

    assert (("Jan 2024", 2), ("Feb 2024", 1)) == shown.months
    assert (("v1", 1), ("v2", 1), ("v1", 1)) == shown.bands


def test_nothing_stored_is_an_empty_timeline() -> None:
    """No windows, no columns, no error."""
    assert () == timeline.timeline(timeline.served([], []), []).columns


def test_performance_lines_follow_the_served_windows() -> None:
    """Each metric that has a baseline level is a line; what has none, or is no performance finding, is left out."""
    metrics = {"log_loss": 0.5, "baseline_log_loss": 0.4, "auc": 0.7, "baseline_auc": 0.8, "auc_error": 0.01}
    lost = finding(Signal.PERFORMANCE, DRIFT, "loss", metrics=metrics)
    other = finding(Signal.LABEL, STEADY, "label", metrics={"psi": 1.0, "baseline_psi": 0.0})
    rows = [row(d, lost, other, stage=Stage.OUTCOMES) for d in (7, 8)]

    lines = performance_chart.performance(timeline.served(rows, []))

    assert ["AUC", "Log loss"] == [line.name for line in lines]
    end = START + 7 * DAY
    expected = performance_chart.Point(end, 0.7, 0.8, DRIFT, Address("v1", Stage.OUTCOMES, end))
    assert (expected, 2) == (lines[0].points[0], len(lines[0].points))


def test_an_unknown_metric_comes_last_under_its_own_name() -> None:
    """A metric that the pages have never heard of is shown all the same."""
    lost = finding(
        Signal.PERFORMANCE, STEADY, metrics={"gini_index": 1, "baseline_gini_index": 2, "auc": 1, "baseline_auc": 1}
    )

    lines = performance_chart.performance(timeline.served([row(7, lost, stage=Stage.OUTCOMES)], []))

    assert ["AUC", "Gini index"] == [line.name for line in lines]
