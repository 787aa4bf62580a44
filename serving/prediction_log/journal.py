"""Journals: answers that are on disk within half a second, and become a Parquet file of prediction events later.

A Parquet file appears whole or not at all, and a file each half second would be too many. So rows are first appended to
a journal, an Arrow stream that a killed process leaves behind up to its last whole batch. A journal is published as one
Parquet file of its own name, by its process or, when that has died, by the next one: doing so twice changes nothing.
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from registry.files import artifacts

SUFFIX = ".arrows"
_BEGUN = ".begun"
_LOG = logging.getLogger("leeway.serve")


class Journal:
    """A journal that this process appends to, and no other process publishes meanwhile.

    Parameters
    ----------
    path
        The new file.
    schema
        The columns of its rows.

    Raises
    ------
    OSError
        The file cannot be made.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows = 0
        begun = path.with_suffix(_BEGUN)
        self._file = begun.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        begun.rename(path)  # locked before it is found: another process would publish it and take it away
        self._good = 0
        self._schema = schema

    @property
    def is_gone(self) -> bool:
        """Whether the file was removed: what is written to it now, nobody reads."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def append(self, batch: pa.RecordBatch) -> None:
        """Append rows; they outlive this process, and after an error the journal is as it was.

        Raises
        ------
        OSError
            They cannot be written.
        """
        head = b"" if self._good else self._schema.serialize().to_pybytes()
        data = memoryview(head + batch.serialize().to_pybytes())
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            self._file.seek(self._good)
            self._file.truncate()
            raise
        self._good = self._file.tell()
        self.rows += batch.num_rows

    def close(self) -> None:
        """Let go of the file, so that it can be published."""
        self._file.close()


def read(path: Path) -> pa.Table | None:
    """Return the rows of a journal up to its last whole batch; None if there is none.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    batches, data = list[pa.RecordBatch](), path.read_bytes()
    try:
        with pa.ipc.open_stream(io.BytesIO(data)) as reader:
            while True:
                batches.append(reader.read_next_batch())
    except (StopIteration, pa.ArrowInvalid, OSError):
        return pa.Table.from_batches(batches) if batches else None


def publish(path: Path, target: Path) -> int:
    """Write a closed journal as a Parquet file into the folder *target*, remove it, and return its number of rows.

    Of a journal that is gone they are those that another process has published; 0 where nobody has.

    Raises
    ------
    OSError
        The file cannot be written; the journal stays.
    """
    to = target / f"{path.stem}.parquet"
    try:
        table = read(path)
    except FileNotFoundError:
        return pq.read_metadata(to).num_rows if to.exists() else 0
    if table is not None and not to.exists():  # where it exists, its process died after writing it
        target.mkdir(parents=True, exist_ok=True)
        data = io.BytesIO()
        pq.write_table(table, data)
        artifacts.write_whole(to, data.getvalue())
    path.unlink(missing_ok=True)  # a process that started meanwhile may have published it, too
    return 0 if table is None else table.num_rows


@dataclass(frozen=True, slots=True)
class Recovered:
    """Journals of dead processes that were published, and their rows."""

    files: int = 0
    rows: int = 0


def recover(folder: Path, target: Path) -> Recovered:
    """Publish the journals in *folder* that no living process appends to.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    files = rows = 0
    for path in _abandoned(folder):
        rows += publish(path, target)
        files += 1
        _LOG.warning("published %s, which a process left that did not stop by itself", path.name)
    return Recovered(files, rows)


def _abandoned(folder: Path) -> Iterator[Path]:
    """Yield the journals whose lock is free, holding it meanwhile."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            file = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # another process was faster
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                yield path
        except BlockingIOError:
            continue
        finally:
            os.close(file)
