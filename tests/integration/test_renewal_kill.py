"""`leeway react` under SIGKILL between the steps of a renewal: the next call goes on, and each step is made once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leeway import context
from monitors.finding import Stage
from registry.operations.baselines import PUBLISHED, RENEWED
from tests.support.command_line import document, printed
from tests.support.short_baselines import DAY, ShortBaseline

PROJECT = """\
project: small
models:
  m:
    task: binary
    events: {predictions: {path: events}}
    features: {x: numeric, y: numeric, z: numeric}
"""
KILLED = """
import os, signal, sys
from registry import operations
step = getattr(operations, sys.argv.pop(1))
def killed(*args, **options):
    step(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(operations, step.__name__, killed)
from leeway import cli
cli.main()
"""


def killed_after(folder: Path, step: str) -> None:
    """Run `leeway react`, killed right after a step of the renewal."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step, "react"], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "200"}, timeout=60,
    )  # fmt: skip
    assert -signal.SIGKILL == done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_renewal_goes_on_after_a_kill_at_any_step(tmp_path: Path) -> None:
    """Killed after the decision and after the revision: then published, once each, and the guarantee is there."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        model = ShortBaseline(opened.registry, tmp_path)
        model.serve(12)
        before = " ".join(printed(tmp_path, "status").split())
        assert "baseline of v1: 7 of the 20 slices that the false-alarm guarantee needs, so none yet" in before
        assert "12 of 13 more have come" in before
        assert "renewed from 2024-01-21 00:00 UTC on" in before
        model.serve(1)
    for step in ("record_decision", "renew_baseline"):
        killed_after(tmp_path, step)
    assert "revision 2" not in printed(tmp_path, "react")  # only its publication is left
    log = document(tmp_path, "history")
    steps = ["decision.made", RENEWED, PUBLISHED]
    assert steps == [e["action"] for e in log if e["action"] in steps]
    (entry,) = document(tmp_path, "status")["models"]
    assert (20, 2, None) == tuple(entry["baseline"][k] for k in ("slices", "revision", "renewable_from"))
    renewed = next(e["details"]["digest"] for e in log if e["action"] == RENEWED)
    assert renewed == model.spec.in_force("v1", Stage.INPUTS, model.now + DAY).digest
    assert "nothing to carry out" in printed(tmp_path, "react")
    printed(tmp_path, "audit", "verify")
