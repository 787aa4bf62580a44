"""Disk checks of `leeway doctor`: free space and write permission where a stack writes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from leeway.check.environment import Check

MIB, GIB = 1 << 20, 1 << 30


def disk(folder: Path) -> Check:
    """Return whether *folder* has free space and can be written to."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    hint = "free space, or set `state` in the project file to another disk: a full one stops checkpoints and the broker"
    if free < MIB:
        return Check("disk", "error", f"no room left in {there}; {hint}")
    try:
        (probe := there / f".leeway-{time.monotonic_ns()}").touch()
        probe.unlink()
    except OSError as error:
        return Check(
            "disk", "error", f"{there} cannot be written to: {error.strerror}; give this user write permission"
        )
    message = f"{free / GIB:.1f} GiB free in {there}" if free >= GIB else f"{free / MIB:.0f} MiB free in {there}"
    if free >= 5 * GIB:
        return Check("disk", "ok", message)
    return Check("disk", "warning" if free >= GIB else "error", f"{message}; {hint}")


def disks(state: Path) -> Iterator[Check]:
    """Yield the check of each disk that a stack writes to: checkpoints and topics may be on other disks."""
    devices: set[int] = set()
    for folder in (state, *(state / name for name in ("checkpoints", "savepoints", "stack", "stack/kafka"))):
        if (folder == state or folder.exists()) and (device := _device(folder)) not in devices:
            devices.add(device)
            yield disk(folder)


def _device(folder: Path) -> int:
    return next(p for p in (folder, *folder.parents) if p.exists()).stat().st_dev
