"""Learner in the stream: a fold whose result does not depend on where it was cut, and whose tests are out of sample."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from river import compose, linear_model, preprocessing
from sklearn.linear_model import SGDRegressor

from features import scoring
from features.errors import DataError, TrainerError
from features.events.decode import ID, TIME, VERSION
from features.schema import EventSchema, FeatureKind, Task
from features.window import Windows, from_ms, to_ms
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from monitors.training_set.join import LABEL_TIME, RowCounts
from monitors.training_set.period import TrainingPeriod
from monitors.training_set.slice_join import SliceCounts
from monitors.worker import folds
from registry.files import artifacts
from retrain_flows.data import sample_rows
from retrain_flows.data.workspace import Workspace
from retrain_flows.training import learner_branch, online, static, stream_learner
from retrain_flows.training.learner_branch import Branch, BranchPlan
from retrain_flows.training.learner_state import LearnerState
from retrain_flows.training.stream_learner import StreamLearner
from tests.support import sample_stream
from tests.support import trained_model as world

PLAN = BranchPlan(f"{world.HERE}:online", 0, to_ms(world.DAY))
HERE = __name__
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.slow


RIVER = (
    "collections.Counter", "river.compose.pipeline.Pipeline", "river.compose.select.SelectType",
    "river.compose.union.TransformerUnion", "river.linear_model.log_reg.LogisticRegression",
    "river.optim.initializers.Zeros", "river.optim.losses.Log", "river.optim.schedulers.Constant",
    "river.optim.sgd.SGD", "river.preprocessing.one_hot.OneHotEncoder", "river.preprocessing.scale.StandardScaler",
    "river.utils.vectordict.VectorDict",
)  # fmt: skip
"""Types of its model file that skops does not trust by itself."""


def river() -> Any:
    """Return a River model that learns from numbers and categories."""
    numbers = compose.SelectType(float) | preprocessing.StandardScaler()
    categories = compose.SelectType(str) | preprocessing.OneHotEncoder()
    return (numbers + categories) | linear_model.LogisticRegression()


def by_chance() -> Any:
    """Return a model with a seed of its own, which nobody can repeat."""
    model = world.online()
    model.set_params(sgdclassifier__random_state=random.SystemRandom().randrange(2**31), sgdclassifier__shuffle=True)
    return model


def regressor() -> Any:
    """Return a regression model that learns from numbers."""
    return SGDRegressor(learning_rate="constant", eta0=0.01, random_state=0)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, SampleParts]]:
    """Return a workspace of 60 days and its samples."""
    folder = tmp_path_factory.mktemp("stream")
    with world.open_registry(folder) as registry:
        ws = world.workspace(folder, registry, world.write_events(folder))
        yield ws, sample_stream.of_workspace(ws, world.START, world.AS_OF, folder)


@pytest.fixture(scope="module")
def whole(stream: tuple[Workspace, SampleParts]) -> Branch:
    """Return a branch that has learned from all parts without a break."""
    return sample_stream.learned(*stream, PLAN)


def files(branch: Branch) -> dict[str, bytes]:
    """Return the snapshots and prequential predictions of a branch."""
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for kind in ("snapshots", "tested")
            for p in (branch.folder / kind).glob("*")}  # fmt: skip


def test_a_learner_that_is_cut_anywhere_ends_with_the_same_model(
    stream: tuple[Workspace, SampleParts], whole: Branch
) -> None:
    """Parts since the last checkpoint come again, in another process: the same chain of snapshots, byte for byte."""
    ws, made = stream
    branch, rng = learner_branch.begin(ws.state, ws.model, PLAN), random.Random(1)
    at, checkpoint, state = 0, 0, None
    references = sample_stream.references(made)
    saved: bytes | None = None
    step = sample_stream.learner(ws, made, branch).open()
    while at < len(references):
        state = step(state, references[at])
        at += 1
        if rng.random() < 0.3:
            checkpoint, saved = at, state
        if rng.random() < 0.1:
            at, state, step = checkpoint, saved, sample_stream.learner(ws, made, branch).open()
    assert files(whole) == files(branch)
    assert 60 == len(whole.snapshots())


def test_snapshots_are_a_chain_with_position_and_mark(stream: tuple[Workspace, SampleParts], whole: Branch) -> None:
    """Each names the one before, the newest part that it knows, and from when on it could exist."""
    ws, made = stream
    snapshots = whole.snapshots()
    assert ["", *(s.digest for s in snapshots[:-1])] == [s.parent for s in snapshots]
    receipts = made.receipts()
    assert [(r.name, r.end, r.mark) for r in receipts] == [(s.position, s.end, s.mark) for s in snapshots]
    assert np.cumsum([r.rows for r in receipts]).tolist() == [s.learned for s in snapshots]
    assert all(ws.registry.artifacts.verify(s.digest) for s in snapshots)


@pytest.mark.parametrize("trainer", [f"{world.HERE}:online", f"{HERE}:river"])
def test_a_model_goes_through_its_file_without_loss(stream: tuple[Workspace, SampleParts], trainer: str) -> None:
    """Learning part by part, stored and loaded in between, gives the model of learning without a break."""
    ws, made = stream
    newest = sample_stream.learned(ws, made, replace(PLAN, trainer=trainer), trusted=RIVER).snapshots()[-1]
    path = static.load_trainer(trainer, ws.project_dir)
    model, first = path.new(), np.array([0, 1])
    learner = online.learner_of(trainer, model, first)
    for one in made.listed():
        learner.learn(sample_rows.dataset(ws.schema, parts.samples(one)))
    assert ws.registry.artifacts.get(newest.digest) == artifacts.dump_model(model)


def test_a_part_is_tested_by_a_model_that_knew_what_had_matured(
    stream: tuple[Workspace, SampleParts], whole: Branch
) -> None:
    """Neither the part itself nor one whose labels came after its begin has been learned from."""
    ws, made = stream
    receipts = {r.name: r for r in made.receipts()}
    own = whole.answers()
    tested = sorted(p.name for p in whole.folder.glob("tested/*"))
    name = tested[20]
    model = world.online()
    learner = online.learner_of("", model, np.array([0, 1]))
    for other in made.listed():
        if receipts[other.name].mark <= receipts[name].start:
            learner.learn(sample_rows.dataset(ws.schema, parts.samples(other)))
    rows = sample_rows.dataset(ws.schema, parts.samples(made.folder / name))
    mine = own[own["time"].between(receipts[name].start, receipts[name].end - 1)]
    np.testing.assert_array_equal(scoring.score(model, rows.frame, rows.task), mine["prediction"])
    # Labels take a day, so the part of the day before is not known, and the first 1,000 rows are a warm-up.
    assert [r.name for r in receipts.values()][26:] == tested


def test_the_prequential_loss_fades(stream: tuple[Workspace, SampleParts], whole: Branch) -> None:
    """It is the weighted mean of the losses of the samples tested; after the concept has turned it rises."""
    ws, made = stream
    labels = pd.concat([parts.samples(p).to_pandas() for p in made.listed()]).set_index("id")["label"]
    own = whole.answers()
    losses = scoring.losses(ws.schema.task, own["prediction"].to_numpy(), labels.loc[own["id"]].to_numpy(np.float64))
    weights = stream_learner.FADING ** np.arange(len(losses) - 1, -1, -1)
    newest = whole.snapshots()[-1]
    assert newest.tested == len(losses)
    assert newest.loss == pytest.approx(float(losses @ weights / weights.sum()))
    turned = next(s for s in whole.snapshots() if from_ms(s.end) == world.START + timedelta(days=world.TURN + 6))
    assert turned.loss is not None
    assert turned.loss > 0.7 > newest.loss


def test_the_loss_of_a_regression_is_in_units_of_the_plan(tmp_path: Path) -> None:
    """On labels of a large scale too it is that of the answers: in units of 1 every error would be cut off at 30."""
    schema = EventSchema(
        model="m", task=Task.REGRESSION, features={"x": FeatureKind.NUMERIC}, label_delay=HOUR,
        windows=Windows(size=3 * HOUR, slide=HOUR),
    )  # fmt: skip
    made, rng, slide = SampleParts(tmp_path / "samples"), np.random.default_rng(0), to_ms(HOUR)
    made.begin(schema)
    for start in range(0, 6 * slide, slide):
        times, x = start + np.sort(rng.integers(0, slide, 500)), rng.normal(size=500)
        label = 5000 + 900 * x + rng.normal(0, 400, 500)
        rows = pa.table({
            ID: [f"{start}-{i}" for i in range(500)], TIME: times, VERSION: ["v1"] * 500,
            "prediction": label, "x": x, "label": label, LABEL_TIME: times,
        })  # fmt: skip
        made.write(TrainingPeriod(schema, start, start + slide), rows, SliceCounts(RowCounts(rows=500)))
    sd = sample_rows.label_sd(schema, made)
    labels = pd.concat([parts.samples(p).to_pandas() for p in made.listed()])["label"]
    assert sd == pytest.approx(labels.std(ddof=0))

    plan = BranchPlan(f"{HERE}:regressor", 0, slide, sd=sd)
    branch = learner_branch.begin(tmp_path, "m", plan)
    learner = StreamLearner(schema, made.folder, branch.folder, tmp_path / "artifacts", (), tmp_path)
    folds.in_order(learner.open(), sample_stream.references(made))
    newest, answers = branch.snapshots()[-1], branch.answers()["prediction"].to_numpy()
    losses = scoring.losses(schema.task, answers, labels.to_numpy()[-len(answers) :], sd=sd)
    weights = stream_learner.FADING ** np.arange(len(losses) - 1, -1, -1)
    assert newest.loss == pytest.approx(float(losses @ weights / weights.sum()))
    assert newest.loss < 1


def test_a_plan_without_a_unit_is_read(tmp_path: Path) -> None:
    """That of a branch which an earlier release has begun: its losses go on in units of 1."""
    branch = learner_branch.begin(tmp_path, "m", replace(PLAN, sd=7.0))
    assert branch.plan.sd == 7.0
    path = branch.folder / "plan.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_bytes()).items() if k != "sd"}))
    assert branch.plan == PLAN


def test_a_model_that_learns_by_chance_is_named(stream: tuple[Workspace, SampleParts]) -> None:
    """What was killed would end with another model: the second time the same samples say so."""
    ws, made = stream
    branch = learner_branch.begin(ws.state, ws.model, replace(PLAN, trainer=f"{HERE}:by_chance"))
    step, first = sample_stream.learner(ws, made, branch).open(), sample_stream.references(made)[0]
    step(None, first)
    with pytest.raises(TrainerError, match="gave another model at 20130101T000000"):
        step(None, first)


def test_a_part_that_cannot_be_read_is_no_fault_of_the_trainer(tmp_path: Path) -> None:
    """It is learned from once its labels are final: the part itself is named then."""
    with world.open_registry(tmp_path) as registry:
        ws = world.workspace(tmp_path, registry, world.write_events(tmp_path))
        made = sample_stream.of_workspace(ws, world.START, world.START + 5 * world.DAY, tmp_path)
        cut = made.listed()[0]
        cut.write_bytes(cut.read_bytes()[:500])
        with pytest.raises(DataError, match=f"the samples in {cut} cannot be read"):
            sample_stream.learned(ws, made, PLAN)


def test_older_parts_and_those_before_the_begin_are_passed_over(stream: tuple[Workspace, SampleParts]) -> None:
    """A part that was added to the folder behind the position, or is there twice, changes nothing."""
    ws, made = stream
    since = made.receipts()[10].start
    branch = learner_branch.begin(ws.state, ws.model, replace(PLAN, since=since))
    step = sample_stream.learner(ws, made, branch).open()
    references = sample_stream.references(made)
    state = step(step(None, references[3]), references[11])
    assert state == step(step(state, references[10]), references[11])
    assert (made.receipts()[11].name,) == LearnerState.decode(state).waiting


def test_a_branch_goes_on_from_a_snapshot(stream: tuple[Workspace, SampleParts], whole: Branch) -> None:
    """A fork at a snapshot, with the samples after it, ends with the model of the branch that it leaves."""
    ws, made = stream
    at = whole.snapshots()[40]
    plan = replace(PLAN, begin=at.digest, learned=at.learned, since=at.end, parent=whole.number)
    after = sample_stream.learned(ws, made, plan)
    assert at.digest == after.snapshots()[0].parent
    assert whole.snapshots()[-1].digest == after.snapshots()[-1].digest
    assert whole.snapshots()[-1].learned == after.snapshots()[-1].learned


def test_all_classes_are_those_of_the_samples_that_are_there(stream: tuple[Workspace, SampleParts]) -> None:
    """scikit-learn wants them with the first call; other tasks need none."""
    ws, made = stream
    assert () == sample_rows.label_classes(ws.schema, made)


def test_a_state_is_bytes_and_comes_back() -> None:
    """Also with line feeds in the model."""
    state = LearnerState(b"a\nb", 7, ("p",), "q", 0.1, 0.3, 5, "d", 9)
    assert state == LearnerState.decode(state.encode())
    assert LearnerState().loss is None
    assert pytest.approx(1 / 3) == state.loss


def test_a_branch_begins_where_a_killed_process_has_left_its_folder(tmp_path: Path) -> None:
    """It had no plan yet, so it was no branch, and the next one may have its number."""
    first = learner_branch.begin(tmp_path, "m", PLAN)
    (first.folder.parent / "2").mkdir()
    second = learner_branch.begin(tmp_path, "m", replace(PLAN, because="again"))

    assert (2, "again") == (second.number, second.plan.because)
    assert second == learner_branch.newest(tmp_path, "m")
