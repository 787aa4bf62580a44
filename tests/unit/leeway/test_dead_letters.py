"""Dead letters are counted once, however often their file is read."""

from __future__ import annotations

import json
from pathlib import Path

from leeway import dead_letters


def test_a_record_met_by_two_runs_is_one_dead_letter(tmp_path: Path) -> None:
    """Two files that tell of the same line of the same file count it once; none at all is zero."""
    assert 0 == dead_letters.count(tmp_path, "m")
    folder = dead_letters.folder(tmp_path, "m")
    folder.mkdir(parents=True)
    (folder / "once.jsonl").write_text('{"line": 1, "path": "a"}\n{"line": 2, "path": "a"}\n')
    (folder / "part-0.jsonl").write_text('{"line": 2, "path": "a"}\n')

    assert 2 == dead_letters.count(tmp_path, "m")


def test_letters_are_summed_up_by_reason(tmp_path: Path) -> None:
    """Most frequent first, with the newest reason and place; what a reason quotes makes no kind of its own."""
    folder = dead_letters.folder(tmp_path, "m")
    folder.mkdir(parents=True)
    told = [
        ("predictions", "x is not a number: 'a'", 1),
        ("predictions", "x is not a number: 'b'", 2),
        ("labels", "no id", 3),
    ]
    lines = [json.dumps({"role": role, "reason": why, "path": "a.csv", "line": n}) for role, why, n in told]
    (folder / "once.jsonl").write_text("\n".join(lines))
    most, rest = dead_letters.summary(tmp_path, "m")

    assert {"role": "predictions", "reason": "x is not a number: 'b'", "records": 2, "place": "a.csv line 2"} == most
    assert ("labels", 1) == (rest["role"], rest["records"])
    assert [] == dead_letters.summary(tmp_path, "other")


def test_a_run_that_sets_nothing_aside_takes_away_what_an_earlier_one_left(tmp_path: Path) -> None:
    """What was set aside for want of a baseline is read once there is one."""
    dead_letters.write(tmp_path, "m", "once", ['{"reason": "no baseline"}'])
    dead_letters.write(tmp_path, "m", "once", [])
    assert 0 == dead_letters.count(tmp_path, "m")
