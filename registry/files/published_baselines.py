"""Published baselines: files that a Flink job reads, since it has no database."""

from __future__ import annotations

import hashlib
from pathlib import Path

from monitors import report
from monitors.baseline import published
from monitors.baseline.baseline import Baseline
from registry.files.artifacts import write_whole


def publish_baseline(baseline: Baseline, root: Path) -> Path:
    """Write *baseline* into its model's folder under *root*, with its sha256, and return the path."""
    return publish(root / baseline.events.model, baseline.version, report.canonical(baseline), baseline.revision)


def publish(folder: Path, version: str, text: str, revision: int = 1) -> Path:
    """Write a baseline's *text*, as the registry has it, into the folder of its *revision*, after its sha256."""
    path, digest = (at(folder, version, revision) for at in (published.baseline_path, published.digest_path))
    for at, data in ((digest, hashlib.sha256(text.encode()).hexdigest()), (path, text)):
        at.parent.mkdir(parents=True, exist_ok=True)
        write_whole(at, data.encode())
    return path


def is_published(folder: Path, version: str, digest: str, revision: int = 1) -> bool:
    """Return whether a *revision* of the baseline of *version* is published in its model's *folder*, with its sha256.

    One without a sha256, as an older release wrote it, counts as not published.

    Raises
    ------
    ArtifactError
        It is published, and is not what the registry has under *digest*.
    """
    path, known = (at(folder, version, revision) for at in (published.baseline_path, published.digest_path))
    if not (path.is_file() and known.is_file()):
        return False
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest or known.read_text().strip() != digest:
        raise published.altered_error(str(path), "its sha256 is not the one in the registry")
    return True
