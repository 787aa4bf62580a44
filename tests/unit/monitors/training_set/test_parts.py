"""Parts of a log: only those are read that may lie in the period, and none that may is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.events import location
from monitors.in_process import training_set_runner
from monitors.training_set.buckets import SetPlan
from monitors.training_set.parts import Part, Sources, Survey, survey
from monitors.training_set.store import SetStore
from tests.support import labelled_log as log


class Recorded:
    """A runner that records which parts it reads."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __call__(self, plan: SetPlan, parts: list[Part]) -> None:
        """Build the set."""
        self.names = {f"{role}/{Path(location.decode(part).path).stem}" for role, part in parts}
        training_set_runner.run(plan, parts)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Return the places of a log."""
    return log.write(tmp_path / "log")


def built(sources: Sources, tmp_path: Path, *hours: int) -> tuple[pa.Table, dict[str, int], set[str]]:
    """Return the rows of a period, the records that were read, and the files."""
    runner = Recorded()
    folder = tmp_path / f"set-{len(list(tmp_path.iterdir()))}"
    found = SetStore(tmp_path / "store").build(log.training_period(*hours), sources, folder, runner)
    return pa.concat_tables(found.tables()).combine_chunks(), found.read | found.rejected, runner.names


def test_text_files_of_other_times_are_read_once(sources: Sources, tmp_path: Path) -> None:
    """What a first reading found is stored: a later one of any period reads fewer files, and gives the same set."""
    rows, read, names = built(sources, tmp_path, 10, 12)
    assert len(names) == 2 * (log.HOURS + 1)
    again, read_again, few = built(sources, tmp_path, 10, 12)
    assert (rows, read, True) == (again, read_again, len(few) < 40)
    whole, *_ = built(sources, tmp_path)
    first, last = log.training_period(10, 12).predictions
    assert rows == whole.filter((pc.field("time") >= first) & (pc.field("time") < last)).combine_chunks()


def test_a_file_that_changed_is_read_again(sources: Sources, tmp_path: Path) -> None:
    """A line of another time may have come to it."""
    built(sources, tmp_path, 10, 12)
    place = Path(str(sources[0][1]))
    moved = next(line for line in (place / "011.jsonl").read_text().splitlines() if "e2" in line)
    with (place / "040.jsonl").open("a") as file:
        file.write(moved.replace('"id": "e', '"id": "new') + "\n")
    rows, read, names = built(sources, tmp_path, 10, 12)
    assert "predictions/040" in names
    os.utime(place / "040.jsonl", ns=(0, 0))
    assert "predictions/040" in built(sources, tmp_path, 10, 12)[2]
    assert read["predictions"] > 0 < rows.num_rows


def test_a_file_with_times_that_are_refused_is_always_read(sources: Sources, tmp_path: Path) -> None:
    """A time in the future is none now, and one later."""
    built(sources, tmp_path, 10, 12)
    assert "labels/040" in built(sources, tmp_path, 10, 12)[2]  # it has a label of no time


def test_row_groups_of_other_times_are_never_read(sources: Sources, tmp_path: Path) -> None:
    """By the statistics of the file, without an earlier reading."""
    rows, *_ = built(sources, tmp_path, 10, 12)
    for role, place in sources:
        frames = [pd.read_json(path, lines=True, dtype={"id": str}, convert_dates=False)
                  for path in sorted(Path(str(place)).glob("*.jsonl")) if int(path.stem) % 10]  # fmt: skip
        (tmp_path / "parquet" / role).mkdir(parents=True)
        table = pd.concat(frames).sort_values("time")
        table.to_parquet(tmp_path / "parquet" / role / "a.parquet", row_group_size=20, index=False)
    places: Sources = [(role, tmp_path / "parquet" / role) for role, _ in sources]
    wanted = log.training_period(10, 12)
    found = survey(wanted, places, Survey())
    needed = found.needed(wanted)
    assert 0 < len(needed) < len([part for file in found.files.values() for part in file.parts]) // 3
    assert rows.num_rows >= built(places, tmp_path, 10, 12)[0].num_rows > 0
