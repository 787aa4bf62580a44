"""Fixtures: one set of events for all tests, and an empty registry for each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from features.schema import Events
from retrain_flows.data.workspace import Workspace
from tests.support import trained_model as world

Make = Callable[..., Workspace]


@pytest.fixture(scope="session")
def events(tmp_path_factory: pytest.TempPathFactory) -> Events:
    """Return the world's events."""
    return world.write_events(tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, events: Events) -> Path:
    """Return a folder with the registry and the files of a first champion: training it takes longer than most tests."""
    folder = tmp_path_factory.mktemp("template")
    with world.open_registry(folder) as registry:
        world.with_champion(world.workspace(folder, registry, events))
    return folder


@pytest.fixture
def make(tmp_path: Path, events: Events, template: Path) -> Iterator[Make]:
    """Yield a function that returns a workspace with a champion; its arguments are of the `retrain` section."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    with world.open_registry(tmp_path) as registry:
        yield lambda **changes: world.workspace(tmp_path, registry, events, **changes)


@pytest.fixture
def ws(make: Make) -> Workspace:
    """Return a workspace with a champion and a static trainer."""
    return make()
