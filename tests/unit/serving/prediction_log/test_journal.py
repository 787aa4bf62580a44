"""Journals: whole batches survive a process that was killed at any byte, and are published once."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.prediction_log import journal
from serving.prediction_log.journal import Journal, Recovered

SCHEMA = pa.schema([("id", pa.string()), ("x", pa.float64())])
SIZES = (1, 3, 2)


def batch(n: int) -> pa.RecordBatch:
    """Return *n* rows."""
    return pa.record_batch([pa.array([str(i) for i in range(n)]), pa.array([0.5] * n)], schema=SCHEMA)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """Return a journal of three batches, and its size after each."""
    path = tmp_path_factory.mktemp("whole") / "a.arrows"
    open_journal, sizes = Journal(path, SCHEMA), []
    for n in SIZES:
        open_journal.append(batch(n))
        sizes.append(path.stat().st_size)
    open_journal.close()
    return path.read_bytes(), sizes


@given(data=st.data())
def test_a_journal_cut_anywhere_has_its_whole_batches(
    parts: tuple[bytes, list[int]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a killed process was about to write costs nothing that it had written."""
    content, sizes = parts
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.getbasetemp() / "cut.arrows"
    path.write_bytes(content[:cut])
    table = journal.read(path)

    assert sum(n for n, size in zip(SIZES, sizes, strict=True) if size <= cut) == (0 if table is None else len(table))


def test_a_journal_is_published_once_and_under_its_own_name(tmp_path: Path) -> None:
    """A process that died between writing the file and removing the journal has its rows once."""
    written = Journal(tmp_path / "j" / "a.arrows", SCHEMA)
    written.append(batch(3))
    written.close()
    content = written.path.read_bytes()

    assert 3 == journal.publish(written.path, tmp_path / "log")
    written.path.write_bytes(content)
    assert Recovered(1, 3) == journal.recover(tmp_path / "j", tmp_path / "log")
    assert ["a.parquet"] == [path.name for path in (tmp_path / "log").iterdir()]
    assert 3 == pq.read_metadata(tmp_path / "log" / "a.parquet").num_rows
    assert [] == list((tmp_path / "j").iterdir())


def test_a_living_process_keeps_its_journal(tmp_path: Path) -> None:
    """Another process that starts publishes only what nobody writes to."""
    living, dead = Journal(tmp_path / "a.arrows", SCHEMA), Journal(tmp_path / "b.arrows", SCHEMA)
    living.append(batch(1))
    dead.append(batch(2))
    dead.close()

    assert Recovered(1, 2) == journal.recover(tmp_path, tmp_path / "log")
    living.append(batch(1))
    living.close()
    assert Recovered(1, 2) == journal.recover(tmp_path, tmp_path / "log")


def test_a_journal_is_locked_before_another_process_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that starts just then would take it for a dead one's, and what is appended later would be lost."""
    lock = fcntl.flock

    def late(file: Any, how: int) -> None:
        """Have another process look first."""
        monkeypatch.setattr(fcntl, "flock", lock)
        assert Recovered() == journal.recover(tmp_path, tmp_path / "log")
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    new = Journal(tmp_path / "a.arrows", SCHEMA)
    new.append(batch(2))
    assert (False, ["a.arrows"]) == (new.is_gone, [path.name for path in tmp_path.iterdir()])
    new.close()


def test_a_journal_that_is_gone_has_the_rows_that_others_published(tmp_path: Path) -> None:
    """A process that started between closing and publishing was faster; without it there are none."""
    for name in ("a", "b"):
        one = Journal(tmp_path / f"{name}.arrows", SCHEMA)
        one.append(batch(3))
        one.close()
    journal.publish(tmp_path / "a.arrows", tmp_path / "log")
    (tmp_path / "b.arrows").unlink()
    assert [3, 0] == [journal.publish(tmp_path / f"{name}.arrows", tmp_path / "log") for name in ("a", "b")]


def test_a_journal_that_cannot_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for an empty one, and is published when it can be read."""
    one = Journal(tmp_path / "a.arrows", SCHEMA)
    one.append(batch(3))
    one.close()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", _no_input)
        with pytest.raises(OSError, match="no input"):
            journal.publish(one.path, tmp_path / "log")
    assert 3 == journal.publish(one.path, tmp_path / "log")


def _no_input(_: Path) -> bytes:
    """Fail as a broken disk does."""
    msg = "no input"
    raise OSError(msg)


def test_an_empty_journal_makes_no_file(tmp_path: Path) -> None:
    """A process that was killed before its first batch."""
    Journal(tmp_path / "a.arrows", SCHEMA).close()
    assert Recovered(1, 0) == journal.recover(tmp_path, tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_after_a_full_disk_the_journal_goes_on(tmp_path: Path) -> None:
    """A batch that was written in part is taken back, and can be written again."""
    small_disk = _Full(tmp_path / "a.arrows", SCHEMA)
    small_disk.append(batch(2))
    small_disk.room = 30
    with pytest.raises(OSError, match="full"):
        small_disk.append(batch(3))
    small_disk.room = 10_000
    small_disk.append(batch(1))
    small_disk.close()
    table = journal.read(small_disk.path)
    assert table is not None
    assert 3 == len(table)


class _Full(Journal):
    """A journal on a disk that has *room* bytes left, then raises as a full one does."""

    room = 10_000

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        super().__init__(path, schema)
        whole = self._file
        outer = self

        class Narrow:
            """Writes what there is room for."""

            def write(self, data: memoryview) -> int:
                """Write a part, or fail."""
                if not outer.room:
                    raise OSError(28, "the disk is full")
                n = whole.write(data[: outer.room])
                outer.room -= n
                return n

            def __getattr__(self, name: str) -> object:
                return getattr(whole, name)

        self._file = Narrow()  # type: ignore[assignment]
