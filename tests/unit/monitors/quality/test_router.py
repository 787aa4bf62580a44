"""The fault router: pipeline faults are named, real changes are left to drift, in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.config import MonitorPolicy
from monitors.finding import Signal, Verdict
from monitors.quality import router, router_reference
from monitors.quality.fault import Fault, FaultKind
from monitors.quality.volume import FeedCounts
from monitors.stats.bins import Bins, CategoricalBins, Counts, NumericBins, freeze_categorical, freeze_numeric

LEVEL, SLICES, ROWS, LENGTH = 0.01, 40, 200, 5
POLICY = MonitorPolicy()
Values = npt.NDArray[np.float64] | npt.NDArray[np.object_]
Rows = dict[str, Values]
Change = Callable[[Rows], Mapping[str, Values]]


def drawn(rng: np.random.Generator, slices: int) -> Rows:
    """Return the rows of so many slices: a temperature, a price, an age with holes, a fruit, and a city."""
    n = slices * ROWS
    return {
        "celsius": rng.normal(15, 8, n),
        "price": rng.lognormal(3, 0.8, n),
        "age": np.where(rng.random(n) < 0.02, np.nan, rng.normal(45, 14, n)),
        "fruit": rng.choice(["apple", "pear", "plum"], n, p=[0.5, 0.3, 0.2]).astype(object),
        "city": np.array([f"c{i}" for i in rng.zipf(1.8, n)], dtype=object),
    }


def counted(bins: Bins, values: Values, slices: int) -> Counts:
    """Return the cells of each of so many equal slices, (slices, cells)."""
    parts = np.split(values, slices)
    cells = [bins.index(v, np.isnan(v)) if isinstance(bins, NumericBins) else bins.index(v) for v in parts]
    return np.array([np.bincount(c, minlength=bins.cells) for c in cells])


ROWS_THEN = drawn(np.random.default_rng(1), SLICES)
BINS: dict[str, Bins] = {
    name: freeze_categorical(v) if v.dtype == object else freeze_numeric(v) for name, v in ROWS_THEN.items()
}
THEN = {name: counted(BINS[name], v, SLICES) for name, v in ROWS_THEN.items()}
KNOWN = router_reference.router_reference(BINS, THEN, length=LENGTH, level=LEVEL)


def routed(change: Change, seed: int = 2, feed: FeedCounts | None = None) -> tuple[Fault, ...]:
    """Return the faults of a window of five slices that *change* was made to, five good ones being before it."""
    rng = np.random.default_rng(seed)
    before, now = drawn(rng, LENGTH), drawn(rng, LENGTH)
    now |= change(now)
    recent = {
        name: np.vstack([counted(BINS[name], before[name], LENGTH), counted(BINS[name], v, LENGTH)])
        for name, v in now.items()
    }
    window = {name: slices[LENGTH:].sum(axis=0) for name, slices in recent.items()}
    return router.route(KNOWN, window, POLICY, LEVEL, recent=recent, rows=feed)


def some(values: Values, share: float, value: object) -> Values:
    """Return *values* with the first *share* of them replaced."""
    out = values.copy()
    out[: round(share * len(out))] = value
    return out


def words(values: Values, change: Callable[[str], str]) -> Values:
    """Return every category changed."""
    return np.array([change(v) for v in values], dtype=object)


FAULTS: list[tuple[FaultKind, tuple[str, ...], Change, str]] = [
    (FaultKind.SCHEMA, ("age",), lambda r: {"age": r["age"] * np.nan}, "check the schema of what sends age"),
    (
        FaultKind.MISSING_BURST,
        ("age",),
        lambda r: {"age": some(r["age"], 0.1, np.nan)},
        "12.2% of age is missing, 1.7% in the baseline",
    ),
    (
        FaultKind.MISSING_BURST,
        ("fruit",),
        lambda r: {"fruit": some(r["fruit"], 0.1, None)},
        "10.0% of fruit is missing",
    ),
    (FaultKind.NON_FINITE, ("price",), lambda r: {"price": some(r["price"], 0.1, np.inf)}, "NaN or infinite"),
    (
        FaultKind.UNSEEN,
        ("fruit",),
        lambda r: {"fruit": words(r["fruit"], str.upper)},
        "'apple', 'pear' and 1 more no longer come: another spelling or coding",
    ),
    (FaultKind.UNSEEN, ("city",), lambda r: {"city": words(r["city"], str.upper)}, "no longer come"),
    (
        FaultKind.STUCK,
        ("celsius",),
        lambda r: {"celsius": r["celsius"] * 0 + 14.0},
        "a stuck sensor, a default value, or another scale",
    ),
    (
        FaultKind.STUCK,
        ("celsius",),
        lambda r: {"celsius": r["celsius"] * 0 + 30.0},
        "a stuck sensor, a default value, or another scale",
    ),
    (
        FaultKind.OUT_OF_RANGE,
        ("age",),
        lambda r: {"age": some(r["age"], 0.7, -9999.0)},
        "garbage or placeholder values",
    ),
    (
        FaultKind.UNIT_CHANGE,
        ("celsius",),
        lambda r: {"celsius": 1.8 * r["celsius"] + 32},
        "in the newest 5 slices, all at once: looks like another unit, Celsius to Fahrenheit; check the unit of",
    ),
    (FaultKind.UNIT_CHANGE, ("price",), lambda r: {"price": 100 * r["price"]}, "times 100 (units to hundredths)"),
    (
        FaultKind.UNIT_CHANGE,
        ("price",),
        lambda r: {"price": r["price"] / 1000},
        "check the unit of price at its source",
    ),
    (
        FaultKind.COLUMN_SWAP,
        ("age", "celsius"),
        lambda r: {"age": r["celsius"], "celsius": r["age"]},
        "age looks like celsius did",
    ),
    (
        FaultKind.COLUMN_SWAP,
        ("age", "celsius", "price"),
        lambda r: {"age": r["celsius"], "celsius": r["price"], "price": r["age"]},
        "exchanged; check the order of",
    ),
    (
        FaultKind.COLUMN_SWAP,
        ("city", "fruit"),
        lambda r: {"city": r["fruit"], "fruit": r["city"]},
        "exchanged columns, or new spellings in all of them",
    ),
]


@pytest.mark.parametrize(("kind", "variables", "change", "says"), FAULTS)
def test_each_fault_is_named_with_what_to_check(
    kind: FaultKind, variables: tuple[str, ...], change: Change, says: str
) -> None:
    """One fault, of that kind, in these variables, beyond its line; its reason says what was seen and what to check."""
    (fault,) = routed(change)
    assert (kind, set(variables)) == (fault.kind, set(fault.variables))
    assert fault.share > fault.line
    assert says in fault.reason
    assert "check" in fault.reason


DRIFTS: list[Change] = [
    lambda r: {},
    lambda r: {"celsius": r["celsius"] + 16},
    lambda r: {"celsius": r["celsius"] - 16, "age": r["age"] - 28},
    lambda r: {"celsius": 15 + 2 * (r["celsius"] - 15)},
    lambda r: {"celsius": r["celsius"] + np.arange(len(r["celsius"])) / len(r["celsius"]) * 40},
    lambda r: {"price": r["price"] * 4},
    lambda r: {"price": r["price"] + 2 * 23},
    lambda r: {"fruit": some(r["fruit"], 0.4, "plum")},
    lambda r: {"city": words(r["city"], lambda v: v if len(v) < 4 else v + "0")},
]


@pytest.mark.parametrize("change", DRIFTS)
@pytest.mark.parametrize("seed", [2, 3])
def test_a_change_of_the_world_is_no_fault(change: Change, seed: int) -> None:
    """Nothing, a sudden shift of 2 sd, a spread, a ramp over the whole range, growth, another mix, new rare cities."""
    assert () == routed(change, seed)


@pytest.mark.parametrize(
    ("feed", "kind"),
    [
        (FeedCounts(rows=1000, repeated=120), FaultKind.DUPLICATES),
        (FeedCounts(rows=200), FaultKind.VOLUME),
        (FeedCounts(rows=4000), FaultKind.VOLUME),
        (FeedCounts(refused={"age": 100}), FaultKind.SCHEMA),
        (FeedCounts(late=100), FaultKind.LATENESS),
    ],
)
def test_faults_of_the_rows_are_named(feed: FeedCounts, kind: FaultKind) -> None:
    """Rows that are repeated, too few, too many, refused or too late; the values are as ever."""
    (fault,) = routed(lambda r: {}, feed=feed)
    assert kind is fault.kind
    assert fault.share > fault.line
    assert "check" in fault.reason


def test_usual_rows_are_no_fault() -> None:
    """What differs by less than threefold, or by less than the points of the policy, is left alone."""
    assert () == routed(lambda r: {}, feed=FeedCounts(rows=1800, repeated=40, refused={"age": 30}, late=30))
    assert () == routed(lambda r: {}, feed=FeedCounts(rows=400))


def test_late_rows_are_told_with_their_share_the_line_and_what_to_do() -> None:
    """The reason is all that a person has who is woken by it; the share is of all, in time or not."""
    (fault,) = routed(lambda r: {}, feed=FeedCounts(late=250))
    assert ("late_share", 0.2, ()) == (fault.metric, fault.share, fault.variables)
    assert "20.0% of predictions (250 of 1,250, line 5.0%) arrived after their slice was closed" in fault.reason
    assert "raise windows.watermark_delay, or check what delays the events" in fault.reason


def test_late_rows_are_one_question_even_where_there_are_none() -> None:
    """What was asked shares the level, whatever the answer is; what cannot be known is not asked."""
    assert (0, 1, 1, 4) == tuple(
        feed.checks for feed in (FeedCounts(), FeedCounts(late=0), FeedCounts(late=9), FeedCounts(1, 1, {"age": 1}, 1))
    )


def test_few_late_rows_are_left_alone() -> None:
    """Below the policy's least rows nothing is said, though most of them came too late."""
    nothing = {name: np.zeros(BINS[name].cells, np.int64) for name in BINS}
    few, many = (router.route(KNOWN, nothing, POLICY, LEVEL, rows=FeedCounts(late=n)) for n in (29, 30))
    assert ((), [FaultKind.LATENESS]) == (few, [f.kind for f in many])


def test_a_baseline_without_windows_judges_no_volume() -> None:
    """Two windows at least are needed to know what is usual."""
    short = router_reference.router_reference(
        BINS, {n: s[:LENGTH] for n, s in THEN.items()}, length=LENGTH, level=LEVEL
    )
    window = {name: s[:LENGTH].sum(axis=0) for name, s in THEN.items()}
    assert () == router.route(short, window, POLICY, LEVEL, rows=FeedCounts(rows=1))


def test_a_finding_is_made_for_each_variable() -> None:
    """A swap is told of both its columns, a fault of the rows as ``*``; as drift of the signal quality."""
    faults = routed(lambda r: {"age": r["celsius"], "celsius": r["age"]}, feed=FeedCounts(rows=1000, repeated=500))
    found = router.findings(faults, KNOWN, {name: s[:LENGTH].sum(axis=0) for name, s in THEN.items()})
    assert {"*", "age", "celsius"} == set(found)
    assert {(Signal.QUALITY, Verdict.DRIFT)} == {(f.signal, f.verdict) for f in found.values()}
    assert found["age"].reason == found["celsius"].reason
    assert ("repeated_share", 0.5, {"fault_duplicates": 0.5}) == (
        found["*"].metric,
        found["*"].effect,
        found["*"].metrics,
    )


def newest(change: Change) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Return the faults of a window whose newest slice *change* was made to: by its sum alone, and with that slice."""
    now = drawn(np.random.default_rng(7), LENGTH)
    changed = change(now)
    slices = {name: counted(BINS[name], v, LENGTH) for name, v in now.items()}
    for name, values in changed.items():
        slices[name][-1] = counted(BINS[name], values, LENGTH)[-1]
    window, last = {n: s.sum(axis=0) for n, s in slices.items()}, {n: s[-1] for n, s in slices.items()}
    alone = router.route(KNOWN, window, POLICY, LEVEL)
    return alone, router.route(KNOWN, window, POLICY, LEVEL, newest=last)


def test_the_newest_slice_shows_what_a_window_hides() -> None:
    """Nulls in a fifth of one slice are 4 % of the window; columns exchanged in it look like nothing known there."""
    alone, (nulls,) = newest(lambda r: {"fruit": np.where(np.arange(1000) % 5 == 0, None, r["fruit"])})
    assert () == alone
    assert (FaultKind.MISSING_BURST, 0.2) == (nulls.kind, nulls.share)
    assert nulls.reason.startswith("in the newest slice, 20.0% of fruit is missing")
    alone, (swap,) = newest(lambda r: {"age": r["celsius"], "celsius": r["age"]})
    assert () == alone
    assert FaultKind.COLUMN_SWAP is swap.kind


def test_what_the_window_shows_too_is_told_of_the_window() -> None:
    """A fault of both is one fault, with the rows of the window behind it; without a change there is none."""
    (alone,), (both,) = newest(lambda r: {"fruit": np.where(np.arange(1000) % 2 == 0, None, r["fruit"])})
    assert alone.share == both.share
    assert ((), ()) == newest(lambda r: {})


def test_a_unit_is_not_told_where_the_policy_allows_any_distance() -> None:
    """At 1 the policy's share out of range means that values may go anywhere."""
    cells = counted(BINS["celsius"], np.full(1000, 5e4), 1)[0]
    window = {name: s[:LENGTH].sum(axis=0) for name, s in THEN.items()} | {"celsius": cells}
    anything = MonitorPolicy(max_out_of_range=1)
    assert [FaultKind.UNIT_CHANGE] == [f.kind for f in router.route(KNOWN, window, POLICY, LEVEL)]
    assert () == router.route(KNOWN, window, anything, LEVEL)


def test_the_order_of_variables_is_of_no_account() -> None:
    """The same faults, number for number, however the variables are listed."""
    rng = np.random.default_rng(5)
    now = drawn(rng, LENGTH)
    now |= {"age": now["celsius"], "celsius": now["age"], "price": 1000 * now["price"]}
    window = {name: counted(BINS[name], v, 1)[0] for name, v in now.items()}
    names = list(window)
    expected = router.route(KNOWN, window, POLICY, LEVEL)
    for _ in range(3):
        rng.shuffle(names)
        again = router_reference.router_reference(BINS, {n: THEN[n] for n in names}, length=LENGTH, level=LEVEL)
        assert expected == router.route(again, {n: window[n] for n in reversed(names)}, POLICY, LEVEL)
    assert [FaultKind.UNIT_CHANGE, FaultKind.COLUMN_SWAP] == [f.kind for f in expected]


def test_merging_the_slices_of_one_side_of_a_step_changes_nothing_but_their_number() -> None:
    """Ten slices, or all before and all after: the same share, line and evidence. Empty slices do not count."""
    rng = np.random.default_rng(6)
    before, now = drawn(rng, LENGTH), drawn(rng, LENGTH)
    now["celsius"] = 1.8 * now["celsius"] + 32
    fine = np.vstack([counted(BINS["celsius"], r["celsius"], LENGTH) for r in (before, now)])
    window = {name: counted(BINS[name], v, 1)[0] for name, v in now.items()}
    told = []
    for recent in (fine, fine.reshape(2, LENGTH, -1).sum(axis=1), np.insert(fine, [3, 7], 0, axis=0)):
        (fault,) = router.route(KNOWN, window, POLICY, LEVEL, recent={"celsius": recent})
        told.append((fault.kind, fault.share, fault.line, fault.evidence))
    assert [told[0]] * 3 == told


tables = st.lists(st.lists(st.integers(0, 60), min_size=9, max_size=9), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(number=tables, word=tables, length=st.integers(1, 3))
def test_a_baseline_has_no_fault_in_its_own_eyes(number: list[list[int]], word: list[list[int]], length: int) -> None:
    """Neither all of it nor any window-length run of it, whatever its counts are."""
    slices = min(len(number), len(word))
    counts = {"x": np.array(number[:slices]), "y": np.array(number[:slices])[::-1], "c": np.array(word[:slices])[:, :5]}
    bins: dict[str, Bins] = {
        "x": NumericBins(edges=(0.0, 1.0, 2.0, 3.0), mean=1.5, sd=1.0),
        "y": NumericBins(edges=(0.0, 5e-324, 7.0, 90.0), mean=9.0, sd=20.0),
        "c": CategoricalBins(categories=("a", "b"), others=("d",)),
    }
    known = router_reference.router_reference(bins, counts, length=length, level=LEVEL)
    windows = [{n: c.sum(axis=0) for n, c in counts.items()}]
    windows += [
        {n: c[i : i + length].sum(axis=0) for n, c in counts.items()}
        for i in range(slices - length + 1)
        if slices >= 2 * length
    ]
    for window in windows:
        assert () == router.route(known, window, POLICY, LEVEL, recent=counts)
