"""Two hundred events with labels and one bad record, in files, and their project."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import Result
from typer.testing import CliRunner

from features.window import UTC
from leeway import cli

START = datetime(2013, 1, 1, tzinfo=UTC)
N = 200
BAD = b'{"id": "bad", "temp": \xff'


def rows() -> list[dict[str, Any]]:
    """Return prediction events, two an hour, in the order of their times."""
    rng = np.random.default_rng(5)
    return [
        {"id": f"f{i}", "time": (START + timedelta(minutes=30 * i)).isoformat(), "model_version": "v1",
         "temp": float(rng.normal()) if i % 9 else None, "origin": str(rng.choice(["JFK", "LGA"])),
         "prediction": float(rng.random())}
        for i in range(N)
    ]  # fmt: skip


def labels() -> list[dict[str, Any]]:
    """Return the label of each, known an hour later."""
    times = [START + timedelta(minutes=30 * i + 60) for i in range(N)]
    return [{"id": f"f{i}", "time": times[i].isoformat(), "label": i % 2} for i in range(N)]


def write(folder: Path) -> None:
    """Write the events into *folder*, half of them out of order; the second file holds a bad line."""
    for role, events in (("predictions", rows()), ("labels", labels())):
        (folder / role).mkdir(parents=True)
        for part, some in enumerate((events[: N // 2], events[N // 2 :][::-1])):
            lines = [json.dumps(event).encode() for event in some]
            if part and role == "predictions":
                lines.insert(7, BAD)
            (folder / role / f"{part}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def project(folder: Path, kafka: str, predictions: str, labelled: str) -> Path:
    """Write a project whose sources are *predictions* and *labelled*, YAML each, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "leeway.yaml"
    path.write_text(
        f"""\
project: flights
kafka: {{bootstrap: "{kafka}"}}
models:
  late:
    task: binary
    events:
      predictions: {predictions}
      labels: {labelled}
    label_delay: 6h
    features: {{temp: numeric, origin: categorical}}
    windows: {{size: 1d, slide: 6h}}
    baseline: {{start: 2013-01-01, end: 2013-01-04}}
    monitor: {{min_rows: 10}}
"""
    )
    return path


def run(path: Path, *args: object) -> Result:
    """Run `leeway` on the project at *path*."""
    return CliRunner().invoke(cli.app, ["--project", str(path), *map(str, args)])
