"""First training: a change within the period is found, and the first version is of the rows since it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from features.schema import Events
from registry import queries
from registry.records import VersionState
from retrain_flows import first_version, follow_up
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import challengers, first_training
from tests.support import trained_model as world

TURNED = world.START + world.TURN * world.DAY


@pytest.fixture
def untrained(tmp_path: Path, events: Events) -> Iterator[Workspace]:
    """Yield the world's workspace without any version."""
    with world.open_registry(tmp_path) as registry:
        yield world.workspace(tmp_path, registry, events)


def train(ws: Workspace, first: int, last: int) -> None:
    """Train the first version on the days from *first* to *last*."""
    first_version.train_and_promote(
        ws, start=world.START + first * world.DAY, end=world.START + last * world.DAY, actor="ann", now=world.NOW
    )


def test_a_first_version_is_of_the_rows_since_a_change(untrained: Workspace) -> None:
    """The rows before it are a version that is retired, and the watch compares both from the first day on."""
    train(untrained, 10, 38)
    before, first = queries.versions(untrained.registry, "m")
    assert [VersionState.RETIRED, VersionState.CHAMPION] == [before.state, first.state]
    assert (20 * world.PER_DAY, 8 * world.PER_DAY) == (before.rows, first.rows)
    assert TURNED == first.trained_from
    assert before.trained_until is not None
    assert before.trained_until <= TURNED
    assert "since the change of 2013-01-31 00:00 UTC" in queries.decisions(untrained.registry, "m")[0].because[1]
    pair = follow_up.watched_pair(untrained)
    assert pair is not None
    assert ("v2", "v1") == (pair[1].candidate, pair[1].reference)


@pytest.mark.parametrize(("days", "versions"), [((0, 28), 1), ((31, 59), 1), ((25, 36), 1)])
def test_without_a_change_all_rows_are_used(untrained: Workspace, days: tuple[int, int], versions: int) -> None:
    """As if nothing had been estimated; rows before a change that are too few make no version of their own."""
    train(untrained, *days)
    found = queries.versions(untrained.registry, "m")
    assert versions == len(found)
    assert VersionState.CHAMPION is found[0].state


def test_stable_data_have_the_same_first_model_as_without_an_estimate(untrained: Workspace) -> None:
    """To the last coefficient."""
    start = world.START
    rows = first_version._labelled(untrained, start, start + 28 * world.DAY)
    trained, plain = first_training.train(untrained, "static", rows), challengers.fit(untrained, "static", rows)
    assert (None, "") == (trained.before, trained.note)
    assert trained.first.rows is rows
    coefficients = [one.model[-1].coef_ for one in (trained.first, plain)]
    np.testing.assert_array_equal(*coefficients)
    np.testing.assert_array_equal(trained.first.out_of_sample, plain.out_of_sample)
