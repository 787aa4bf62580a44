"""View of a window: findings by severity, and shares beside the baseline's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from dashboards import charts, window_page
from features.schema import EventSchema, FeatureKind, Task
from monitors.baseline.baseline import Baseline, Slice
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.stats.bins import Bins, CategoricalBins, NumericBins

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
BINS: dict[str, Bins] = {
    "temp": NumericBins(edges=(0.0, 10.0, 20.0)),
    "carrier": CategoricalBins(categories=("UA", "DL"), others=("HA",)),
}


def temp(low: int, high: int, **others: int) -> list[int]:
    """Return a row of counts of the temperature, by the cells' names."""
    cells = dict.fromkeys(BINS["temp"].labels, 0)
    return list({**cells, "[0, 10)": low, "[10, 20)": high, **others}.values())


BASELINE = Baseline(
    events=EventSchema(
        model="m",
        task=Task.BINARY,
        features={"temp": FeatureKind.NUMERIC, "carrier": FeatureKind.CATEGORICAL},
        segments=("carrier",),
    ),
    version="v1",
    start=START,
    end=START + timedelta(days=2),
    rows=100,
    bins=BINS,
    inputs=tuple(Slice(start=low, counts={"temp": temp(low, 10), "carrier": [40, 10, 0, 0, 0]}) for low in (30, 50)),
)


def finding(variable: str, effect: float | None, threshold: float | None = 0.1) -> Finding:
    """Return a finding about *variable*."""
    return Finding(
        signal=Signal.FEATURE, variable=variable, window_verdict=Verdict.STEADY, metric="m", effect=effect,
        threshold=threshold, n=1, baseline_n=1,
    )  # fmt: skip


def report(*findings: Finding, segment: str = "", **counts: list[int]) -> Report:
    """Return a report of inputs with *counts*."""
    return Report(
        model="m", version="v1", segment=segment, stage=Stage.INPUTS, window_start=START,
        window_end=START + timedelta(days=7), baseline="b", rows=1, counts=counts, findings=findings,
    )  # fmt: skip


def test_findings_are_ranked_by_how_far_they_went() -> None:
    """Effect over threshold, not effect: 0.2 over a line of 0.1 is further than 0.9 over a line of 1."""
    ranked = window_page.ranked([finding("a", 0.9, 1.0), finding("b", None), finding("c", 0.2), finding("d", 0.0, 0.0)])

    assert ["c", "a", "b", "d"] == [line.finding.variable for line in ranked]
    assert [2.0, 0.9, None, None] == [line.ratio for line in ranked]


def test_what_drifts_comes_first() -> None:
    """Over time a small effect may be drift, and a large one may not be."""
    away = finding("a", 0.01).model_copy(update={"window_verdict": Verdict.DRIFT})

    assert ["a", "c"] == [line.finding.variable for line in window_page.ranked([finding("c", 0.2), away])]


def test_equal_findings_are_in_order_of_name() -> None:
    """The same report is the same page, whatever order the findings came in."""
    one, two = finding("a", 0.1), finding("b", 0.1)

    assert window_page.ranked([one, two]) == window_page.ranked([two, one])


def test_variables_to_draw_start_with_the_furthest() -> None:
    """Only those with bins; those without a finding come last."""
    found = report(
        finding("carrier", 0.3), finding("*", 0.9), temp=temp(0, 0), carrier=[0] * 5, coverage=[1, 0]
    )  # fmt: skip

    assert ("carrier", "temp") == window_page.variables(BASELINE, found)


def test_the_baselines_slices_are_added_up() -> None:
    """The baseline's shares are those of its whole period."""
    shown = window_page.distribution(BASELINE, "temp", [("this window", report(temp=temp(5, 15)))])

    assert ("[0, 10)", "[10, 20)") == shown.cells
    assert [("baseline", (80, 20), (0.8, 0.2)), ("this window", (5, 15), (0.25, 0.75))] == [
        (s.name, s.counts, s.shares) for s in shown.samples
    ]


def test_cells_beyond_the_bins_appear_when_somebody_is_in_them() -> None:
    """Numbers from low to high, then what is no number; a cell that is empty everywhere is left out."""
    shown = window_page.distribution(BASELINE, "temp", [("w", report(temp=temp(1, 1, under=1, missing=2)))])

    assert ("[-20, 0)", "[0, 10)", "[10, 20)", "missing") == shown.cells
    assert (1, 1, 1, 2) == shown.samples[1].counts


def test_a_segment_that_the_baseline_never_saw_has_no_shares() -> None:
    """Nothing is divided by nothing."""
    shown = window_page.distribution(
        BASELINE, "carrier", [("w", report(segment="carrier=XX", carrier=[0, 0, 0, 9, 0]))]
    )

    assert (0.0,) * 4 == shown.samples[0].shares
    assert ("UA", "DL", "other", "unseen") == shown.cells


@given(st.lists(st.integers(0, 1000), min_size=len(temp(0, 0)), max_size=len(temp(0, 0))))
def test_shares_are_of_all_rows(counts: list[int]) -> None:
    """No row is lost between the report and the page, and shares add up to one."""
    shown = window_page.distribution(BASELINE, "temp", [("w", report(temp=counts))]).samples[1]

    assert sum(counts) == shown.rows
    assert abs(sum(shown.shares) - (1 if sum(counts) else 0)) < 1e-9


def test_the_chart_is_plain_data() -> None:
    """What the script draws has the cells, and for each sample its shares and its rows."""
    chart = charts.bars(window_page.distribution(BASELINE, "temp", [("w", report(temp=temp(1, 3)))]))

    assert {"kind": "bars", "name": "temp", "cells": ["[0, 10)", "[10, 20)"]}.items() <= chart.items()
    assert {"name": "w", "shares": [0.25, 0.75], "counts": [1, 3]} == chart["samples"][1]
