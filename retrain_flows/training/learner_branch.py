"""A branch of a learner in the stream: where it began, what it has learned, and its chain of snapshots, in a folder.

A branch is a function of its plan and of the parts of the sample stream: its files can be made again, and come out the
same. A new branch begins where an old one is forked or reset.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features import errors
from features.files.whole_file import write_whole
from features.security.file_names import file_name
from monitors.samples import parts
from registry import queries
from registry.connection import Registry

_PLAN, _PROGRESS, _STOP = "plan.json", "progress.json", "stop"
FIRST = "1"
"""Name of the folder of a model's first branch."""


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """How a branch begins; it does not change.

    Parameters
    ----------
    trainer
        Import path of the function that returns the new model.
    since
        The start (ms) of the first slice that it learns from.
    snapshot_every
        Event time (ms) between snapshots.
    classes
        All classes of the labels (multiclass), as text.
    begin
        The snapshot that it continues, by its digest; "" for a new model.
    learned
        How many samples that snapshot has learned from.
    parent
        The number of the branch that it was forked from; 0 for none.
    because
        Why it was begun.
    sd
        The standard deviation of labels: the unit of a regression's losses. It is 1 in plans older than this field.
    """

    trainer: str
    since: int
    snapshot_every: int
    classes: tuple[str, ...] = ()
    begin: str = ""
    learned: int = 0
    parent: int = 0
    because: str = ""
    sd: float = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A candidate: the model after all samples up to a position of the stream.

    Parameters
    ----------
    digest
        The sha256 of its model file.
    parent
        The digest of the snapshot before, "" for none.
    position
        The newest part that it has learned from.
    end
        The end (ms) of that part's slice.
    mark
        The event time (ms) from which it could exist: the labels of that part are final.
    learned
        The samples that it has learned from.
    loss
        Prequential loss: the mean over the samples tested so far, the newer ones weighing more; None before any.
    tested
        How many samples have been tested.
    """

    digest: str
    parent: str
    position: str
    end: int
    mark: int
    learned: int
    loss: float | None
    tested: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch in its folder."""

    folder: Path

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return int(self.folder.name)

    @property
    def plan(self) -> BranchPlan:
        """How it began."""
        own = json.loads((self.folder / _PLAN).read_bytes())
        return BranchPlan(**{**own, "classes": tuple(own["classes"])})

    def snapshots(self) -> list[Snapshot]:
        """Return its snapshots in order of time."""
        return [Snapshot(**json.loads(p.read_bytes())) for p in sorted(self.folder.glob("snapshots/*.json"))]

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Put a snapshot on record.

        Raises
        ------
        TrainerError
            Another one is on record for the same samples: the model learns by chance.
        """
        self._write_same("snapshots", f"{snapshot.position}.json", json.dumps(asdict(snapshot)).encode())

    def add_answers(self, position: str, answers: pa.Table) -> None:
        """Put the prequential predictions of a part on record: columns id, time and prediction; errors as above."""
        sink = pa.BufferOutputStream()
        pq.write_table(answers, sink)
        self._write_same("tested", position, sink.getvalue().to_pybytes())

    def _write_same(self, kind: str, name: str, content: bytes) -> None:
        """Write a file, unless it is there with another content: TrainerError."""
        path = self.folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.read_bytes() != content:
            msg = f"learning the same samples again gave another model at {name.split('.')[0]}"
            hint = (
                "the trainer learns by chance, or has changed: set random_state (seed) if it has one, "
                "then `leeway learner reset --because ...`"
            )
            raise errors.TrainerError(msg, hint=hint)
        write_whole(path, content)

    def answers(self, since: int = 0) -> pd.DataFrame:
        """Return the prequential predictions of the slice that holds *since* (ms) and of all later ones, in order.

        The columns are id, time and prediction.
        """
        paths = sorted(self.folder.glob("tested/*.parquet"))
        first = sum(parts.start_of(path.name) <= since for path in paths) - 1
        read = [pq.read_table(p, partitioning=None).to_pandas() for p in paths[max(first, 0) :]]
        return pd.concat(read, ignore_index=True) if read else pd.DataFrame({"id": [], "time": [], "prediction": []})

    def note_progress(self, progress: dict[str, Any]) -> None:
        """Write how far it is, for people."""
        write_whole(self.folder / _PROGRESS, json.dumps(progress).encode())

    def progress(self) -> dict[str, Any]:
        """Return how far it is; empty before the first part."""
        path = self.folder / _PROGRESS
        own: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return own

    @property
    def stop_file(self) -> Path:
        """A file that ends the command that runs it."""
        return self.folder / _STOP


def folder(state: Path, model: str) -> Path:
    """Return the folder of a model's branches."""
    return state / "learner" / file_name(model)


def newest(state: Path, model: str) -> Branch | None:
    """Return the branch that learns; None where there is none."""
    numbers = [int(p.parent.name) for p in folder(state, model).glob(f"*/{_PLAN}")]
    return Branch(folder(state, model) / str(max(numbers))) if numbers else None


def begin(state: Path, model: str, plan: BranchPlan) -> Branch:
    """Begin a branch, which takes the place of the one before; FileExistsError if another process has begun it."""
    before = newest(state, model)
    branch = Branch(folder(state, model) / (str(before.number + 1) if before else FIRST))
    branch.folder.mkdir(parents=True, exist_ok=True)  # one that a killed process has left is no branch without a plan
    write_whole(branch.folder / _PLAN, json.dumps(asdict(plan)).encode(), replace=False)
    return branch


def rolled_back(registry: Registry, model: str, branch: Branch) -> Snapshot | None:
    """Return the newest snapshot of a branch that was promoted and rolled back since; None for none.

    Such a branch is at its end: all that it learns later rests on what was rolled back.
    """
    names = {p.from_version for p in queries.promotions(registry, model) if p.kind == "rollback"}
    if not names:
        return None
    back = {v.artifact for v in queries.versions(registry, model) if v.version in names}
    return next((s for s in reversed(branch.snapshots()) if s.digest in back), None)


def offered(registry: Registry, state: Path, model: str, until: int) -> tuple[Branch, Snapshot] | None:
    """Return the newest snapshot of samples before *until* (ms) alone, unless its branch was rolled back."""
    branch = newest(state, model)
    if branch is None or rolled_back(registry, model, branch) is not None:
        return None
    own = [snapshot for snapshot in branch.snapshots() if snapshot.end <= until]
    return (branch, own[-1]) if own else None
