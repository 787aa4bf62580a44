"""Published baselines: the files from which a streaming job reads its baselines, checked by digest.

A job has no database. A baseline lies in its model's folder, and the sha256 of its file in a folder beside that. The
digests of the baselines that were registered when the job was submitted come with the job.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from features import errors
from features.security.file_names import file_name
from monitors.baseline.baseline import Baseline


def baseline_path(folder: Path, version: str) -> Path:
    """Return the path of the published baseline of a version in its model's folder."""
    return folder / f"{file_name(version)}.json"


def digest_path(folder: Path, version: str) -> Path:
    """Return the path of the sha256 of that file."""
    return folder.with_name(f"{folder.name}.sha256") / file_name(version)


@dataclass(frozen=True)
class PublishedBaseline:
    """A baseline as it was read, and the sha256 that the registry has of it."""

    baseline: Baseline
    digest: str


def find(folder: str, version: str, digests: Mapping[str, str] | None) -> PublishedBaseline | None:
    """Return the published baseline of a version; it never changes, so it is read once.

    Parameters
    ----------
    folder
        The folder of the model's baselines.
    version
        The model version.
    digests
        The registry's sha256 by version, of the time when the job was submitted. A version that is not among them was
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
    path = baseline_path(Path(folder), version)
    if path.name not in _names(folder):
        return None
    digest = None if digests is None else digests.get(version) or _digest_beside(folder, version)
    if digests is not None and digest is None:
        return None
    return _read(str(path), version, digest)


def versions(folder: str, digests: Mapping[str, str] | None) -> list[str]:
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


def _digest_beside(folder: str, version: str) -> str | None:
    path = digest_path(Path(folder), version)
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
