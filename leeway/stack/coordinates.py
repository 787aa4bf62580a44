"""Jars by Maven coordinates: versions and checksums from a committed lock file, files from the user's cache.

The lock (`jars.json`) maps a group to coordinates and their sha256; `leeway/stack/relock.py` writes it. No host is
named here or there: jgo resolves coordinates, and a jar with another checksum is refused.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock

from features.errors import EngineError

LOCK = Path(__file__).with_name("jars.json")
CACHE = "LEEWAY_CACHE"

WANTED: Mapping[str, tuple[str, ...]] = {
    # slf4j-simple, because the broker brings no binding and would log nothing
    "kafka": ("org.apache.kafka:kafka_2.13:4.1.0", "org.slf4j:slf4j-simple:1.7.36"),
    "flink-kafka": ("org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",),
}
"""The coordinates of each group; the connector for Flink 2.2 is the newest published, and runs on 2.3.

RocksDB and the Prometheus reporter come with the pip package of Flink.
"""


def cache() -> Path:
    """Return the folder of downloaded jars: LEEWAY_CACHE, or `leeway` in the user's cache folder."""
    if chosen := os.environ.get(CACHE):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "leeway"


@functools.cache
def lock() -> dict[str, dict[str, str]]:
    """Return the lock: group to coordinates (``group:artifact:version``) to sha256."""
    return dict(json.loads(LOCK.read_text(encoding="utf-8")))


def jars(group: str) -> list[Path]:
    """Return the jars of *group*, downloaded where they are not cached yet, each checked against the lock.

    Raises EngineError: no such group, a jar cannot be downloaded, or its checksum is another.
    """
    if group not in lock():
        msg = f"there is no group of jars called {group!r}"
        raise EngineError(msg, hint=f"there are {', '.join(lock())}")
    return [artifact(coordinate, digest) for coordinate, digest in lock()[group].items()]


def classpath(group: str) -> str:
    """Return the jars of *group* as a Java class path."""
    return os.pathsep.join(map(str, jars(group)))


def missing() -> list[str]:
    """Return the coordinates that are not in the cache yet."""
    return [c for group in lock().values() for c, digest in group.items() if not _place(c, digest).exists()]


def _place(coordinate: str, digest: str) -> Path:
    _, name, *kind, version = coordinate.split(":")
    ending = f"-{kind[1]}.{kind[0]}" if kind else ".jar"
    # Under its digest: a changed lock can never meet an old file.
    return cache() / "jars" / digest[:16] / f"{name}-{version}{ending}"


def artifact(coordinate: str, digest: str) -> Path:
    """Return one file, downloaded where it is not cached yet, whose sha256 must be *digest*.

    *coordinate* is ``group:artifact:version`` of a jar, or ``group:artifact:packaging:classifier:version``. Raises
    EngineError if it cannot be had or is another.
    """
    place = _place(coordinate, digest)
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(place.with_suffix(".lock")):
        if not place.exists():
            _fetch(coordinate, digest, place)
    return place


def _fetch(coordinate: str, digest: str, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        file = download(context(Path(folder)), coordinate)
        digest_found = sha256(file)
        if digest_found != digest:
            msg = f"{coordinate} is not the file that was locked: its sha256 is {digest_found}, not {digest}"
            raise EngineError(msg, hint="do not use it; ask the operator of your Maven repository")
        shutil.move(file, place)


def context(repository: Path) -> Any:
    """Return jgo's Maven context, which stores downloads in *repository*."""
    from jgo.maven import MavenContext, PythonResolver  # an optional package: only the stack needs it

    return MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=60)


def download(maven: Any, coordinate: str) -> Path:
    """Return the file of *coordinate*; EngineError if it cannot be had."""
    group, name, *kind, version = coordinate.split(":")
    packaging, classifier = kind or ("jar", "")
    try:
        component = maven.project(group, name).at_version(version)
        return Path(component.artifact(classifier=classifier, packaging=packaging).resolve())
    except Exception as error:  # jgo raises RuntimeError, its HTTP library errors of its own
        msg = f"{coordinate} cannot be downloaded: {error}"
        raise EngineError(msg, hint=f"go online once, or copy a filled cache and set {CACHE}") from error


def sha256(file: Path) -> str:
    """Return the checksum of *file* in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
