"""The champion's file: it follows the registry, and never names a version that cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from features import errors
from registry import queries
from registry.connection import Registry
from serving.nearline import champion_file
from serving.nearline.champion_file import ChampionFollower
from tests.support import serving_world as world


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield a registry whose champion is v1."""
    world.project(tmp_path)
    with world.open_registry(tmp_path) as opened:
        yield opened


def following(registry: Registry, path: Path) -> tuple[ChampionFollower, list[str]]:
    """Return a follower that has begun, and the list of what it says."""
    notes: list[str] = []
    follower = ChampionFollower(registry, world.SCHEMA, world.TRUST, path, notes.append)
    follower.begin()
    return follower, notes


def test_a_promotion_is_followed(tmp_path: Path, registry: Registry) -> None:
    """The file has version, digest, and what the version answers without."""
    path = tmp_path / "to" / "champion.json"
    follower, notes = following(registry, path)
    first = champion_file.read(path)
    world.add_version(registry, "v2", world.trees())
    world.promote(registry, "v2")
    follower.look(0.0)
    second = champion_file.read(path)

    assert ("v1", ("c",)) == (first.version, first.nullable)
    assert ("v2", ("c", "x", "z")) == (second.version, second.nullable)
    assert queries.version(registry, "m", "v2").artifact == second.digest
    assert ["the champion is v1", "the champion is v2"] == notes


def test_the_last_good_champion_stays_and_the_new_one_is_tried_again(tmp_path: Path, registry: Registry) -> None:
    """Ever less often, with one line; one that can be loaded then ends it."""
    path = tmp_path / "champion.json"
    follower, notes = following(registry, path)
    world.add_version(registry, "v2", world.linear(2))
    broken = registry.artifacts.path(queries.version(registry, "m", "v2").artifact or "")
    good = broken.read_bytes()
    world.promote(registry, "v2")
    broken.write_bytes(b"altered")
    follower.look(0.0)
    follower.look(2.0)
    broken.write_bytes(good)
    follower.look(5.9)
    during = champion_file.read(path).version
    failing = follower.failing
    follower.look(6.0)

    assert "v1" == during
    assert "m v2 cannot be loaded" in failing
    assert ["the champion is v1", f"{failing}; v1 answers on", "the champion is v2"] == notes
    assert ("v2", "") == (champion_file.read(path).version, follower.failing)


def test_a_start_goes_on_with_the_last_good_champion(tmp_path: Path, registry: Registry) -> None:
    """The one that has come meanwhile cannot be loaded: the file stays as it is, and the reason is told."""
    path = tmp_path / "champion.json"
    following(registry, path)
    world.add_version(registry, "v2", None, data=b"no model")
    world.promote(registry, "v2")
    notes: list[str] = []
    again = ChampionFollower(registry, world.SCHEMA, world.TRUST, path, notes.append)
    again.resume(0.0)

    assert again.current is not None
    assert ("v1", "v1") == (again.current.version, champion_file.read(path).version)
    assert notes[0].startswith("m v2 cannot be loaded")


def test_without_a_champion_nothing_begins(tmp_path: Path) -> None:
    """The error says how to get one."""
    with world.open_registry(tmp_path) as registry:
        world.add_version(registry, "v1", world.linear())
        with pytest.raises(errors.NotFound, match="m has no champion yet"):
            following(registry, tmp_path / "champion.json")
