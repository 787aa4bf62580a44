"""Parts of a sample stream: in order, whole, and final once they can be seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from features.window import to_ms
from monitors.samples import parts
from monitors.samples.parts import SampleParts
from monitors.training_set.built import empty_rows
from monitors.training_set.slice_join import SliceCounts
from tests.support import labelled_log as log
from tests.support import sample_stream


def test_the_parts_of_a_log_have_receipts_and_maturity_marks(tmp_path: Path) -> None:
    """A part is final at the end of its slice and the label delay; each row has its own mark."""
    made = sample_stream.publish(log.training_period(), log.write(tmp_path / "log"), tmp_path / "s", tmp_path / "w")
    receipts = made.receipts()
    assert 24 == len(receipts) == len(made.listed())
    for receipt in receipts:
        table = parts.samples(made.folder / receipt.name).to_pandas()
        assert receipt.rows == len(table) == receipt.counts["rows"]
        assert receipt.mark == receipt.end + to_ms(log.SCHEMA.label_delay)
        assert (table["matured_at"] == table["time"] + log.SCHEMA.label_delay).all()
        assert 1 == pq.read_metadata(made.folder / receipt.name).num_row_groups
        assert receipt.start == parts.start_of(receipt.name)
    totals = parts.totals(receipts)
    assert receipts[-1].mark == to_ms(totals["mark"])
    assert totals["counts"]["repeated"] > totals["counts"]["corrected"] > 100


def test_a_part_that_is_there_does_not_change(tmp_path: Path) -> None:
    """Written again, from other rows, it stays; one whose file is missing is made again."""
    made = sample_stream.publish(log.training_period(), log.write(tmp_path / "log"), tmp_path / "s", tmp_path / "w")
    first = made.receipts()[0]
    period = replace(log.training_period(), start=first.start, until=first.end)
    before = (made.folder / first.name).read_bytes()
    assert first == made.write(period, empty_rows(period), SliceCounts())
    assert before == (made.folder / first.name).read_bytes()
    (made.folder / first.name).unlink()
    assert not made.is_done(first.start)
    assert first.name not in {receipt.name for receipt in made.receipts()}


def test_samples_are_added_after_the_newest_only(tmp_path: Path) -> None:
    """Readers rely on the order: an earlier period is refused, and one that is there is passed over."""
    sources = log.write(tmp_path / "log")
    sample_stream.publish(log.training_period(20, 30), sources, tmp_path / "s", tmp_path / "w1")
    later = sample_stream.publish(log.training_period(20, 40), sources, tmp_path / "s", tmp_path / "w2")
    assert 10 == len(later.listed())
    with pytest.raises(DataError, match="has later samples, and lacks those of 2024-01-01 10:00"):
        sample_stream.publish(log.training_period(10, 40), sources, tmp_path / "s", tmp_path / "w3")


def test_a_folder_is_of_one_schema(tmp_path: Path) -> None:
    """Samples of other features, slices or delays would be mixed with these."""
    SampleParts(tmp_path).begin(log.SCHEMA)
    SampleParts(tmp_path).begin(log.SCHEMA)
    with pytest.raises(DataError, match="its section of the project file has changed"):
        SampleParts(tmp_path).begin(log.SCHEMA.model_copy(update={"label_delay": log.HOUR}))


def test_a_part_that_was_cut_short_is_named(tmp_path: Path) -> None:
    """With the two ways to mend it: no trainer is at fault."""
    made = sample_stream.publish(log.training_period(), log.write(tmp_path / "log"), tmp_path / "s", tmp_path / "w")
    path = made.listed()[3]
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=f"the samples in {path} cannot be read") as caught:
        parts.samples(path)
    assert "restore the file from a backup; or remove its folder, and `leeway samples build`" in caught.value.hint
