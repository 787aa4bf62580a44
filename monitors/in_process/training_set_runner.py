"""A training set in this process: pieces wait for their bucket in files, so that one bucket is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from monitors.training_set.buckets import BucketJoin, SetPlan, split
from monitors.training_set.parts import Part

_LENGTH = 8
"""Bytes of a piece's length, before it."""


def run(plan: SetPlan, parts: Sequence[Part]) -> None:
    """Split all parts and join all buckets of a plan: a :data:`monitors.training_set.built.Run`."""
    plan.file("pieces", 0).parent.mkdir(parents=True, exist_ok=True)
    for role, reference in parts:
        for bucket, piece in split(plan, role, reference):
            with plan.file("pieces", bucket).open("ab") as file:
                file.write(len(piece).to_bytes(_LENGTH, "big") + piece)
    join = BucketJoin(plan)
    for bucket in range(plan.buckets):
        path = plan.file("pieces", bucket)
        if path.exists():
            join.write_run(bucket, _pieces(path))
            path.unlink()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while size := file.read(_LENGTH):
            yield file.read(int.from_bytes(size, "big"))
