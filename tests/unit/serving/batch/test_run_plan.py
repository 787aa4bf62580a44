"""The plan of a run: what is fixed when it begins, and what keeps it from going on."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features import errors
from features.window import UTC
from serving.batch import run_plan
from serving.batch.run_plan import Identity, Plan

NOW = datetime(2024, 1, 1, tzinfo=UTC)
IDENTITY = Identity("m", "v1", "abc", "events", "2024-01-01", "2024-01-02", "0")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Return a directory with two files of one name, a Parquet file of two row groups, and a name that is no path."""
    folder = tmp_path / "events"
    for name in ("a/one.jsonl", "b/one.jsonl", "c/Ünï.jsonl"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("{}\n")
    pq.write_table(pa.table({"id": [1, 2]}), folder / "d.parquet", row_group_size=1)
    return folder


def begin(target: Path, events: Path, identity: Identity = IDENTITY) -> Plan:
    """Begin a run, or go on with it."""
    with run_plan.locked(target):
        return run_plan.begin(target, identity, events, NOW)


def test_each_part_of_the_input_has_a_name_of_its_own(tmp_path: Path, events: Path) -> None:
    """In the order of the input; what the names of files look like does not matter."""
    names = [part.name for part in begin(tmp_path / "out", events).parts]
    assert ["000000-one-0", "000001-one-0", "000003-d-0", "000004-d-1"] == [
        name.removesuffix(".parquet") for name in (*names[:2], *names[3:])
    ]
    assert names[2].startswith("000002-sha256-")


def test_a_run_goes_on_by_the_plan_with_which_it_began(tmp_path: Path, events: Path) -> None:
    """What was written since is not in it, and the present is that of the beginning."""
    first = begin(tmp_path / "out", events)
    (events / "e.jsonl").write_text("{}\n")
    with run_plan.locked(tmp_path / "out"):
        assert first == run_plan.begin(tmp_path / "out", IDENTITY, events, NOW.replace(year=2025))


@pytest.mark.parametrize("name", [field.name for field in fields(Identity)])
def test_another_run_does_not_mix_with_it(tmp_path: Path, events: Path, name: str) -> None:
    """The message says what differs."""
    begin(tmp_path / "out", events)
    with pytest.raises(errors.DataError, match=f"a run of {name} .*, and this is one of other"):
        begin(tmp_path / "out", events, replace(IDENTITY, **{name: "other"}))


def test_a_file_that_has_changed_ends_it(tmp_path: Path, events: Path) -> None:
    """Its parts that are done would be those of another file; one that is gone has changed, too."""
    begin(tmp_path / "out", events)
    path = events / "a" / "one.jsonl"
    before = path.stat()
    path.write_text("[]\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(errors.DataError, match=r"one\.jsonl has changed since"):
        begin(tmp_path / "out", events)
    path.unlink()
    with pytest.raises(errors.DataError, match=r"one\.jsonl has changed since"):
        begin(tmp_path / "out", events)


def test_what_is_no_run_is_left_alone(tmp_path: Path, events: Path) -> None:
    """A directory with other files, a file, and a plan that cannot be read."""
    for target in (events, events / "d.parquet"):
        with pytest.raises(errors.DataError, match="is there already, and is no directory of a run"):
            begin(target, events)
    begin(tmp_path / "out", events)
    (tmp_path / "out" / "_run" / "plan.json").write_text('{"identity": 1}')
    with pytest.raises(errors.DataError, match="is no plan of a run"):
        begin(tmp_path / "out", events)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Another one is told; what a killed one left half written is gone afterwards."""
    target = tmp_path / "out"
    with run_plan.locked(target):
        with pytest.raises(errors.DataError, match="another run is at work"), run_plan.locked(target):
            pass
        (target / ".x.tmp").write_text("half")
        (target / "_run" / "parts" / ".y.tmp").write_text("half")
    with run_plan.locked(target):
        assert [] == list(target.rglob(".*.tmp"))


def test_one_command_in_a_directory(tmp_path: Path) -> None:
    """The parts of another one have other names, and would be scored twice."""
    with run_plan.locked(tmp_path / "out", "nearline"):
        pass
    with (
        pytest.raises(errors.DataError, match="is a directory of `leeway nearline`"),
        run_plan.locked(tmp_path / "out"),
    ):
        pass


def test_a_discarded_run_leaves_what_is_not_its_own(tmp_path: Path, events: Path) -> None:
    """Its predictions, receipts and plan are gone."""
    target = tmp_path / "out"
    plan = begin(target, events)
    for path in (target / plan.parts[0].name, target / "notes.txt", target / "_run" / "parts" / "x.json"):
        path.write_text("")
    with run_plan.locked(target):
        run_plan.discard(target)
        left = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert ["_run/command", "_run/lock", "notes.txt"] == left
