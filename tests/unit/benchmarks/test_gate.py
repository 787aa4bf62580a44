"""The gate's benchmark compares what runs: its p-values and its evidence are those of the gate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from benchmarks import gate_paths, gate_peers, gate_runs, gate_series, gate_spending, gate_uneven
from benchmarks.gate_worlds import WORLDS, autocorrelated, heavy, normal
from registry.records import CheckResult
from retrain_flows.gate import evidence, paired_test
from tests.support import slices


@pytest.mark.parametrize("name", WORLDS)
def test_runs_pass_where_the_gate_passes(name: str) -> None:
    """The first pass of each run is that of the gate's evidence, with a history and without."""
    drawn, windows = gate_runs.draw(WORLDS[name], 0.3, 3, effect=1.0, slices=60), gate_paths.then_looks(14, 60)
    for past in (None, gate_runs.history(0.3, 3)):
        expected = []
        for k in range(3):
            question = evidence.Question(slices.WINDOWS, history=None if past is None else past[k])
            looks = slices.looks(drawn[0, k], drawn[1, k], windows, losses=drawn[2, k])
            at, passed = 0, np.inf
            for number, n in enumerate(windows, 1):
                total, at = evidence.weigh(looks[:number], question), at + n
                passed = min(passed, at if evidence.decide(total, 0.05) is CheckResult.PASS else np.inf)
            expected.append(passed)
        assert gate_paths.by_evidence(drawn, windows, past).tolist() == expected


def test_the_paired_test_is_the_one_that_runs() -> None:
    """Its exact bootstrap variance gives the bound of 2,000 draws, to within what draws leave open."""
    values = autocorrelated(np.random.default_rng(5), (1, 14), 0.5)
    by_draws = paired_test.paired_difference(values[0], np.arange(14), confidence=0.95)
    error = (by_draws.high - by_draws.mean) / special.stdtrit(14 / 2 - 1, 0.95)
    expected = special.stdtr(14 / 2 - 1, by_draws.mean / error)
    assert gate_peers.block_bootstrap(values)[0] == pytest.approx(expected, rel=0.1)


def test_worlds_are_as_they_say() -> None:
    """Of sd 1 and the memory that they are made with, heavy-tailed or not."""
    for shocks in (normal, heavy):
        values = autocorrelated(np.random.default_rng(6), (4000, 30), 0.6, shocks)
        assert values.std() == pytest.approx(1, abs=0.05)
        assert (values[:, 1:] * values[:, :-1]).mean() / values.var() == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(
    "table", [gate_series.change_table, gate_series.selection_table, gate_uneven.gain_table, gate_uneven.contrary_table]
)
def test_a_table_has_a_row_for_each_memory(table: gate_series.Table) -> None:
    """With as many cells in a row as in the head."""
    head, _, *rows = (line.count("|") for line in table(5).splitlines())
    assert {head} == set(rows)
    assert len(rows) >= 3


def test_levels_spend_alpha() -> None:
    """A simulated Brownian motion crosses a boundary as often as is to be spent by the last look."""
    looks = (5, 7, 10, 14, 20, 28)
    path = np.random.default_rng(9).normal(size=(200_000, 28)).cumsum(axis=1)
    z = path[:, np.array(looks) - 1] / np.sqrt(looks)
    crossed = (z > -special.ndtri(gate_spending.levels(looks, 0.05))).any(axis=1).mean()
    assert crossed == pytest.approx(gate_spending.spent(28, 0.05, first=5), abs=0.0015)


def test_tries_sum_to_alpha() -> None:
    """Over a hundred thousand tries nearly all of it is spent, and candidates share what a try has."""
    total = sum(gate_spending.alpha_of_try(0.05, k) for k in range(1, 100_000))
    assert 0.0497 < total < 0.05
    assert gate_spending.alpha_of_try(0.05, 3, candidates=4) == gate_spending.alpha_of_try(0.05, 3) / 4


def test_spending_holds_its_level_over_looks() -> None:
    """An equal model passes in at most .05 of 800 runs, and two standard errors of such a rate."""
    means = slices.autocorrelated(800, 28, 0.8)
    passed = gate_paths.by_spending(np.stack([means, np.ones_like(means)]), (5, 7, 10, 14, 20, 28)) < np.inf
    assert passed.mean() <= 0.066
