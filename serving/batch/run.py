"""A run of batch scoring on Flink: the parts that are not done are scored, each leaves its files exactly once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.events import location
from features.facts import reading
from features.files import file_chunks
from features.values.untyped import Reject
from monitors.flink import parts_job
from registry.files import artifacts
from serving.batch import part_scoring
from serving.batch.part_scoring import FACTS, PartScoring
from serving.batch.run_plan import FOLDER, Part, Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run.

    Parameters
    ----------
    rows
        Events with a prediction.
    rejected
        Dead letters of events.
    facts
        Dead letters of facts.
    """

    rows: int
    rejected: tuple[Reject, ...]
    facts: tuple[Reject, ...]


def remaining(target: Path, parts: Sequence[Part]) -> list[Part]:
    """Return those of the parts that are not done."""
    return [part for part in parts if not part_scoring.is_done(target, part)]


def carry_out(task: PartScoring, plan: Plan, logs: Path) -> Outcome:
    """Score the parts that are not done, in Flink inside this process, and return what came of all.

    Parameters
    ----------
    task
        What is done with each part.
    plan
        The run's plan, in the task's target.
    logs
        Directory of Flink's log.

    Raises
    ------
    DataError
        A directory of facts does not exist.
    EngineError
        Flink does not start, or a part cannot be scored; the parts that are done stay so.
    """
    for source in task.facts.sources.values():
        file_chunks.list_files(
            location.directory(reading.place(source))
        )  # what is not there is told before Flink starts
    if todo := remaining(task.target, plan.parts):
        parts_job.run(task, [part.encode() for part in todo], logs)
    receipts = [part_scoring.read_receipt(task.target, part) for part in plan.parts]
    rejected = tuple(one for receipt in receipts for one in receipt.rejects)
    return Outcome(sum(receipt.rows for receipt in receipts), rejected, tuple(_facts(task.target)))


def _facts(target: Path) -> Iterator[Reject]:
    path = target / FOLDER / FACTS
    if path.exists():
        yield from (Reject(**one) for one in json.loads(path.read_bytes()))


def is_recorded(target: Path) -> bool:
    """Return whether the run's dead letters are on record."""
    return (target / FOLDER / "recorded").exists()


def set_recorded(target: Path) -> None:
    """Note that the run's dead letters are on record, so that the same command again does not add them again."""
    artifacts.write_whole(target / FOLDER / "recorded", b"")
