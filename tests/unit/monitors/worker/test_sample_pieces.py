"""Pieces of samples in a job: a slice that comes chunk by chunk gives the part that history gives."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from features.window import to_ms
from monitors.job_spec import FIELD_SEPARATOR
from monitors.samples.parts import SampleParts
from monitors.training_set.parts import Survey, survey
from monitors.worker import sample_pieces
from monitors.worker.sample_pieces import SampleSpec
from tests.support import labelled_log as log
from tests.support import sample_stream


def collected(spec: SampleSpec, root: Path) -> dict[tuple[str, int], list[str]]:
    """Return the pieces of the whole log, by role and slice."""
    places = [("predictions", root / "predictions"), ("labels", root / "labels")]
    SampleParts(spec.folder).begin(log.SCHEMA)
    pieces: dict[tuple[str, int], list[str]] = defaultdict(list)
    for role, part in survey(log.training_period(), places, Survey()).needed(log.training_period()):  # type: ignore[arg-type]
        for piece in sample_pieces.decode_chunk(spec, role, part).pieces:
            _, own, start, rows = piece.split(FIELD_SEPARATOR)
            pieces[own, int(start)].append(rows)
    return pieces


def test_pieces_of_a_slice_give_the_part_of_history(tmp_path: Path) -> None:
    """Byte for byte, its receipt too."""
    made = sample_stream.publish(log.training_period(), log.write(tmp_path / "log"), tmp_path / "s", tmp_path / "w")
    spec = SampleSpec(log.SCHEMA, tmp_path / "stream", 0, tmp_path / "barred.json")
    pieces = collected(spec, tmp_path / "log")
    period = log.training_period()
    for start in range(period.start, period.until, period.slide):
        labels = [p for (role, s), own in pieces.items() if role == "labels" and s >= start for p in own]
        assert sample_pieces.publish(spec, start, pieces["predictions", start], labels) is not None
    for path in made.listed():
        assert path.read_bytes() == (spec.folder / path.name).read_bytes()
    assert made.receipts() == SampleParts(spec.folder).receipts()


def test_a_slice_behind_the_newest_part_is_not_published(tmp_path: Path) -> None:
    """Its rows are counted as late instead."""
    log.write(tmp_path / "log")
    spec = SampleSpec(log.SCHEMA, tmp_path / "stream", 0, tmp_path / "barred.json")
    pieces, start = collected(spec, tmp_path / "log"), log.training_period().start
    later = start + log.training_period().slide
    assert sample_pieces.publish(spec, later, pieces["predictions", later], []) is not None
    assert sample_pieces.publish(spec, start, pieces["predictions", start], []) is None
    assert sum(map(sample_pieces.rows_in, pieces["predictions", start])) > 40


def test_a_part_of_which_a_killed_worker_left_the_receipt_alone_is_published(tmp_path: Path) -> None:
    """The job goes on from its checkpoint and gives the slice again: its samples are not late."""
    log.write(tmp_path / "log")
    spec = SampleSpec(log.SCHEMA, tmp_path / "stream", 0, tmp_path / "barred.json")
    pieces, start = collected(spec, tmp_path / "log"), log.training_period().start
    labels = [p for (role, _), own in pieces.items() if role == "labels" for p in own]
    receipt = sample_pieces.publish(spec, start, pieces["predictions", start], labels)
    path = SampleParts(spec.folder).file_of(start)
    content = path.read_bytes()
    path.unlink()

    assert receipt == sample_pieces.publish(spec, start, pieces["predictions", start], labels)
    assert content == path.read_bytes()


def test_rows_under_a_data_fault_are_left_out_of_slices_that_mature_later(tmp_path: Path) -> None:
    """The faults are read when a slice is joined."""
    log.write(tmp_path / "log")
    spec = SampleSpec(log.SCHEMA, tmp_path / "stream", 0, tmp_path / "barred.json")
    pieces, start = collected(spec, tmp_path / "log"), log.training_period().start
    spec.barred.write_text(f"[[{start}, {start + to_ms(log.HOUR)}]]")
    labels = [p for (role, _), own in pieces.items() if role == "labels" for p in own]
    receipt = sample_pieces.publish(spec, start, pieces["predictions", start], labels)
    assert receipt is not None
    assert receipt.counts["barred"] > 0


def test_only_predictions_advance_event_time(tmp_path: Path) -> None:
    """A label is a fact about the past; slices before the begin are left out."""
    sources = log.write(tmp_path / "log")
    period = log.training_period()
    spec = SampleSpec(log.SCHEMA, tmp_path / "stream", period.until, tmp_path / "barred.json")
    for role, part in survey(period, sources, Survey()).needed(period)[:50]:
        read = sample_pieces.decode_chunk(spec, role, part)
        assert ([], role == "labels") == (read.pieces, read.high == 0)
