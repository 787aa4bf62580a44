"""The gate's benchmark compares what runs: its p-values are those of the tests themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from benchmarks import gate, gate_peers
from benchmarks.gate_worlds import WORLDS, autocorrelated, heavy, normal
from registry.records import CheckResult
from retrain_flows.gate import paired_test, spending
from retrain_flows.gate.sequential_test import Rule, sequential_test


@pytest.mark.parametrize("name", WORLDS)
def test_runs_pass_where_the_test_passes(name: str) -> None:
    """The first pass of each run is that of the test itself, with a history and without."""
    drawn = gate.draw(WORLDS[name], 0.3, 3, effect=1.0)
    for past in (None, gate.history(0.3, 3)):
        expected = []
        for k in range(3):
            rows = [
                n for n in gate.LOOKS
                if sequential_test(drawn[0, k, :n], drawn[1, k, :n], Rule(alpha=0.05), looks=range(5, n),
                                   history=None if past is None else past[k]).result is CheckResult.PASS
            ]  # fmt: skip
            expected.append(min(rows, default=np.inf))
        assert gate.repeated(drawn, past).tolist() == expected


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


def test_a_mixture_spends_less_than_alpha_and_more_than_nothing() -> None:
    """The levels of its looks fall below those of a plan for these looks."""
    mixture, planned = gate_peers.mixture_levels(gate.LOOKS, 0.05), spending.levels(gate.LOOKS, 0.05)
    assert all(0 < m < p for m, p in zip(mixture, planned, strict=True))
