"""Skew by slice: each slice and version by itself, once, whatever else the log holds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from features.facts import skew as row_skew
from leeway import assembly
from retrain_flows.data import feature_skew
from retrain_flows.data.feature_skew import FeatureSkew
from tests.support import skew_world
from tests.support.skew_world import NOW, PER_HOUR, moment


def test_a_slice_has_its_own_counts(tmp_path: Path) -> None:
    """Of one version or of all; a version that did not answer has none."""
    with skew_world.opened(tmp_path, {9: 0.1, 10: 0.4}) as world:
        skew = FeatureSkew(assembly.stored_events(world.opened, world.model))
        by_hour = [skew.counts(moment(h), moment(h + 1), now=NOW, version="v1") for h in (8, 9, 10)]
        both = skew.counts(moment(8), moment(11), now=NOW)

        assert [0, 10, 40] == [counts.different["delay"] for counts in by_hour]
        assert (3 * PER_HOUR, 50) == (both.rows["delay"], both.different["delay"])
        assert {} == skew.counts(moment(8), moment(11), now=NOW, version="v2").rows


def test_a_slice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another look at it reads nothing; a look at the next one does not read it again."""
    with skew_world.opened(tmp_path, {}) as world:
        log, sizes = assembly.stored_events(world.opened, world.model), list[int]()
        real = feature_skew.compared

        def watched(rows: pa.Table, recomputed: object) -> object:
            sizes.append(rows.num_rows)
            return real(rows, recomputed)  # type: ignore[arg-type]

        monkeypatch.setattr(feature_skew, "compared", watched)
        skew = FeatureSkew(log)
        for hours in ((8, 10), (8, 10), (9, 12)):
            skew.counts(moment(hours[0]), moment(hours[1]), now=NOW)

        assert [PER_HOUR] * 4 == sizes


def test_slices_that_close_together_have_their_facts_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets the counts that it has by itself."""
    with skew_world.opened(tmp_path, {9: 0.1, 10: 0.4}) as world:
        log, reads = assembly.stored_events(world.opened, world.model), list[int]()
        alone = [FeatureSkew(log).counts(moment(h), moment(h + 1), now=NOW) for h in (8, 9, 10)]
        real = row_skew.facts_of

        def watched(declared: object, rows: pa.Table, **options: object) -> object:
            reads.append(rows.num_rows)
            return real(declared, rows, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(row_skew, "facts_of", watched)
        together = FeatureSkew(log)
        together.read_ahead((moment(h) for h in (8, 9, 10)), now=NOW)

        assert alone == [together.counts(moment(h), moment(h + 1), now=NOW) for h in (8, 9, 10)]
        assert [3 * PER_HOUR] == reads


def test_a_sample_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows a slice has."""
    monkeypatch.setattr(feature_skew, "SLICE_ROWS", 30)
    with skew_world.opened(tmp_path, {9: 0.5}) as world:
        counts = FeatureSkew(assembly.stored_events(world.opened, world.model)).counts(moment(9), moment(10), now=NOW)

        assert 30 == counts.rows["delay"]
        assert 5 < counts.different["delay"] < 25


def test_a_feature_that_is_not_logged_is_not_compared(tmp_path: Path) -> None:
    """As before it was declared: its column is not there."""
    with skew_world.opened(tmp_path, {}) as world:
        for path in (tmp_path / "log" / "09").iterdir():
            path.write_text(path.read_text().replace('"delay"', '"other"'))
        skew = FeatureSkew(assembly.stored_events(world.opened, world.model))

        assert {} == skew.counts(moment(9), moment(10), now=NOW).rows
        assert PER_HOUR == skew.counts(moment(10), moment(11), now=NOW).rows["delay"]
