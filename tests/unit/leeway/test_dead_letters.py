"""Dead letters are counted once, however often they are written, and none is lost to a torn line or a full file."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from features.values.untyped import Reject
from leeway import dead_letters


def rejects(numbers: range, reason: str = "no id") -> list[Reject]:
    """Return rejected records, one a line of a file."""
    return [Reject("a.csv", number, reason, f"record {number}") for number in numbers]


def test_a_record_met_by_two_runs_is_one_dead_letter(tmp_path: Path) -> None:
    """Two files that tell of the same line of the same file count it once; none at all is zero."""
    assert 0 == dead_letters.read(tmp_path, "m").count
    folder = dead_letters.folder(tmp_path, "m")
    folder.mkdir(parents=True)
    (folder / "once.jsonl").write_text('{"line": 1, "path": "a"}\n{"line": 2, "path": "a"}\n')
    (folder / "part-0.jsonl").write_text('{"line": 2, "path": "a"}\n')

    assert 2 == dead_letters.read(tmp_path, "m").count


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
    most, rest = dead_letters.read(tmp_path, "m").kinds

    assert {"role": "predictions", "reason": "x is not a number: 'b'", "records": 2, "place": "a.csv line 2"} == most
    assert ("labels", 1) == (rest["role"], rest["records"])
    assert [] == dead_letters.read(tmp_path, "other").kinds


def test_letters_are_written_once_however_often_they_come(tmp_path: Path) -> None:
    """A feed that begins anew reads the same files; and threads take turns."""
    writes = [threading.Thread(target=dead_letters.append, args=(tmp_path, "m", "facts", rejects(range(50))))
              for _ in range(4)]  # fmt: skip
    for write in writes:
        write.start()
    for write in writes:
        write.join()
    dead_letters.append(tmp_path, "m", "facts", rejects(range(51)))
    lines = (dead_letters.folder(tmp_path, "m") / "facts.jsonl").read_text().splitlines()

    assert list(range(51)) == [json.loads(line)["line"] for line in lines]


@pytest.mark.parametrize("rest", ["", "\n", "[1]\n", "\udc80"], ids=["torn", "whole line", "no object", "no text"])
def test_a_line_that_is_no_letter_is_counted_and_spoils_no_other(rest: str, tmp_path: Path) -> None:
    """A full disk and a kill leave half a line; the next letter begins one of its own."""
    dead_letters.append(tmp_path, "m", "facts", rejects(range(2)))
    path = dead_letters.folder(tmp_path, "m") / "facts.jsonl"
    half = b"" if rest.startswith("[") else path.read_bytes()[:20]
    path.write_bytes(path.read_bytes() + half + rest.encode("utf-8", "surrogateescape"))
    dead_letters.append(tmp_path, "m", "facts", rejects(range(3)))
    read = dead_letters.read(tmp_path, "m")

    assert 4 == read.count
    assert [("no id", 3), (dead_letters.UNREADABLE, 1)] == [(one["reason"], one["records"]) for one in read.kinds]


@pytest.mark.parametrize("how", ["append", "write"])
def test_what_is_beyond_the_bound_is_counted_by_reason(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stops growing, and the numbers stay right."""
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 2000)
    many = [*rejects(range(100)), *rejects(range(100, 130), "x is not a number: 'a'")]
    if how == "append":
        for at in range(0, len(many), 7):
            dead_letters.append(tmp_path, "m", "facts", many[at : at + 7])
    else:
        dead_letters.write(tmp_path, "m", "facts", [dead_letters.dead_letter("facts", one) for one in many])
    read = dead_letters.read(tmp_path, "m")

    assert (dead_letters.folder(tmp_path, "m") / "facts.jsonl").stat().st_size <= 2000
    assert (130, [100, 30]) == (read.count, [one["records"] for one in read.kinds])
    assert "a.csv line 129" == read.kinds[1]["place"]


def test_reasons_without_end_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends records may choose what a reason says."""
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 0)
    monkeypatch.setattr(dead_letters, "KINDS", 3)
    for letter in "abcdefgh":
        dead_letters.append(tmp_path, "m", "facts", rejects(range(1), letter))
    told = {one["reason"]: one["records"] for one in dead_letters.read(tmp_path, "m").kinds}

    assert {"a": 1, "b": 1, "c": 1, dead_letters.OTHER: 5} == told


def test_a_new_run_replaces_what_was_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters and counts are of one run; a write that fails leaves those of the run before."""
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 30)
    dead_letters.write(tmp_path, "m", "once", ['{"line": 1}', '{"line": 2}', '{"line": 3}'])
    assert 3 == dead_letters.read(tmp_path, "m").count
    dead_letters.write(tmp_path, "m", "once", ['{"line": 4}'])
    assert 1 == dead_letters.read(tmp_path, "m").count

    def full(_: int) -> None:
        raise OSError

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):  # noqa: PT011 - a full disk says no more
        dead_letters.write(tmp_path, "m", "once", ['{"line": 5}', '{"line": 6}'])
    assert '{"line": 4}\n' == (dead_letters.folder(tmp_path, "m") / "once.jsonl").read_text()


def test_a_run_that_sets_nothing_aside_takes_away_what_an_earlier_one_left(tmp_path: Path) -> None:
    """What was set aside for want of a baseline is read once there is one."""
    dead_letters.write(tmp_path, "m", "once", ['{"reason": "no baseline"}'])
    dead_letters.write(tmp_path, "m", "once", [])
    assert 0 == dead_letters.read(tmp_path, "m").count
