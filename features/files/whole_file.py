"""Files that appear whole: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

_CANNOT_SYNC = (errno.EACCES, errno.EBADF, errno.EINVAL, errno.ENOTSUP)
"""Answers to a sync of a folder that may be written but not read, or whose file system has no such operation."""


def write_whole(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write *data* to *path* so that a reader sees the old file or the new one, never a part.

    When it returns, content and name are on the disk. Who may read a new file is what the umask of this process says.

    Parameters
    ----------
    replace
        Whether to replace a file that is there already.

    Raises
    ------
    FileExistsError
        There is a file, and *replace* is false.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # The system itself subtracts the umask here; a program can only read it by setting it, for all its threads.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            path.hardlink_to(draft)  # fails where there is a file, however late it came
            draft.unlink()
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder written to the disk: before that, a power cut may bring back the old file."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
