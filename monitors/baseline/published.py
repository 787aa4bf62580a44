"""Published baselines: the files from which a streaming job reads its baselines, checked by digest.

A job has no database. A baseline lies in its model's folder, and the sha256 of its file in a folder beside that; later
revisions of it lie in folders of their own. The digests of the baselines that were registered when the job was
submitted come with the job.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from features import errors
from features.security.file_names import file_name
from monitors.baseline.baseline import Baseline

Digests = Mapping[str, Sequence[str]]
"""The sha256 of each baseline of a version, its first revision first, by version."""


def baseline_path(folder: Path, version: str, revision: int = 1) -> Path:
    """Return the path of a published baseline of a version; *folder* is its model's."""
    if revision == 1:
        return folder / f"{file_name(version)}.json"
    return folder.with_name(f"{folder.name}.renewed") / f"{file_name(version)}.{revision}.json"


def digest_path(folder: Path, version: str, revision: int = 1) -> Path:
    """Return the path of the sha256 of that file."""
    path = baseline_path(folder, version, revision)
    return path.parent.with_name(f"{path.parent.name}.sha256") / path.name.removesuffix(".json")


@dataclass(frozen=True)
class PublishedBaseline:
    """A baseline as it was read, and the sha256 that the registry has of it."""

    baseline: Baseline
    digest: str


def find(folder: str, version: str, digests: Digests | None) -> PublishedBaseline | None:
    """Return the first published baseline of a version, whose bins later revisions have too.

    Parameters
    ----------
    folder
        The folder of the model's baselines.
    version
        The model version.
    digests
        The registry's sha256 by version, of the time when the job was submitted. A revision that is not among them was
        published later, and is checked by the sha256 that was published with it. None: nothing is checked.

    Returns
    -------
    PublishedBaseline or None
        None if there is no file, or no sha256 to check it by.

    Raises
    ------
    ArtifactError
        The file is not what was registered.
    """
    return _find(Path(folder), version, 1, digests)


def revisions(folder: str, version: str, digests: Digests | None) -> Iterator[PublishedBaseline]:
    """Yield all published baselines of a version, oldest first; parameters and errors as of :func:`find`."""
    for revision in count(1):
        file = _find(Path(folder), version, revision, digests)
        if file is None:
            return
        yield file


def _find(folder: Path, version: str, revision: int, digests: Digests | None) -> PublishedBaseline | None:
    """Return one revision; it never changes, so it is read once."""
    path = baseline_path(folder, version, revision)
    if path.name not in _names(str(path.parent)):
        return None
    registered = () if digests is None else digests.get(version, ())
    digest = registered[revision - 1] if len(registered) >= revision else None
    if digests is not None and digest is None:
        digest = _digest_beside(digest_path(folder, version, revision))
        if digest is None:
            return None
    return _read(str(path), version, digest)


def versions(folder: str, digests: Digests | None) -> list[str]:
    """Return every version that has a published baseline, in order of names; *digests* as of :func:`find`.

    Raises
    ------
    ArtifactError
        A file is not what was registered.
    """
    stems = [Path(name).stem for name in _names(folder) if name.endswith(".json")]
    known = {file_name(version): version for version in digests or ()}
    every = (known.get(stem) or _version_in(Path(folder, f"{stem}.json"), stem) for stem in stems)
    return sorted(version for version in every if find(folder, version, digests) is not None)


def _version_in(path: Path, stem: str) -> str:
    """Return the version of a baseline's file: the file's name, or what it says where that is only a sha256."""
    return stem if file_name(stem) == stem else Baseline.model_validate_json(path.read_bytes()).version


def _names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except FileNotFoundError:
        return set()


def _digest_beside(path: Path) -> str | None:
    return path.read_text("ascii", errors="replace").strip() if path.name in _names(str(path.parent)) else None


@lru_cache(maxsize=32)
def _read(path: str, version: str, digest: str | None) -> PublishedBaseline:
    """Return the baseline in a file; raises ArtifactError if it is not of this digest and version."""
    data = Path(path).read_bytes()
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise altered_error(path, "its sha256 is not the one that was registered")
    try:
        baseline = Baseline.model_validate_json(data)
    except ValidationError as error:
        raise altered_error(path, f"it cannot be read ({error.error_count()} errors)") from error
    if baseline.version != version:
        raise altered_error(path, f"it is that of another version, {baseline.version!r}")
    return PublishedBaseline(baseline, digest or baseline.digest)


def altered_error(path: str, why: str) -> errors.ArtifactError:
    """Return the error about a published baseline that is not what was registered."""
    return errors.ArtifactError(
        f"the published baseline {path} is not what was registered: {why}",
        hint="find out who altered it, and remove it: it is published anew when the monitor starts",
    )
