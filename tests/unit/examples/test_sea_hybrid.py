"""`examples/sea/hybrid.py` in a shortened form: slices of a day, until five days after the change of the rule."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SEA = Path(__file__).parents[3] / "examples" / "sea"


def table(text: str, title: str) -> dict[str, list[str]]:
    """Return the rows of a printed table by their first cell."""
    rows = text.partition(title)[2].splitlines()[1:]
    return {first: rest for first, *rest in (re.split(r"\s{2,}", row.strip()) for row in rows)}


def test_static_online_and_hybrid_stand_side_by_side(tmp_path: Path) -> None:
    """After the change the learner alone is better than a model that is never refitted; both loops start with it."""
    folder = tmp_path / "sea"
    shutil.copytree(SEA, folder, ignore=shutil.ignore_patterns(".leeway", "events", "__pycache__"))
    text = (folder / "leeway.yaml").read_text()
    (folder / "leeway.yaml").write_text(text.replace("slide: 6h", "slide: 1d"))
    words = [sys.executable, "hybrid.py", "--until", "2024-02-07"]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    losses, loops = table(done.stdout, "Mean log loss"), table(done.stdout, "Promotions")
    before, after = (list(map(float, losses[name])) for name in ("the first rule", "the new rule, first week"))
    static, _, learner, hybrid = after

    assert max(before) - min(before) < 0.05
    assert learner < static
    assert hybrid < static + 0.01
    assert all(loops[name][3].startswith("v1 (static) Jan 15") for name in ("hybrid", "static, retrained"))
