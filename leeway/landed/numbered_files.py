"""Numbered Parquet files, each with the place up to which its source was read when it appeared.

A file and its place appear in one step, so that a reader which is killed has either landed what is in it and knows it,
or has not. Nothing else is stored about what was read. A landed file is never changed.
"""

from __future__ import annotations

import io
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import DataError, LandingBusy
from features.files import lock_file
from features.files.whole_file import write_whole
from leeway.project.landed import LandedSource

_PLACE = b"leeway.place"
LOCK_SECONDS = 600
"""Seconds to wait for another process that reads the same source."""


def turn(source: LandedSource) -> AbstractContextManager[None]:
    """Let no other process land what is new of *source* until the block ends.

    Raises
    ------
    LandingBusy
        Another one has done so for :data:`LOCK_SECONDS`.
    """
    msg = f"another process has been reading {source.name} for {LOCK_SECONDS} s"
    busy = LandingBusy(msg, hint="wait for it, or end it")
    return lock_file.exclusive(source.beside("lock"), busy, seconds=LOCK_SECONDS)


def paths(folder: Path) -> list[Path]:
    """Return the files that have landed, the oldest first."""
    return sorted(path for path in folder.glob("*.parquet") if path.stem.isdigit())


def number(path: Path) -> int:
    """Return the number of a file, from 1."""
    return int(path.stem)


def is_newest(folder: Path, newest: int) -> bool:
    """Return whether the file of a number, or none for 0, is the newest one, as no other process has landed more."""
    return not _path(folder, newest + 1).exists() and (not newest or _path(folder, newest).exists())


def write(folder: Path, newest: int, table: pa.Table, place: dict[str, Any]) -> int:
    """Write the file after the *newest* one, with the place up to which its source has been read; return its number.

    Raises
    ------
    OSError
        It cannot be written, or another process has written it.
    """
    out, metadata = io.BytesIO(), {**(table.schema.metadata or {}), _PLACE: json.dumps(place).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), out)
    write_whole(_path(folder, newest + 1), out.getvalue(), replace=False)
    return newest + 1


def place_of(path: Path) -> dict[str, Any]:
    """Return the place that a file was written with. Raises DataError if it is no such file."""
    try:
        return dict(json.loads((pq.read_schema(path).metadata or {})[_PLACE]))
    except (OSError, pa.ArrowException, LookupError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error of a file that is not what was written."""
    msg = f"{path} is not what landed there: {error}"
    hint = "restore it from a backup; or remove its folder, and all that is still there is read again"
    return DataError(msg, hint=hint)


def _path(folder: Path, n: int) -> Path:
    return folder / f"{n:010d}.parquet"
