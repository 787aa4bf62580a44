"""Models, versions and baselines: registered once, never changed."""

from __future__ import annotations

from datetime import timedelta, timezone
from itertools import product

import pytest
import sqlalchemy as sa

from features.errors import ArtifactError, IllegalMove, NotFound, RegistryError
from registry import operations, queries
from registry.connection import Registry
from registry.database import mapping, tables
from registry.operations import versions
from registry.records import Version, VersionState
from tests.support import registry_values as make


def test_a_model_is_added_once(reg: Registry) -> None:
    """The same model again changes nothing, not even the audit log."""
    make.model(reg)
    before = make.everything(reg)
    make.model(reg)
    assert before == make.everything(reg)
    assert queries.models(reg) == ["m"]


def test_a_models_task_never_changes(reg: Registry) -> None:
    """A model cannot be registered again with another task."""
    make.model(reg)
    with pytest.raises(IllegalMove, match="registered as binary, not regression"):
        operations.add_model(reg, model="m", task="regression", now=make.NOW)


def test_a_version_needs_its_model(reg: Registry) -> None:
    """A version of an unknown model is refused, naming the known ones."""
    make.model(reg, "other")
    with pytest.raises(NotFound, match="registered: other"):
        make.version(reg, "v1")


def test_a_version_is_read_back_as_it_was_added(reg: Registry) -> None:
    """Every field survives the database, times in UTC and numbers bit for bit."""
    make.model(reg)
    version = Version(
        model="m", version="v1", mode="online", artifact="a" * 64, parent="v0", parent_digest="b" * 64,
        trained_from=make.NOW - make.DAY, trained_until=make.NOW, rows=7, metrics={"auc": 0.1 + 0.2},
        created_at=make.NOW,
    )  # fmt: skip
    assert version == operations.add_version(reg, version)
    assert version == queries.version(reg, "m", "v1")


def test_a_version_never_changes(reg: Registry) -> None:
    """Registering a version again is no change if it is the same, and refused if it is not."""
    make.model(reg)
    first = make.version(reg, "v1")
    assert first == make.version(reg, "v1")
    with pytest.raises(IllegalMove, match="registered already"):
        make.version(reg, "v1", data=b"other")


@pytest.mark.parametrize("claim", [{"state": VersionState.CHAMPION}, {"baseline": "a" * 64}])
def test_a_version_starts_as_a_bare_candidate(reg: Registry, claim: dict[str, object]) -> None:
    """Nobody becomes champion, or gets a baseline, by saying so."""
    make.model(reg)
    version = Version(model="m", version="v1", mode="static", created_at=make.NOW).model_copy(update=claim)
    with pytest.raises(IllegalMove, match="as a candidate without a baseline"):
        operations.add_version(reg, version)


def test_the_next_version_follows_the_highest_number(reg: Registry) -> None:
    """Numbers are counted as numbers, and other names are left alone."""
    make.model(reg)
    assert operations.next_version(reg, "m") == "v1"
    for name in ("v2", "v10", "2013-06", "v99x"):
        make.version(reg, name)
    assert operations.next_version(reg, "m") == "v11"


def test_an_unknown_version_is_answered_with_the_known_ones(reg: Registry) -> None:
    """The error says which versions there are."""
    make.model(reg)
    make.version(reg, "v1")
    with pytest.raises(NotFound, match=r"no version v7[\s\S]*it has v1"):
        queries.version(reg, "m", "v7")


def test_a_baseline_is_read_back_bit_for_bit(reg: Registry) -> None:
    """The digest finds the same baseline, and the version points to it."""
    make.model(reg)
    make.version(reg, "v1")
    baseline = make.baseline("v1")
    digest = operations.store_baseline(reg, baseline, now=make.NOW)
    assert baseline.digest == digest
    assert baseline == queries.baseline(reg, digest)
    assert baseline == queries.baseline_of(reg, "m", "v1")


def test_a_versions_baseline_never_changes(reg: Registry) -> None:
    """Storing the same baseline again is no change; another one is refused."""
    make.model(reg)
    make.version(reg, "v1")
    assert queries.baseline_of(reg, "m", "v1") is None
    operations.store_baseline(reg, make.baseline("v1"), now=make.NOW)
    before = make.everything(reg)
    operations.store_baseline(reg, make.baseline("v1"), now=make.NOW)
    with pytest.raises(IllegalMove, match="never changes"):
        operations.store_baseline(reg, make.baseline("v1", rows=101), now=make.NOW)
    assert before == make.everything(reg)


@pytest.mark.tampering
def test_an_altered_baseline_is_found_out(reg: Registry) -> None:
    """A baseline whose text in the database was edited is refused."""
    make.model(reg)
    make.ready(reg, "v1")
    digest = make.baseline("v1").digest
    with reg.write() as c:
        c.execute(tables.baselines.update().values(content=sa.func.replace(tables.baselines.c.content, "100", "900")))
    with pytest.raises(ArtifactError, match="sha256 differs"):
        queries.baseline(reg, digest)


@pytest.mark.parametrize(("now", "to"), list(product(VersionState, VersionState)))
def test_the_state_machine_is_the_table(reg: Registry, now: VersionState, to: VersionState) -> None:
    """Of all pairs of states exactly those in MOVES are allowed; the error names the legal ones."""
    make.model(reg)
    make.version(reg, "v1")
    with reg.write() as c:
        mapping.update(c, tables.versions, state=now)
    legal = [b.value for a, b in operations.MOVES if a is now]
    version = queries.version(reg, "m", "v1")
    if (now, to) in operations.MOVES:
        with reg.write() as c:
            versions.set_state(c, version, to)
        assert queries.version(reg, "m", "v1").state is to
    else:
        with pytest.raises(IllegalMove) as refused, reg.write() as c:
            versions.set_state(c, version, to)
        assert all(state in refused.value.hint for state in legal)
        assert queries.version(reg, "m", "v1").state is now


def test_a_time_without_a_zone_is_refused(reg: Registry) -> None:
    """Nobody could tell which moment a naive time means."""
    with pytest.raises(RegistryError, match="has no time zone"):
        operations.add_model(reg, model="m", task="binary", now=make.NOW.replace(tzinfo=None))


def test_a_time_in_another_zone_is_the_same_moment(reg: Registry) -> None:
    """It is kept and read back in UTC."""
    make.model(reg)
    there = make.NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    operations.add_version(reg, Version(model="m", version="v1", mode="static", created_at=there))
    read = queries.version(reg, "m", "v1").created_at
    assert (make.NOW, timedelta(0)) == (read, read.utcoffset())
