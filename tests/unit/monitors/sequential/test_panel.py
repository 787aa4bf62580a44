"""Panels of variables: reproducible evidence, and no guarantee where ranks do not support one."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import memory, streams, watch
from monitors.config import MonitorPolicy
from monitors.finding import Signal, Stage
from monitors.sequential import edetector, evidence_loss, panel, slice_scores
from monitors.sequential.exchangeability import Exchangeability
from monitors.sequential.panel import Panel, PanelState
from monitors.sequential.seasonality import DAY, WEEK
from monitors.stats.bins import Counts
from monitors.verdicts import plan

MONDAY = 4 * DAY


def counts(kind: str, slices: int, rows: int = 200, seed: int = 1, features: int = 4) -> dict[str, Counts]:
    """Return counts (slices, 64) of the features of one kind of stream, by name."""
    drawn = streams.KINDS[kind].draw(np.random.default_rng(seed), slices, rows, features).counts
    return {f"x{i}": drawn[:, i] for i in range(features)}


def fitted(reference: dict[str, Counts], slide: int = DAY, identity: str = "m") -> Panel:
    """Return the panel of a reference from a Monday on."""
    starts = [MONDAY + slide * k for k in range(len(next(iter(reference.values()))))]
    return panel.fit(slice_scores.share_scores(reference, {v: range(64) for v in reference}), starts, slide, identity)


def seen(known: Panel, state: PanelState, later: dict[str, Counts], first: int = 0) -> list[PanelState]:
    """Return the state after each slice of *later* from *first* on; all are steady."""
    nobody, out = np.zeros(len(known.names), bool), []
    for k in range(first, len(next(iter(later.values())))):
        state = known.observe(state, MONDAY + DAY * (60 + k), {v: c[k] for v, c in later.items()})
        state = known.update_calibration(state, drifting=nobody, reset=nobody)
        out.append(state)
    return out


QUIET = counts("means wobble by .1 sd", 90)
REFERENCE, LATER = ({v: c[part] for v, c in QUIET.items()} for part in (slice(60), slice(60, None)))


def test_a_replay_agrees_with_what_went_on_slice_by_slice() -> None:
    """From scratch or from any state in between: equal bit for bit, as nothing else is remembered."""
    known = fitted(REFERENCE)
    through = seen(known, known.initial_state(), LATER)
    resumed = seen(fitted(REFERENCE), through[9], LATER, first=10)

    assert through[-1].detectors.tobytes() == resumed[-1].detectors.tobytes()
    assert through[-1].calibration_scores.tobytes() == resumed[-1].calibration_scores.tobytes()


def test_the_evidence_of_a_seeded_stream() -> None:
    """Golden: the same identity and counts gave these numbers when they were written down."""
    known = fitted(REFERENCE)
    last = seen(known, known.initial_state(), LATER)[-1]
    told = known.log_evidence(last).round(6).tolist()

    assert GOLDEN == pytest.approx(told)


GOLDEN = [2.202754, 1.887633, 0.522593, 2.185695]


def test_ties_are_broken_by_who_is_asked_and_when() -> None:
    """Another identity breaks ties otherwise, which moves the evidence a little and the ranks not at all."""
    one, other = (fitted(REFERENCE, identity=i) for i in ("m", "n"))
    a, b = (seen(p, p.initial_state(), LATER)[-1] for p in (one, other))

    assert a.calibration_scores.tobytes() == b.calibration_scores.tobytes()
    assert a.detectors.tobytes() != b.detectors.tobytes()


def test_scores_mind_no_order_of_variables() -> None:
    """Whatever stands beside a variable, its residuals, its bag and its doubts are the same."""
    turned = fitted({v: REFERENCE[v] for v in reversed(REFERENCE)})
    one = seen(fitted(REFERENCE), fitted(REFERENCE).initial_state(), LATER)[-1]
    other = seen(turned, turned.initial_state(), LATER)[-1]

    assert one.calibration_scores == pytest.approx(other.calibration_scores[:, ::-1])
    assert one.level == pytest.approx(other.level[::-1])


def test_a_variable_without_rows_is_left_as_it_is() -> None:
    """Its detectors neither gain nor lose, and its place in the bag is empty."""
    known = fitted(REFERENCE)
    before = seen(known, known.initial_state(), LATER)[9]
    after = known.observe(before, MONDAY + 90 * DAY, {"x0": LATER["x0"][20]})
    settled = known.update_calibration(after, drifting=np.zeros(4, bool), reset=np.zeros(4, bool))

    assert (before.detectors[1:] == after.detectors[1:]).all()
    assert (before.detectors[0] != after.detectors[0]).any()
    assert np.isnan(settled.calibration_scores[-1, 1:]).all()


def test_who_is_away_stays_out_of_the_bag_and_who_is_reset_starts_anew() -> None:
    """Slices of a variable that has drifted are no example of steady ones."""
    known = fitted(REFERENCE)
    looked = known.observe(known.initial_state(), MONDAY + 60 * DAY, {v: c[0] for v, c in LATER.items()})
    first = np.array([True, False, False, False])
    settled = known.update_calibration(looked, drifting=first, reset=first)

    assert [True, False, False, False] == np.isnan(settled.calibration_scores[-1]).any(axis=1).tolist()
    assert (settled.detectors[0] == 0).all()
    assert (settled.detectors[1:] == looked.detectors[1:]).all()


def test_evidence_is_the_mean_over_scores() -> None:
    """Before any slice it is nothing; after one it is the mean of the weighted bets on it."""
    known = fitted(REFERENCE)
    looked = known.observe(known.initial_state(), MONDAY + 60 * DAY, {v: c[0] for v, c in LATER.items()})

    assert [-np.inf] * 4 == known.log_evidence(known.initial_state()).tolist()
    assert (looked.detectors @ edetector.WEIGHTS).mean(axis=1) == pytest.approx(np.exp(known.log_evidence(looked)))


def test_ties_mind_no_order_of_variables() -> None:
    """A baseline that was stored has its features in the order of their names; what it was made of may have another."""
    turned = fitted({v: REFERENCE[v] for v in reversed(REFERENCE)})
    one = seen(fitted(REFERENCE), fitted(REFERENCE).initial_state(), LATER)[-1]
    other = seen(turned, turned.initial_state(), LATER)[-1]

    assert one.detectors == pytest.approx(other.detectors[::-1])


def test_ties_follow_from_identity_and_start_alone() -> None:
    """The seed is a hash of both, written down here because stored verdicts rest on it."""
    known = fitted(REFERENCE)
    state, start = known.initial_state(), MONDAY + 60 * DAY
    seed = int.from_bytes(hashlib.sha256(f"m|{start}".encode()).digest()[:8], "big")
    looked = known.observe(state, start, {v: c[0] for v, c in LATER.items()})
    assert looked.latest is not None
    p = edetector.p_values(
        looked.latest, state.calibration_scores, np.random.default_rng(seed).random(looked.latest.shape)
    )

    after = edetector.step(state.detectors, p, 60, 60, retention=known.retention[:, None])
    assert after == pytest.approx(looked.detectors)


def test_a_panel_that_remembers_keeps_less_of_its_evidence() -> None:
    """What an error of the AR coefficient leaves behind, and at least as much as half of the panel loses."""
    with memory.untested():
        one, other = fitted(counts("normal", 60)), fitted(counts("slices AR(.6)", 60))

    assert one.retention.min() > 0.95
    assert other.retention.max() < 0.95
    assert np.full(2, other.retention.max()) == pytest.approx(np.sort(other.retention)[-2:])


@pytest.mark.parametrize(
    ("reference", "slide", "doubt"),
    [
        (counts("normal", 60), DAY, ""),
        (counts("normal", 19), WEEK, "the baseline has 19 slices with values of it, and a guarantee needs 20"),
        (
            {"x": np.tile(np.eye(7, 64, dtype=np.int64) * 100, (8, 1))},
            DAY,
            "hour, weekday or month determine its values",
        ),
        (counts("rows AR(.99)", 200, rows=10), WEEK, "changes more slowly than a slice lasts"),
    ],
)
def test_where_ranks_promise_nothing_it_is_said_why(reference: dict[str, Counts], slide: int, doubt: str) -> None:
    """Too few slices, nothing but the calendar, slices shorter than the stream's memory."""
    known = fitted(reference, slide)

    assert {not doubt} == set(known.guaranteed.tolist())
    assert all(doubt in told for told in known.violations)
    assert bool(doubt) == bool(known.violations[0])


def test_of_merged_slices_less_memory_is_borne() -> None:
    """Merging was to end it: what single slices may remember is too much for the few that are left."""
    starts, levels = (
        [MONDAY + DAY * k for k in range(90)],
        streams.ar(np.random.default_rng(3).standard_normal((4, 90)), 0.7),
    )
    drawn = streams.around(np.random.default_rng(4), 0.3 * levels.T, 5000).counts
    measure = slice_scores.share_scores(
        {f"x{i}": drawn[:, i] for i in range(4)}, {f"x{i}": range(64) for i in range(4)}
    )
    single, merged = (panel.fit(measure, starts, DAY, "m", merged=m) for m in (False, True))

    assert single.guaranteed.all()
    assert not merged.guaranteed.any()
    assert "changes more slowly than a slice lasts" in merged.violations[0]


def test_a_variable_that_was_never_there_promises_nothing() -> None:
    """It has no slices, and that is all that is said of it."""
    known = fitted({**REFERENCE, "never": np.zeros((60, 64), np.int64)})

    assert "the baseline has 0 slices with values of it, and a guarantee needs 20" == known.violations[-1]


def test_alarms_of_the_benchmark_are_those_of_a_panel() -> None:
    """What :mod:`benchmarks.watch` works out at once is what looking, alarming and settling gives slice by slice."""
    seen = watch.counted(streams.KINDS["slices AR(.6)"].draw(np.random.default_rng(5), 200, 500, 4), 60)
    group = next(g for g in plan.monitoring_plan(seen.baseline, MonitorPolicy(), Stage.INPUTS).groups)
    known = replace(group.panel, lines=np.full(4, 5 * 4.0))
    state, nobody, fired = known.initial_state(), np.zeros(4, bool), 0
    for k in range(seen.slices):
        state = known.observe(state, MONDAY + DAY * (60 + k), {v: seen.later[v][k] for v in known.names})
        alarm = np.exp(known.log_evidence(state)) @ group.weights >= 5
        fired += int(alarm)
        state = known.update_calibration(state, drifting=nobody, reset=nobody | alarm)

    assert (1, Signal.FEATURE) == (group.stride, group.signal)
    assert fired > 3
    assert [fired] == watch.alarms(watch.evidence(seen, 4), 4, 4, 5)[0].tolist()


@pytest.mark.parametrize(("slices", "times"), [(240, 0.5), (60, 1.0), (20, 3 * 3**0.5)])
def test_a_short_reference_loses_more_for_memory_as_it_is_known_less_surely(slices: int, times: float) -> None:
    """With the root of its slices, and below 60 also as it has fewer; phi and all else being the same."""
    known = fitted(counts("slices AR(.6)", 60)).whitener
    surely = Exchangeability(("", ""), 0.0)

    lost = -np.log(evidence_loss.retention(known, slices, surely))

    assert lost == pytest.approx(-times * np.log(evidence_loss.retention(known, 60, surely)))
    assert lost.min() > 0
