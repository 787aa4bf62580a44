"""Rewrites the lock file of jars: `python -m leeway.stack.relock`, as `make lock` does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leeway.stack import coordinates

AT_RUN_TIME = ("compile", "runtime", None)


def main() -> None:
    """Resolve `coordinates.WANTED` with all dependencies, and lock each jar by its sha256."""
    with tempfile.TemporaryDirectory() as folder:
        maven = coordinates.context(Path(folder))
        made = {group: _resolved(maven, wanted) for group, wanted in coordinates.WANTED.items()}
    coordinates.LOCK.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def _resolved(maven: Any, wanted: Sequence[str]) -> dict[str, str]:
    dependencies = [maven.create_dependency(c) for c in wanted]
    resolved, more = maven.resolver.resolve(dependencies)
    names = sorted({_name(d) for d in [*resolved, *more] if d.scope in AT_RUN_TIME and d.type == "jar"})
    return {name: coordinates.sha256(coordinates.download(maven, name)) for name in names}


def _name(dependency: Any) -> str:
    return f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"


if __name__ == "__main__":
    main()
