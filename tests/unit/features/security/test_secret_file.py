"""Secret files: random, made once, readable by their owner only."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from features.errors import ProjectError
from features.security import secret_file


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """The same text each time, in a file of mode 600, with nothing else left behind."""
    path = tmp_path / "state" / "secret"
    first, again = secret_file.read(path, "leeway:"), secret_file.read(path, "leeway:")
    assert (first, True) == (again, first.startswith("leeway:"))
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(path.parent.iterdir())


def test_asking_for_an_existing_secret_makes_none(tmp_path: Path) -> None:
    """So that what only checks writes nothing."""
    path = tmp_path / "secret"
    assert secret_file.existing(path) is None
    assert not path.exists()
    assert secret_file.read(path) == secret_file.existing(path)


def test_two_secrets_differ(tmp_path: Path) -> None:
    """Each has 256 random bits."""
    one, two = (secret_file.read(tmp_path / name) for name in "ab")
    assert one != two
    assert len(one) >= 43


def test_those_who_come_at_once_get_the_same(tmp_path: Path) -> None:
    """Whoever is first writes it; nobody reads half of it."""
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: secret_file.read(tmp_path / "secret"), range(64)))
    assert 1 == len(found)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o777])
def test_a_secret_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """It is none any more; the message names the file and not what is in it."""
    path = tmp_path / "secret"
    text = secret_file.read(path)
    path.chmod(mode)
    with pytest.raises(ProjectError, match="others than its owner") as refused:
        secret_file.read(path)
    assert text not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty password would let everybody in."""
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ProjectError, match="secret"):
        secret_file.read(path)


def test_a_place_that_takes_no_file_is_refused(tmp_path: Path) -> None:
    """As an error of ours."""
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match="cannot be read"):
        secret_file.read(tmp_path / "file" / "secret")
