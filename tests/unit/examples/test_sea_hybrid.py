"""`examples/sea/hybrid.py` in a shortened form: slices of twelve hours, until a week after the change of the rule."""

from __future__ import annotations

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
    cells = [[cell.strip() for cell in row.split("│") if cell.strip()] for row in rows]
    return {first: rest for first, *rest in filter(None, cells)}


def test_static_online_and_hybrid_stand_side_by_side(tmp_path: Path) -> None:
    """After the change the learner alone is better than a model that is never refitted; both loops start with it."""
    folder = tmp_path / "sea"
    shutil.copytree(SEA, folder, ignore=shutil.ignore_patterns(".leeway", "events", "__pycache__"))
    text = (folder / "leeway.yaml").read_text()
    (folder / "leeway.yaml").write_text(text.replace("slide: 6h", "slide: 12h"))
    words = [sys.executable, "hybrid.py", "--until", "2024-02-09"]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=900)
    print(done.stdout)
    losses, loops = table(done.stdout, "Mean log loss"), table(done.stdout, "Promotions")
    before, after = ([float(loss) for loss in losses[stretch]] for stretch in ("the first rule", "the new rule, first week"))
    static, retrained, learner, hybrid = after

    assert max(before) - min(before) < 0.05
    assert learner < static - 0.1
    assert max(retrained, hybrid) < static + 0.01
    assert {"hybrid", "static, retrained"} <= set(loops)
    assert all(row[3].startswith("v1 (static) Jan 15") for row in loops.values() if len(row) > 3)
