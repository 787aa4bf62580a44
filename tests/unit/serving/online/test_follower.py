"""The follower: whole versions are exchanged, and one that cannot be loaded changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from features import errors
from registry import operations, queries
from registry.connection import Registry
from registry.records import RunState
from serving.online.follower import Follower
from serving.predictors.backoff import FIRST_RETRY
from tests.support import serving_world as world


@dataclass
class Setting:
    """A registry with champion v1, a follower of it, and a clock that is set by hand."""

    registry: Registry
    follower: Follower
    now: float = 0.0

    def look(self) -> str | None:
        """Have the follower look once, and return the champion that answers."""
        asyncio.run(self.follower.look())
        champion = self.follower.lineup.champion
        return champion.version if champion else None


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    """Yield a world with one version, promoted."""
    with world.open_registry(tmp_path) as registry, ThreadPoolExecutor(1) as executor:
        world.add_version(registry, "v1", world.linear())
        world.promote(registry, "v1")
        made = Setting(registry, Follower(registry, world.SCHEMA, world.TRUST, executor, shadow=True,
                                          clock=lambda: made.now))  # fmt: skip
        yield made


def test_a_promotion_is_followed_and_a_rollback_needs_no_loading(setting: Setting) -> None:
    """The version before stays loaded, for callers that name it and for a rollback."""
    assert "v1" == setting.look()
    first = setting.follower.lineup.champion
    world.add_version(setting.registry, "v2", world.trees())
    world.promote(setting.registry, "v2")
    assert "v2" == setting.look()
    assert first is setting.follower.lineup.named("m", "v1")
    operations.rollback(setting.registry, model="m", expected_generation=2, actor="test", reason="test",
                        effective_at=world.NOW + timedelta(days=1), now=world.NOW)  # fmt: skip
    assert "v1" == setting.look()
    assert first is setting.follower.lineup.champion
    assert 2 == setting.follower.status.swaps


@pytest.mark.parametrize("cause", ["no file", "foreign types", "no answers"])
def test_a_version_that_cannot_be_loaded_changes_nothing(
    setting: Setting, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once each time it is tried, ever less often, and the last good version answers."""
    setting.look()
    model = world.trees() if cause == "foreign types" else world.linear(5)
    setting.follower._trusted = () if cause == "foreign types" else world.TRUST
    if cause == "no answers":
        model.steps[-1][1].intercept_[:] = float("nan")
    world.add_version(setting.registry, "v2", model)
    world.promote(setting.registry, "v2")
    if cause == "no file":
        artifact = queries.version(setting.registry, "m", "v2").artifact
        setting.registry.artifacts.path(artifact).write_bytes(b"altered")

    assert ["v1", "v1"] == [setting.look(), setting.look()]
    assert 1 == setting.follower.status.failures["v2"].backoff.times
    assert "v2 cannot be loaded" in caplog.text
    assert "v1 answers on" in caplog.text
    setting.now += FIRST_RETRY
    setting.look()
    assert 2 == setting.follower.status.failures["v2"].backoff.times
    assert setting.now + 2 * FIRST_RETRY == setting.follower.status.failures["v2"].backoff.again


def test_a_version_that_was_mended_is_loaded_at_the_next_try(setting: Setting) -> None:
    """The failure is then over."""
    setting.look()
    setting.follower._trusted = ()
    world.add_version(setting.registry, "v2", world.trees())
    world.promote(setting.registry, "v2")
    setting.look()
    setting.follower._trusted, setting.now = world.TRUST, 100.0
    assert "v2" == setting.look()
    assert {} == setting.follower.status.failures


def test_while_the_registry_is_away_the_loaded_version_answers(
    setting: Setting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is in the status and, once, in the log."""
    setting.look()
    (tmp_path / "leeway.db").rename(tmp_path / "elsewhere")
    (tmp_path / "leeway.db").mkdir()
    setting.registry.close()
    with caplog.at_level(logging.WARNING):
        assert ["v1", "v1"] == [setting.look(), setting.look()]
    assert setting.follower.status.registry_away
    assert 1 == caplog.text.count("the registry does not answer")
    (tmp_path / "leeway.db").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "leeway.db")
    assert ("v1", "") == (setting.look(), setting.follower.status.registry_away)


def test_versions_on_trial_are_loaded_and_dropped_with_their_run(setting: Setting) -> None:
    """A held run's candidate, until the run ends."""
    world.add_version(setting.registry, "v2", world.trees())
    run = world.hold(setting.registry, "v2")
    setting.look()
    assert ["v2"] == [each.version for each in setting.follower.lineup.trials]
    operations.finish_run(setting.registry, run, state=RunState.REJECTED, reason="worse", now=world.NOW)
    setting.look()
    assert () == setting.follower.lineup.trials


def test_a_version_on_trial_that_becomes_champion_is_on_trial_no_more(setting: Setting) -> None:
    """Its predictions belong to the champion's log, and each version is listed once; the same after a restart."""
    world.add_version(setting.registry, "v2", world.trees())
    run = world.hold(setting.registry, "v2")
    setting.look()
    world.promote(setting.registry, "v2")
    assert ("v2", ()) == (setting.look(), setting.follower.lineup.trials)
    assert ["v2", "v1"] == [each.version for each in setting.follower.lineup.versions]
    assert RunState.REJECTED is queries.run(setting.registry, run).state


def test_the_champion_is_never_on_trial(setting: Setting) -> None:
    """Not even where a run is held for it, as by a retrain that was going on while somebody promoted its candidate."""
    world.hold(setting.registry, "v1")
    setting.look()
    assert () == setting.follower.lineup.trials


def test_a_version_that_is_not_loaded_is_not_found(setting: Setting) -> None:
    """With those that are; before the first champion nothing is ready."""
    with pytest.raises(errors.NotReady, match="no champion that could be loaded"):
        setting.follower.lineup.named("m", None)
    setting.look()
    with pytest.raises(errors.NotFound, match="served are v1"):
        setting.follower.lineup.named("m", "v7")
