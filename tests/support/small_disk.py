"""A small disk for a folder, which can be filled to the last byte and emptied again."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk mounted at *folder*; *refused* says why there is none, where nobody may mount one."""

    folder: Path
    refused: str = ""

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    @contextmanager
    def full(self) -> Iterator[Callable[[], None]]:
        """Have no room left during the block; the callable also takes what others have given back since."""
        self._fill()
        try:
            yield self._fill
        finally:
            self._ballast.unlink()

    def _fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Disk]:
    """Yield a disk of *size* at *folder*, which is made; it is gone after the block."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        yield Disk(folder, str(error))
        return
    if done.returncode:
        yield Disk(folder, done.stderr.strip())
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
