"""Files that appear whole: a reader sees the old file or the new one, never a part."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write *data* to *path* so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    replace
        Whether to replace a file that is there already.

    Raises
    ------
    FileExistsError
        There is a file, and *replace* is false.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp's files are their owner's alone; jobs may run as another user
        if replace:
            Path(name).replace(path)
        else:
            path.hardlink_to(name)  # fails where there is a file, however late it came
            Path(name).unlink()
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
