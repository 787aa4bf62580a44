"""`leeway react` under SIGKILL between the steps of a renewal: the next call goes on, and each step is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from leeway import context
from monitors.finding import Stage
from registry.operations.baselines import PUBLISHED, RENEWED
from tests.support import killed_commands
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


@pytest.mark.slow
@pytest.mark.parametrize("point", killed_commands.POINTS)
def test_a_renewal_goes_on_after_a_kill_at_any_step(tmp_path: Path, point: str) -> None:
    """Killed at each of its transactions: then decided, renewed and published, once each; the guarantee is there."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as opened:
        model = ShortBaseline(opened.registry, tmp_path)
        model.serve(12)
        before = " ".join(printed(tmp_path, "status").split())
        assert "baseline of v1: 7 of the 20 slices that the false-alarm guarantee needs, so none yet" in before
        assert "12 of 13 more have come" in before
        assert "renewed from 2024-01-22 00:00 UTC on" in before
        model.serve(2)
    code, said = killed_commands.killed_until_done(tmp_path, ("react",), point, lambda: printed(tmp_path, "status"))
    assert code == 0, said
    log = document(tmp_path, "history")
    steps = ["decision.made", RENEWED, PUBLISHED]
    assert steps == [e["action"] for e in log if e["action"] in steps]
    (entry,) = document(tmp_path, "status")["models"]
    assert (20, 2, None) == tuple(entry["baseline"][k] for k in ("slices", "revision", "renewable_from"))
    renewed = next(e["details"]["digest"] for e in log if e["action"] == RENEWED)
    assert renewed == model.spec.in_force("v1", Stage.INPUTS, model.now + DAY).digest
    assert "nothing to carry out" in printed(tmp_path, "react")
    printed(tmp_path, "audit", "verify")
