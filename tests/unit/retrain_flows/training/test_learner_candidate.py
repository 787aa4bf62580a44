"""Candidates of the learner in the stream: the gate decides, roll-backs end a branch, retrains go on without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from features.window import to_ms
from registry import operations, queries
from registry.records import CheckResult, RunState, VersionState
from retrain_flows import retrain
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import learner_branch
from retrain_flows.training.learner_branch import Branch, BranchPlan
from tests.support import sample_stream
from tests.support import trained_model as world
from tests.unit.retrain_flows.conftest import Make
from tests.unit.retrain_flows.test_retrain import order

PLAN = BranchPlan(f"{world.HERE}:online", to_ms(world.START + 20 * world.DAY), to_ms(world.DAY))

pytestmark = pytest.mark.slow


@pytest.fixture
def ws(make: Make) -> Workspace:
    """Return a workspace that trains online challengers."""
    return make(mode="online")


@pytest.fixture
def branch(ws: Workspace) -> Branch:
    """Return a branch that has learned from day 20 to the end; labels of the last day are not known at `as_of`."""
    made = sample_stream.of_workspace(ws, world.START + 20 * world.DAY, world.AS_OF, ws.state)
    return sample_stream.learned(ws, made, PLAN)


def test_the_newest_snapshot_of_the_period_is_the_candidate(ws: Workspace, branch: Branch) -> None:
    """It is promoted by the gate on its prequential predictions, as a version with its place in the chain on record."""
    done = retrain.run(ws, order(ws))
    version = queries.version(ws.registry, "m", "v2")
    snapshot = next(s for s in branch.snapshots() if s.end == to_ms(world.AS_OF - world.DAY))
    assert (RunState.PROMOTED, "v2") == (done.state, done.challenger)
    assert (snapshot.digest, "online", world.AS_OF - world.DAY) == (
        version.artifact,
        version.mode,
        version.trained_until,
    )
    assert (snapshot.loss, snapshot.learned) == (version.metrics["prequential_loss"], version.metrics["learned"])
    checks = {check.name: check for check in queries.checks(ws.registry, done.id)}
    assert {CheckResult.PASS} == {check.result for check in checks.values()}
    place = (
        f"snapshot {snapshot.digest[:12]} of learner branch 1, after {snapshot.parent[:12]}, {snapshot.learned} samples"
    )
    assert f"{place} up to {snapshot.position}, labels final until 2013-03-02" in checks["data"].got
    baseline = queries.baseline_of(ws.registry, "m", "v2")
    assert baseline is not None
    assert {"x", "c"} == baseline.importance.keys()


def test_the_next_version_of_the_branch_knows_its_parent(ws: Workspace, branch: Branch) -> None:
    """The version that is a snapshot of the same branch, with its digest."""
    early = next(s for s in branch.snapshots() if s.end == to_ms(world.START + 40 * world.DAY))
    changes = {"version": "v1b", "artifact": early.digest, "baseline": None, "state": VersionState.CANDIDATE}
    operations.add_version(ws.registry, queries.version(ws.registry, "m", "v1").model_copy(update=changes))
    done = retrain.run(ws, order(ws))
    version = queries.version(ws.registry, "m", str(done.challenger))
    assert ("v1b", early.digest) == (version.parent, version.parent_digest)


def test_a_branch_that_was_rolled_back_is_offered_no_more(ws: Workspace, branch: Branch) -> None:
    """A retrain then trains as without a learner; a fork before the damage is offered again."""
    retrain.run(ws, order(ws))
    assert learner_branch.rolled_back(ws.registry, "m", branch) is None
    operations.rollback(ws.registry, model="m", expected_generation=2, effective_at=world.AS_OF, actor="ann",
                        reason="it was worse", now=world.NOW)  # fmt: skip
    back = learner_branch.rolled_back(ws.registry, "m", branch)
    assert back is not None
    assert queries.version(ws.registry, "m", "v2").artifact == back.digest
    until = to_ms(world.AS_OF)
    assert learner_branch.offered(ws.registry, ws.state, "m", until) is None
    at = branch.snapshots()[30]
    fork = learner_branch.begin(
        ws.state, "m", replace(PLAN, begin=at.digest, learned=at.learned, since=back.end, parent=1)
    )
    assert learner_branch.offered(ws.registry, ws.state, "m", until) is None  # it has no snapshot of its own yet
    assert learner_branch.rolled_back(ws.registry, "m", fork) is None


def test_without_tested_rows_in_the_period_a_retrain_trains_as_before(ws: Workspace) -> None:
    """A learner that has begun too late has nothing to be judged by."""
    made = sample_stream.of_workspace(ws, world.START + 50 * world.DAY, world.AS_OF, ws.state)
    sample_stream.learned(ws, made, replace(PLAN, since=to_ms(world.START + 50 * world.DAY)))
    done = retrain.run(ws, order(ws))
    data = next(check for check in queries.checks(ws.registry, done.id) if check.name == "data")
    assert "snapshot" not in data.got
