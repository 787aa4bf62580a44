"""Error-stream findings: independent of order, batching and unit, in bounded time."""

from __future__ import annotations

import random
from dataclasses import astuple
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.window import UTC, Windows, to_ms
from monitors.config import MonitorPolicy
from monitors.error_stream import detector_state, stream_findings
from monitors.error_stream.detector_state import StreamState
from monitors.error_stream.loss_rows import LossRow, unpack
from monitors.error_stream.stream_findings import SliceAlarms
from monitors.finding import Signal, Verdict
from monitors.profiles.cells import Layout
from monitors.profiles.side_channels import ERROR_STREAM

WATCHING = MonitorPolicy(error_stream="page_hinkley")
WINDOWS = Windows(size="10h", slide="1h")
HOUR = 3_600_000
START = datetime(2024, 1, 1, tzinfo=UTC)
Slices = dict[int, list[LossRow]]


def rows(n: int, *, worse_from: int | None = None, by: float = 2.0, seed: int = 1, unit: float = 1.0) -> list[LossRow]:
    """Return *n* losses, 400 an hour, *by* times as large from one on."""
    drawn = np.random.default_rng(seed).exponential(size=n)
    drawn[n if worse_from is None else worse_from :] *= by
    return [(9_000 * i, f"e{i}", round(1e6 * unit * loss)) for i, loss in enumerate(drawn)]


def slices(some: list[LossRow], length: int = HOUR) -> Slices:
    """Return rows by the start of their slice."""
    out: Slices = {}
    for row in some:
        out.setdefault(row[0] - row[0] % length, []).append(row)
    return out


def look(by_slice: Slices, name: str = "page_hinkley", memory: StreamState | None = None) -> dict[int, SliceAlarms]:
    """Return what is told of slices in blocks of ten hours, by their starts."""
    memory, found = memory or StreamState(), {}
    for start, some in sorted(by_slice.items()):
        memory, told = detector_state.observe(name, memory, stream_findings.block_number(WINDOWS, start), start, some)
        found |= {start: told} if told else {}
    return found


def moments(found: dict[int, SliceAlarms]) -> list[tuple[int, int]]:
    """Return when alarms were and how many records had been seen by then, wherever slices begin."""
    return [(start + told.after_ms, told.records) for start, told in found.items()]


@pytest.mark.parametrize(("name", "by"), {"adwin": 2.0, "page_hinkley": 2.0, "kswin": 4.0}.items())
def test_a_loss_that_multiplies_is_told_within_some_hundred_records(name: str, by: float) -> None:
    """At the record's own time, with the means before and after it; nothing is told before the change."""
    (start, told), *_ = look(slices(rows(1900, worse_from=1500, by=by)), name).items()

    assert 1500 * 9_000 < start + told.after_ms < 1900 * 9_000
    assert (start + told.after_ms) // 9_000 + 1 == told.records
    assert 0.6 * by < told.after / told.before < 1.3 * by or told.records < 1500 + detector_state.RECENT_LOSSES


@pytest.mark.parametrize(("name", "n"), {"adwin": 20_000, "page_hinkley": 20_000, "kswin": 2_000}.items())
def test_nothing_is_told_where_nothing_changes(name: str, n: int) -> None:
    """Over several blocks, or within one, there is no alarm."""
    assert {} == look(slices(rows(n, seed=3)), name)


def test_a_loss_that_falls_is_no_alarm() -> None:
    """Good news is no incident, though the detector sees it."""
    assert {} == look(slices(rows(3500, worse_from=2500, by=0.3)), "adwin")


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_in_which_rows_come_does_not_matter(seed: int) -> None:
    """A slice's rows are put in order of time, then id, before anyone looks."""
    by_slice = slices(rows(3200, worse_from=2500))
    shuffled = {start: random.Random(seed).sample(some, len(some)) for start, some in by_slice.items()}

    assert look(by_slice) == look(shuffled) != {}


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([1, 3, 12, 40, 100, 150, 600]))
def test_the_portions_in_which_records_come_do_not_matter(minutes: int) -> None:
    """Slices of any length that a block is made of find the alarm at the same record; learning may end within one."""
    some = rows(3200, worse_from=2500)

    assert moments(look(slices(some))) == moments(look(slices(some, minutes * 60_000))) != []


@pytest.mark.parametrize("unit", [0.125, 4.0, 1000.0])
def test_another_unit_of_the_loss_changes_nothing(unit: float) -> None:
    """Only the means are told in the other unit."""
    known, other = (look(slices(rows(3200, worse_from=2500, unit=u))) for u in (1.0, unit))

    assert moments(known) == moments(other) != []
    assert [pytest.approx(unit * t.after, rel=1e-4) for t in known.values()] == [t.after for t in other.values()]


def test_what_is_told_of_a_block_depends_on_it_and_the_one_before() -> None:
    """Who begins a block earlier finds what was found by who began four blocks earlier."""
    by_slice = slices(rows(20_000, worse_from=17_000))
    fourth = {start: some for start, some in by_slice.items() if start >= 3 * 10 * HOUR}
    late = look(fourth)

    assert late == look(by_slice)
    assert [4] == [stream_findings.block_number(WINDOWS, start) for start in late]


def test_a_block_without_predictions_is_no_block_before() -> None:
    """After a gap the detector learns anew: what it would compare with is too old."""
    some = [row for row in rows(13_000, worse_from=6_000, by=5.0) if not 4_000 <= row[0] // 9_000 < 8_000]

    assert {} == look(slices(some))


def test_a_memory_is_bounded() -> None:
    """Whatever the traffic, as many losses are kept as the next block learns from."""
    memory, _ = detector_state.observe("page_hinkley", StreamState(), 0, 0, rows(2 * detector_state.CARRIED_LOSSES))

    assert detector_state.CARRIED_LOSSES == len(memory.ended)


def test_parts_of_a_slice_are_put_in_order() -> None:
    """Of one time, the smaller id is first."""
    assert [(1, "b", 7), (2, "a", 5), (2, "c", 6)] == unpack(['[[2, "c", 6], [1, "b", 7]]', '[[2, "a", 5]]'])


TOLD = SliceAlarms(2, 60_000, 1207, 500_000, 750_000)


def findings(told: SliceAlarms, policy: MonitorPolicy = WATCHING) -> tuple[object, ...]:
    """Return what the newest slice's counts say."""
    return stream_findings.findings(policy, {ERROR_STREAM: list(astuple(told))}, to_ms(START))


def test_an_alarm_is_performance_drift_outside_the_promise() -> None:
    """With the record's time, how many came before it, and how far the loss has risen."""
    (found,) = stream_findings.findings(WATCHING, {ERROR_STREAM: list(astuple(TOLD))}, to_ms(START))

    assert (Signal.PERFORMANCE, Verdict.DRIFT, False, 0.5) == (
        found.signal, found.verdict, found.guaranteed, found.effect
    )  # fmt: skip
    assert "2024-01-01 00:01:00, the 1,207th" in found.reason


def test_without_an_alarm_or_a_rise_worth_telling_there_is_no_finding() -> None:
    """Nor where nobody asked for one, or nothing was counted."""
    assert () == findings(SliceAlarms(0, 0, 0, 0, 0))
    assert () == findings(SliceAlarms(1, 60_000, 1207, 500_000, 509_000))
    assert () == findings(TOLD, MonitorPolicy())
    assert () == stream_findings.findings(WATCHING, {}, 0) == stream_findings.findings(WATCHING, None, 0)


def test_what_is_told_comes_back_from_its_cells() -> None:
    """The cells lie at the end of the layout of outcomes, and nowhere if nobody asked."""
    plan, plain = Layout({"loss": 2}), MonitorPolicy()
    laid_out = stream_findings.extended_layout(WATCHING, plan)
    cells = [(c.cell, c.n) for c in TOLD.cells(0, "v1", laid_out.offsets[ERROR_STREAM])]

    assert list(astuple(TOLD)) == laid_out.row(cells)[ERROR_STREAM]
    assert plan == stream_findings.extended_layout(plain, plan)


@given(st.integers(0, 500))
def test_a_replay_begins_a_block_before_its_first_slice(hours: int) -> None:
    """At the start of a block that the slice's own follows at once, or at the beginning of time."""
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    begin = stream_findings.read_from(WINDOWS, start)

    assert max(hours // 10 - 1, 0) * timedelta(hours=10) == begin - datetime(1970, 1, 1, tzinfo=UTC)


def test_a_policy_without_the_key_is_what_it_was() -> None:
    """Its JSON, and so its digest and the name of its job, do not tell of what is not used."""
    assert "error_stream" not in MonitorPolicy().model_dump(mode="json")
    assert "adwin" == MonitorPolicy(error_stream="adwin").model_dump(mode="json")["error_stream"]
