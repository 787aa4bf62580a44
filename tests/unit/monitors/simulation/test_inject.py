"""Injected changes: what stays, what moves in which direction, and that a change of size 0 is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import DataError
from features.schema import LABEL, Task
from monitors.baseline.baseline import Baseline
from monitors.finding import Stage
from monitors.profiles import outcome_counts
from monitors.quality import value_reference
from monitors.simulation import concept_shift, inject
from monitors.simulation.inject import FAULTS, ChangeKind, InjectedChange
from monitors.simulation.tilting import exponential_tilting, rounded_to_total
from monitors.stats.bins import CategoricalBins, NumericBins
from tests.support import recorded_history as replayed

KNOWN = replayed.baseline(14)
BIN_OF_X = KNOWN.bins["x"]
CELLS = st.lists(st.integers(0, 500), min_size=2, max_size=12)
SHARES = st.floats(0, 1)


def slices(known: Baseline, kind: ChangeKind) -> list[dict[str, list[int]]]:
    """Return the counts of the baseline's slices that *kind* changes."""
    return [s.counts for s in known.slices(kind.stage)]


def changed(shift: InjectedChange, known: Baseline = KNOWN, variable: str = "x") -> list[dict[str, list[int]]]:
    """Return the baseline's slices after *shift*."""
    change = inject.change(shift, known, variable)
    return [change(counts) for counts in slices(known, shift.kind)]


def loss(found: list[dict[str, list[int]]]) -> int:
    """Return the sum of all losses, in millionths."""
    return sum(counts["loss"][0] for counts in found)


@given(CELLS, st.integers(0, 10_000))
def test_whole_numbers_add_up_and_keep_their_proportion(weights: list[int], n: int) -> None:
    """The sum is what was asked, and no sum of the first few is off by one."""
    found = rounded_to_total(np.array(weights), n)
    exact = np.cumsum(weights) * n / max(sum(weights), 1)

    assert (n if sum(weights) else 0) == found.sum()
    assert np.all(np.abs(np.cumsum(found) - exact) < 1)
    assert np.all(found >= 0)


@given(CELLS)
def test_what_is_whole_already_stays(weights: list[int]) -> None:
    """Counts in proportion to themselves are themselves."""
    assert weights == rounded_to_total(np.array(weights), sum(weights)).tolist()


@given(CELLS, st.floats(0, 2), st.floats(0, 2))
def test_a_tilt_keeps_the_total_and_moves_upwards_with_its_size(counts: list[int], one: float, other: float) -> None:
    """The larger the tilt, the fewer rows up to every cell; and no tilt changes nothing."""
    cells, codes = list(range(len(counts))), np.linspace(-1.5, 1.5, len(counts))
    small, large = (np.cumsum(exponential_tilting(counts, cells, codes, size)) for size in sorted((one, other)))

    assert sum(counts) == small[-1] == large[-1]
    assert np.all(large <= small)
    assert counts == exponential_tilting(counts, cells, codes, 0)


@pytest.mark.parametrize("kind", ChangeKind)
def test_size_0_is_no_change(kind: ChangeKind) -> None:
    """Every kind of change of no size gives the counts back, in every slice."""
    assert slices(KNOWN, kind) == changed(InjectedChange(kind, 0))


@pytest.mark.parametrize(("kind", "size"), [(k, size) for k in ChangeKind for size in (0.1, 0.5, 1.0)])
def test_totals_are_kept(kind: ChangeKind, size: float) -> None:
    """No row appears or is lost in any variable, the sums of losses apart, which are not rows."""
    kept = [{name: sum(row) for name, row in counts.items() if name != "loss"} for counts in slices(KNOWN, kind)]

    assert kept == [
        {n: sum(r) for n, r in counts.items() if n != "loss"} for counts in changed(InjectedChange(kind, size))
    ]


@pytest.mark.parametrize("kind", ChangeKind)
def test_only_what_is_meant_changes(kind: ChangeKind) -> None:
    """A shift of a feature leaves all other variables; one of outcomes leaves how many were labelled."""
    mine = {"x"} if kind.stage is Stage.INPUTS else {LABEL, "scores", "loss"}
    before, after = slices(KNOWN, kind), changed(InjectedChange(kind, 0.5))

    assert mine >= {name for a, b in zip(before, after, strict=True) for name in a if a[name] != b[name]}
    assert before != after


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0])
def test_a_covariate_shift_moves_a_normal_variable_by_its_size(size: float) -> None:
    """The mean of the baseline's own cells moves by *size* sd, but for what the outermost bins cannot show."""
    assert isinstance(BIN_OF_X, NumericBins)
    places = np.array(BIN_OF_X.positions)
    before, after = (
        np.sum([np.array(c["x"])[list(BIN_OF_X.ordered)] for c in some], axis=0)
        for some in (slices(KNOWN, ChangeKind.COVARIATE), changed(InjectedChange(ChangeKind.COVARIATE, size)))
    )
    moved = (places * after).sum() / after.sum() - (places * before).sum() / before.sum()

    assert moved == pytest.approx(size * BIN_OF_X.sd, rel=0.25)


@given(SHARES, SHARES)
def test_a_fault_hits_as_many_rows_as_it_is_large(one: float, other: float) -> None:
    """The share is reached to the row in numbers and categories, and a larger fault hits at least as many."""
    for bins in (NumericBins(edges=(0.0, 1.0, 2.0)), CategoricalBins(categories=("a", "b"), others=("c",))):
        counts = [20 + i for i in range(bins.cells)]
        for kind in FAULTS:
            target = inject.fault_cell(bins, kind, np.array(counts))
            small, large = (inject.fault_injected(counts, bins, target, size)[target] for size in sorted((one, other)))
            there = [c for c in range(bins.cells) if c != target and c in value_reference.present_cells(bins)]

            assert small - counts[target] == round(min(one, other) * sum(counts[c] for c in there))
            assert small <= large


def test_each_fault_is_what_its_name_says() -> None:
    """Nulls, a value far beyond the range or never seen, and one cell for all."""
    number, word = NumericBins(edges=(0.0, 1.0, 2.0, 3.0)), CategoricalBins(categories=("a", "b"))
    of = [(number, np.array([5] * number.cells)), (word, np.array([80, 15, 5, 0, 0]))]
    cells = {kind: [bins.labels[inject.fault_cell(bins, kind, total)] for bins, total in of] for kind in FAULTS}

    assert {
        ChangeKind.MISSING: ["missing", "missing"],
        ChangeKind.UNITS: ["far over", "unseen"],
        ChangeKind.STUCK: ["[1, 2)", "b"],
    } == cells


def test_a_prior_shift_moves_labels_and_the_loss_follows() -> None:
    """A tenth of the labels goes from the frequent class to the other; scores by label look as they did."""
    before, after = slices(KNOWN, ChangeKind.PRIOR), changed(InjectedChange(ChangeKind.PRIOR, 0.1))
    for was, now in zip(before, after, strict=True):
        assert round(0.1 * 200) == now[LABEL][1] - was[LABEL][1]
        old, new = (np.array(c["scores"]).reshape(outcome_counts.SCORE_BINS, 2) for c in (was, now))
        assert new[:, 1].sum() == now[LABEL][1]
        bins = np.arange(outcome_counts.SCORE_BINS)
        assert np.average(bins, weights=new[:, 1]) == pytest.approx(np.average(bins, weights=old[:, 1]), abs=2)

    # The score foretells fewer 1s than there are now.
    assert loss(after) > loss(before)


@pytest.mark.parametrize("size", [0.05, 0.2, 0.5])
def test_a_concept_shift_raises_the_loss_by_its_size(size: float) -> None:
    """Over all slices the loss rises as asked; scores stay where they were, only labels differ."""
    before, after = slices(KNOWN, ChangeKind.CONCEPT), changed(InjectedChange(ChangeKind.CONCEPT, size))
    scores = [[np.array(c["scores"]).reshape(-1, 2).sum(axis=1).tolist() for c in some] for some in (before, after)]

    assert loss(after) / loss(before) - 1 == pytest.approx(size, abs=0.02)
    assert scores[0] == scores[1]


def test_a_rise_that_no_labels_could_cause_is_refused() -> None:
    """The largest rise inverts every label; it is named."""
    largest = concept_shift.largest_concept_shift(KNOWN)
    with pytest.raises(DataError, match=f"{largest:.0%}"):
        inject.change(InjectedChange(ChangeKind.CONCEPT, largest * 1.01), KNOWN, "x")


@pytest.mark.parametrize(("task", "squares"), [(Task.REGRESSION, 1.21), (Task.MULTICLASS, 1.1)])
def test_other_tasks_losses_rise_in_proportion(task: Task, squares: float) -> None:
    """Squared errors rise all alike, so their squares by the square; 0-1 losses are their own squares."""
    known = KNOWN.model_copy(update={"events": replayed.schema(task=task)})
    found = inject.change(InjectedChange(ChangeKind.CONCEPT, 0.1), known, "x")(
        {"coverage": [100, 0], "loss": [40_000_000, 30_000_000]}
    )

    assert [44_000_000, round(30_000_000 * squares)] == found["loss"]


def test_more_than_every_row_cannot_be_wrong() -> None:
    """0-1 losses end at one a row."""
    known = KNOWN.model_copy(update={"events": replayed.schema(task=Task.MULTICLASS)})
    found = inject.change(InjectedChange(ChangeKind.CONCEPT, 3.0), known, "x")(
        {"coverage": [100, 0], "loss": [40_000_000, 40_000_000]}
    )

    assert [100_000_000, 100_000_000] == found["loss"]


@pytest.mark.parametrize("kind", [ChangeKind.PRIOR, ChangeKind.CONCEPT])
def test_labels_that_are_not_there_cannot_shift(kind: ChangeKind) -> None:
    """A model that is only watched has no outcomes; it is said what to add."""
    with pytest.raises(DataError, match=f"a {kind.value} shift is one of labels, and the baseline has none"):
        inject.change(InjectedChange(kind, 0.1), KNOWN.model_copy(update={"outcomes": ()}), "x")


def test_a_shift_is_named_in_its_own_unit() -> None:
    """Sd, labels, loss, rows."""
    assert "prior, 20% of labels" == str(InjectedChange(ChangeKind.PRIOR, 0.2))
    assert "units, 50% of rows" == str(InjectedChange(ChangeKind.UNITS, 0.5))
