"""The plan of a run: which parts of which events are scored by which version, fixed when the run begins.

A run that was interrupted goes on by its plan. What has come since (files, records of a topic, a new champion) is none
of its business, so that it ends as it would have ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from features import errors
from features.events import location
from features.files import lock_file
from features.files.file_chunks import Chunk
from features.security.file_names import file_name
from registry.files import artifacts

FOLDER = "_run"
"""Folder of the plan and the receipts in the target; readers of events pass over names that begin so."""
FILES = "files"
"""The output of a run whose predictions are files in its directory."""
_OTHER = "name another directory, or begin anew with --force"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run computes: it goes on only if all of this is unchanged.

    Parameters
    ----------
    model, version
        Which version answers.
    digest
        The sha256 of its model file.
    source
        Where the events are.
    start, end
        The period [start, end) of event time, ISO 8601.
    settings
        Digest of what the project file says of the model's events and features.
    output
        What predictions go into: files, or a topic by its name.
    """

    model: str
    version: str
    digest: str
    source: str
    start: str
    end: str
    settings: str
    output: str = FILES


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the events: a chunk of a file or a range of offsets.

    Parameters
    ----------
    name
        Name of its predictions' file.
    reference
        The part, as :func:`features.events.location.decode` reads it.
    size, changed
        Size and time of change (ns) of the file when the run began; None of a topic.
    """

    name: str
    reference: str
    size: int | None = None
    changed: int | None = None

    def encode(self) -> str:
        """Return the part as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def decode(text: str) -> Part:
        """Return the part that :meth:`encode` wrote."""
        return Part(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's identity, the present with which times of events are compared, and its parts in order."""

    identity: Identity
    now: datetime
    parts: tuple[Part, ...]

    def encode(self) -> bytes:
        """Return the plan as a file."""
        return json.dumps({**asdict(self), "now": self.now.isoformat()}, indent=1).encode()

    @staticmethod
    def decode(data: bytes) -> Plan:
        """Return the plan of a file."""
        own = json.loads(data)
        parts = tuple(Part(**part) for part in own["parts"])
        return Plan(Identity(**own["identity"]), datetime.fromisoformat(own["now"]), parts)


def parts_of(place: location.Place) -> Iterator[Part]:
    """Yield the parts of all that is at a place now, in order, each named after its input.

    Raises
    ------
    DataError, BrokerError
        As :func:`features.events.location.references`.
    """
    for number, reference in enumerate(location.references(place)):
        stem = Path(reference.path).stem if isinstance(reference, Chunk) else reference.path.replace("/", "-")
        name = f"{number:06d}-{file_name(f'{stem}-{reference.start}')}.parquet"
        yield Part(name, reference.encode(), *(_state(reference.path) if isinstance(reference, Chunk) else ()))


def _state(path: str) -> tuple[int | None, int | None]:
    """Return size and time of change (ns) of a file; None where it cannot be inspected."""
    try:
        state = Path(path).stat()
    except OSError:
        return None, None
    return state.st_size, state.st_mtime_ns


def read(target: Path) -> Plan | None:
    """Return the plan of the run in *target*; None if none has begun there.

    Raises
    ------
    DataError
        *target* has something else in it, or its plan cannot be read.
    """
    path = target / FOLDER / "plan.json"
    if path.exists():
        try:
            return Plan.decode(path.read_bytes())
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path} is no plan of a run: {error}"
            raise errors.DataError(msg, hint=_OTHER) from error
    if target.exists() and not (target / FOLDER).is_dir() and (not target.is_dir() or any(target.iterdir())):
        msg = f"{target} is there already, and is no directory of a run"
        raise errors.DataError(msg, hint="name a new directory")
    return None


def begin(target: Path, identity: Identity, place: location.Place, now: datetime) -> Plan:
    """Return the plan of the run in *target*: the one that has begun, or a new one.

    Parameters
    ----------
    target
        The directory of predictions.
    identity
        What the run computes.
    place
        Where the events are.
    now
        The present, for a new run.

    Raises
    ------
    DataError
        Another run has begun in *target*, or one of its files has changed since; or the events cannot be listed.
    """
    earlier = read(target)
    if earlier is None:
        plan = Plan(identity, now, tuple(parts_of(place)))
        artifacts.write_whole(target / FOLDER / "plan.json", plan.encode())
        return plan
    _check_same(target, earlier.identity, identity)
    _check_files(earlier.parts)
    return earlier


def _check_same(target: Path, begun: Identity, wanted: Identity) -> None:
    names = (field.name for field in fields(Identity))
    for name in names:
        if getattr(begun, name) != getattr(wanted, name):
            msg = f"{target} has a run of {name} {getattr(begun, name)}, and this is one of {getattr(wanted, name)}"
            raise errors.DataError(msg, hint=_OTHER)


def _check_files(parts: Sequence[Part]) -> None:
    for part in parts:
        reference = location.decode(part.reference)
        if isinstance(reference, Chunk) and _state(reference.path) != (part.size, part.changed):
            msg = f"{reference.path} has changed since the run began"
            raise errors.DataError(msg, hint="begin anew with --force")


def discard(target: Path) -> None:
    """Remove the run in *target*, its predictions among it; what does not belong to it stays."""
    plan, folder = read(target), target / FOLDER
    for part in plan.parts if plan else ():
        (target / part.name).unlink(missing_ok=True)
    for path in (folder / "parts").glob("*.json"):
        path.unlink()
    for path in folder.glob("*"):
        if path.is_file() and path.name not in ("lock", "command"):
            path.unlink()


@contextmanager
def locked(target: Path, command: str = "predict") -> Iterator[None]:
    """Create *target*, and hold it for this process until the block ends; remove what a killed one left half written.

    Parameters
    ----------
    target
        The directory of predictions.
    command
        The command that works there: no other may, as their parts have other names.

    Raises
    ------
    DataError
        Another process or command is at work there, or *target* is not empty and not one of theirs.
    """
    read(target)
    (target / FOLDER / "parts").mkdir(parents=True, exist_ok=True)
    msg = f"another run is at work in {target}"
    busy = errors.DataError(msg, hint="wait for its end, or name another directory")
    with lock_file.exclusive(target / FOLDER / "lock", busy):
        for folder in (target, target / FOLDER, target / FOLDER / "parts"):
            for draft in folder.glob(".*.tmp"):
                draft.unlink()
        _claim(target, command)
        yield


def _claim(target: Path, command: str) -> None:
    """Note which command works in *target*, unless another one does."""
    note = target / FOLDER / "command"
    if note.exists() and (other := note.read_text()) != command:
        msg = f"{target} is a directory of `leeway {other}`"
        raise errors.DataError(msg, hint="name another directory")
    note.write_text(command)
