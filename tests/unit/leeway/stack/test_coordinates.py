"""Maven coordinates of jars: the lock is complete, and nothing else enters the cache."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

import pytest

from features.errors import EngineError
from leeway.stack import coordinates

JAR = b"a jar"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache, before a lock of one jar that is to be had."""
    monkeypatch.setenv(coordinates.CACHE, str(tmp_path / "cache"))
    locked = {"g": {"org.example:a:1.0": hashlib.sha256(JAR).hexdigest()}}
    monkeypatch.setattr(coordinates, "lock", lambda: locked)
    monkeypatch.setattr(coordinates, "context", lambda folder: folder)
    monkeypatch.setattr(coordinates, "download", _serve(JAR))
    return tmp_path / "cache"


def _serve(content: bytes) -> object:
    def download(folder: Path, coordinate: str) -> Path:
        file = folder / "served.jar"
        file.write_bytes(content)
        return file

    return download


def test_the_lock_is_of_what_is_wanted() -> None:
    """Otherwise: `make lock`."""
    assert coordinates.WANTED.keys() == coordinates.lock().keys()
    for group, wanted in coordinates.WANTED.items():
        assert set() == set(wanted) - set(coordinates.lock()[group])


def test_every_jar_is_locked_by_its_checksum() -> None:
    """And no host is named: where coordinates are had is the business of whoever installs."""
    for locked in coordinates.lock().values():
        assert {64} == {len(digest) for digest in locked.values()}
        assert all(len(coordinate.split(":")) == 3 for coordinate in locked)
    assert "//" not in coordinates.LOCK.read_text()


def test_the_connector_is_the_one_that_runs_on_this_flink() -> None:
    """5.0.0-2.2 is made for Flink 2.2, and runs on 2.3, as the tests of topics show; none is made for 2.3."""
    flink = importlib.metadata.version("apache-flink")
    connectors = {"2.3": "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"}

    assert (connectors[flink.rpartition(".")[0]],) == coordinates.WANTED["flink-kafka"]


def test_a_jar_is_fetched_once(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is there, whoever asks."""
    assert ["org.example:a:1.0"] == coordinates.missing()
    (jar,) = coordinates.jars("g")
    monkeypatch.setattr(coordinates, "download", None)

    assert JAR == jar.read_bytes()
    assert "a-1.0.jar" == jar.name
    assert jar.is_relative_to(cached)
    assert [jar] == coordinates.jars("g")
    assert [] == coordinates.missing()
    assert str(jar) == coordinates.classpath("g")


def test_another_file_under_the_same_name_is_refused(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never reaches the cache."""
    monkeypatch.setattr(coordinates, "download", _serve(b"something else"))
    with pytest.raises(EngineError, match="not the file that was locked"):
        coordinates.jars("g")

    assert [] == list(cached.rglob("*.jar"))


def test_a_file_of_another_kind_keeps_its_name(cached: Path) -> None:
    """Archives are named by packaging and classifier."""
    file = coordinates.artifact("org.example:a:tar.gz:all:1.0", hashlib.sha256(JAR).hexdigest())

    assert ("a-1.0-all.tar.gz", JAR) == (file.name, file.read_bytes())


def test_an_unknown_group_is_told(cached: Path) -> None:
    """With those that there are."""
    with pytest.raises(EngineError, match="no group of jars called 'x'") as told:
        coordinates.jars("x")

    assert "there are g" == told.value.hint
