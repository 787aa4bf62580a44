"""Fuzzing of commands that read events: malformed files give an error message or a finished run."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.errors import LeewayError
from leeway import cli
from tests.support import malformed_records as records

PROJECT = """
project: fuzz
models:
  m:
    task: binary
    events: {predictions: {path: events}, labels: {path: labels}, history: {path: events}}
    features: {x: numeric, c: categorical}
    segments: [c]
    windows: {size: 1h, slide: 1h}
    baseline: {start: 2024-01-01, end: 2024-01-02}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project over files of every format, and things that are none."""
    root = tmp_path_factory.mktemp("project")
    (root / "leeway.yaml").write_text(PROJECT)
    for role in ("events", "labels"):
        (root / role).mkdir()
        lines = records.many(records.json_line, (3, 1), 300, 0.5)
        (root / role / "a.jsonl").write_bytes(b"\n".join(lines).replace(b'"prediction"', b'"label"' if role == "labels"
                                                                        else b'"prediction"'))  # fmt: skip
        rows = [b",".join([*records.COLUMNS_BYTES]), *records.many(records.csv_line, (3, 2), 300, 0.5), b"," * 600_000]
        (root / role / "b.csv").write_bytes(b"\n".join(rows))
        for i in range(10):
            (root / role / f"c{i}.parquet").write_bytes(records.parquet_file(random.Random(i), 0, 0.7)[0])
        os.mkfifo(root / role / "d.jsonl")
        (root / role / "e.csv").symlink_to(root / "nowhere")
        (root / role / os.fsdecode(b"g\xff\n.csv")).write_bytes(b"id\x00,time\n1,2\n")
        (root / role / os.fsdecode(b"h\xff.parquet")).write_bytes(b"PAR1")
        (root / role / "i.csv").write_bytes(b"")
        (root / role / "j.csv").write_bytes(b"\xff\xfei\x00d\x00\n\x00")
    return root


COMMANDS = (
    ("check",),
    ("check", "m"),
    ("init", "--from", "events"),
    ("init", "--from", "events/b.csv"),
    ("retrain", "m", "--first"),
    ("audit",),
    ("score", "m", "--from", "events", "--to", "scored"),
    ("status",),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_ends_with_a_traceback(
    folder: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the files hold; a pipe among them does not hold it up."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(cli.app, ["--project", str(folder), *words])

    assert done.exception is None or isinstance(done.exception, LeewayError | SystemExit), done.exception
