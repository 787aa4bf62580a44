"""Baselines as files, so that a Flink job can read them without a database."""

from __future__ import annotations

from pathlib import Path

from monitors import report
from monitors.baseline import Baseline
from registry.artifacts import write_whole


def publish_baseline(baseline: Baseline, root: Path) -> Path:
    """Write *baseline* to ``root/<model>/<version>.json``, whole or not at all, and return the path."""
    path = root / baseline.events.model / f"{baseline.version}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, report.canonical(baseline).encode())
    return path
