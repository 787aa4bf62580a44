"""Dead letters are counted once, however often their file is read."""

from __future__ import annotations

from pathlib import Path

from leeway import letters


def test_a_record_met_by_two_runs_is_one_dead_letter(tmp_path: Path) -> None:
    """Two files that tell of the same line of the same file count it once; none at all is zero."""
    assert 0 == letters.count(tmp_path, "m")
    folder = letters.folder(tmp_path, "m")
    folder.mkdir(parents=True)
    (folder / "once.jsonl").write_text('{"line": 1, "path": "a"}\n{"line": 2, "path": "a"}\n')
    (folder / "part-0.jsonl").write_text('{"line": 2, "path": "a"}\n')

    assert 2 == letters.count(tmp_path, "m")
