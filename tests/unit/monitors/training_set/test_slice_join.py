"""Label join by slice: what a stream joins, from all events at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from features.events.decode import ID, TIME
from features.schema import LABEL, Role
from monitors.training_set import slice_join
from monitors.training_set.buckets import read_part
from monitors.training_set.join import LABEL_TIME, labelled
from monitors.training_set.parts import Survey, survey
from tests.support import labelled_log as log


@pytest.fixture
def events(tmp_path: Path) -> dict[Role, pa.Table]:
    """Return the decoded events of the log, by role."""
    parts = survey(log.training_period(), log.write(tmp_path), Survey()).needed(log.training_period())
    roles: tuple[Role, ...] = ("predictions", "labels")
    return {
        role: pa.concat_tables(read_part(log.SCHEMA, role, p).table for own, p in parts if own == role)
        for role in roles
    }


def test_slices_of_a_log_are_joined_as_each_by_itself(events: dict[Role, pa.Table]) -> None:
    """The rows and counts of a slice do not depend on what else is there."""
    period = log.training_period(barred=((8, 9),))
    rows, counts = slice_join.joined(period, events["predictions"], events["labels"])
    assert 24 == len(counts)
    for start, here in slice_join.slices([rows], period.slide):
        own = replace(period, start=start, until=start + period.slide)
        alone, by_itself = labelled(own, events["predictions"], events["labels"])
        assert alone.combine_chunks() == here
        assert by_itself == counts[start].rows
    assert rows.num_rows == slice_join.total(counts.values()).rows > 400


def test_corrections_are_counted_and_the_newest_label_counts() -> None:
    """A label that comes twice is no correction; one after the label delay neither."""
    period = log.training_period(0, 2)
    at = period.start
    made = pa.table({
        ID: ["a", "b", "c"], TIME: [at, at + 1, at + 2], "version": ["v1"] * 3, "prediction": [0.5] * 3,
        "x": [1.0] * 3, "c": ["a"] * 3,
    })  # fmt: skip
    known = pa.table(
        {
            ID: ["a", "a", "b", "b", "c", "c"],
            TIME: [at + 1, at + 2, at + 3, at + 4, at + 5, at + 6 + period.delay],
            LABEL: [0.0, 1.0, 1.0, 1.0, 0.0, 1.0],
        }
    )
    rows, counts = slice_join.of_slice(period, made, known)
    assert [1.0, 1.0, 0.0] == rows[LABEL].to_pylist()
    assert [at + 2, at + 4, at + 5] == rows[LABEL_TIME].to_pylist()
    assert (3, 1) == (counts.rows.rows, counts.corrected)


def test_an_id_is_a_sample_of_each_slice_that_it_is_predicted_in(events: dict[Role, pa.Table]) -> None:
    """A training set has it once: the first of the period."""
    period, slide = log.training_period(), log.training_period().slide
    first = events["predictions"].slice(0, 1)
    at = first[TIME][0].as_py()
    again = first.set_column(first.column_names.index(TIME), TIME, pa.array([at + slide]))
    label = pa.table({ID: first[ID], TIME: [at + slide + 1], LABEL: [1.0]}).cast(events["labels"].schema)
    rows, _ = slice_join.joined(period, pa.concat_tables([first, again]), label)
    assert [at, at + slide] == rows[TIME].to_pylist()
    assert 1 == labelled(period, pa.concat_tables([first, again]), label)[0].num_rows


def test_counts_survive_as_text_and_add_up(events: dict[Role, pa.Table]) -> None:
    """Those of several buckets are the sums by slice."""
    _, counts = slice_join.joined(log.training_period(), events["predictions"], events["labels"])
    read = slice_join.parsed(slice_join.text_of(counts))
    assert counts == read
    twice = slice_join.merged([counts, read])
    assert {start: one.plus(one) for start, one in counts.items()} == twice


def test_slices_of_tables_do_not_depend_on_how_they_are_cut() -> None:
    """Rows of one slice in several tables are one slice."""
    whole = pa.table({TIME: [0, 1, 9, 10, 11, 30]})
    cut = [whole.slice(0, 2), whole.slice(2, 0), whole.slice(2, 2), whole.slice(4)]
    expected = [(0, [0, 1, 9]), (10, [10, 11]), (30, [30])]
    assert expected == [(start, rows[TIME].to_pylist()) for start, rows in slice_join.slices(cut, 10)]
    assert [] == list(slice_join.slices([whole.slice(0, 0)], 10))
