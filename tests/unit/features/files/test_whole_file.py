"""Files that appear whole: whatever fails, for those who may read them, and after a power cut."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from features.files.whole_file import write_whole


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader sees the old file or the new one, and no rubbish is left behind."""
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):  # noqa: PT011 - a full disk says no more
        write_whole(path, b"new")
    assert [path] == list(tmp_path.iterdir())
    assert b"old" == path.read_bytes()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
@pytest.mark.parametrize("replace", [True, False])
def test_the_umask_says_who_may_read_a_file(umask: int, mode: int, replace: bool, tmp_path: Path) -> None:
    """As for any other file: a user who hides files from the group hides these too."""
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "file", b"text", replace=replace)
    finally:
        os.umask(before)

    assert mode == stat.S_IMODE((tmp_path / "file").stat().st_mode)


def test_the_name_is_on_the_disk_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draft is synced under its own name, then the folder, in which the name is the new file's by then."""
    synced, sync = [], os.fsync

    def noted(opened: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(opened).st_mode), [path.name for path in tmp_path.iterdir()]))
        sync(opened)

    monkeypatch.setattr("os.fsync", noted)
    write_whole(tmp_path / "file", b"text")
    (of_file, drafts), (of_folder, names) = synced

    assert (False, True, ["file"]) == (of_file, of_folder, names)
    assert ["file"] != drafts


@pytest.mark.parametrize(("code", "told"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced(code: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without the operation is no error; a disk that fails is one."""
    sync = os.fsync

    def refused(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(code, os.strerror(code))
        sync(opened)

    monkeypatch.setattr("os.fsync", refused)
    if told:
        with pytest.raises(OSError, match="error"):
            write_whole(tmp_path / "file", b"text")
    else:
        write_whole(tmp_path / "file", b"text")
    assert b"text" == (tmp_path / "file").read_bytes()


def test_writers_side_by_side_share_no_draft(tmp_path: Path) -> None:
    """One of them wins, and nothing else is left."""
    texts = [bytes([letter]) * 1000 for letter in b"abcdefgh"]
    threads = [threading.Thread(target=write_whole, args=(tmp_path / "file", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [tmp_path / "file"] == list(tmp_path.iterdir())
    assert (tmp_path / "file").read_bytes() in texts
