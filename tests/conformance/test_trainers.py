"""Conformance of trainers: those of all example projects; use `check_trainer` for your own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from features.schema import EventSchema, FeatureKind, Task
from leeway.project.load import Project
from tests.support.trainer_checks import TrainerCase, check_trainer

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/leeway.yaml"))
NUMBERS = EventSchema(model="m", task=Task.BINARY, features={"x": FeatureKind.NUMERIC, "y": FeatureKind.NUMERIC})
ONE_FOR_ALL = LogisticRegression()


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each project import a `trainers.py` of its own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("trainers", None)
    yield
    sys.modules.pop("trainers", None)


def example_trainers() -> list[TrainerCase]:
    """Return the trainers that the project files under `examples/` name, static and online."""
    return [
        TrainerCase(path, mode, model.schema, project.folder, model.retrain.trust)
        for project in map(Project.load, EXAMPLES)
        for model in project.models.values()
        if model.retrain
        for mode, path in model.retrain.trainers.items()
    ]


def always_the_same() -> Any:
    """Return one model again and again: a trainer that must be refused."""
    return ONE_FOR_ALL


def by_chance() -> Any:
    """Return a model that is another each time it is fitted, for want of a `random_state`."""
    return RandomForestClassifier(n_estimators=3)


def linear() -> Any:
    """Return a model that cannot take missing values, which is its own affair."""
    return LogisticRegression()


def case(name: str) -> TrainerCase:
    """Return the static trainer *name* of this module."""
    return TrainerCase(f"{__name__}:{name}", "static", NUMBERS, ROOT, ())


@pytest.mark.parametrize("example", example_trainers(), ids=lambda c: f"{c.folder.name}-{c.path}-{c.mode}")
def test_an_example_trainer_keeps_all_promises(example: TrainerCase) -> None:
    """What the examples show is what a user copies."""
    check_trainer(example)


def test_both_modes_are_shown() -> None:
    """There is an example of a static and of an online trainer."""
    assert {"static", "online"} == {c.mode for c in example_trainers()}


def test_a_model_that_takes_no_missing_values_may_be_used() -> None:
    """Its features have none, or its pipeline fills them: the checks ask with whole rows then."""
    check_trainer(case("linear"))


@pytest.mark.parametrize(("name", "broken"), [("always_the_same", "a new model each time"), ("by_chance", "differ")])
def test_a_broken_trainer_is_named(name: str, broken: str) -> None:
    """The checks find what they are for."""
    with pytest.raises(AssertionError, match=broken):
        check_trainer(case(name))
