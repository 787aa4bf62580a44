"""Recorded windows as slices by version, each in its period; missing ones are refused with the next step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.errors import NotEnoughData, NotFound
from leeway import context
from leeway.context import Context
from leeway.replay import history
from monitors.finding import Stage
from monitors.report import Report
from registry import operations
from registry.incidents import ingest
from registry.records import Version
from tests.support import recorded_history as replayed
from tests.unit.leeway.commands.test_replay import KNOWN, NOW, PROJECT

DAY = replayed.DAY


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Context]:
    """Yield an open project with a model and no version."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    with context.open(tmp_path) as made:
        operations.add_model(made.registry, model="m", task="binary", now=NOW)
        yield made


def promote(opened: Context, version: str, seen: int, at: datetime) -> None:
    """Make *version* the champion from *at* on."""
    operations.add_version(opened.registry, Version(model="m", version=version, mode="external", created_at=NOW))
    known = KNOWN.model_copy(update={"version": version})
    operations.store_baseline(opened.registry, known, now=NOW)
    operations.promote(
        opened.registry,
        model="m",
        version=version,
        expected_generation=seen,
        effective_at=at,
        actor="ann",
        reason="better",
        now=NOW,
    )


def windows(version: str, n: int = 8) -> list[Report]:
    """Return the reports of *n* days by *version*, in all traffic and two segments."""
    known = KNOWN.model_copy(update={"version": version})
    return replayed.reports(known, replayed.later(known, n)[0])


def days(stretch: history.Stretch) -> list[int]:
    """Return the days after the baseline that a version has slices of."""
    slices = stretch.slices[Stage.INPUTS, ""]
    return [(s.start - history.to_ms(KNOWN.end)) // history.to_ms(DAY) for s in slices]


def test_a_version_has_the_slices_of_its_own_time(opened: Context) -> None:
    """The second version took over at the end of the fourth day; windows of the first that end later are left out."""
    promote(opened, "v1", 0, KNOWN.end)
    promote(opened, "v2", 1, KNOWN.end + 4 * DAY)
    ingest.ingest(opened.registry, [*windows("v1"), *windows("v2")], now=NOW)
    found = history.recorded(opened, opened.model(), None, None)

    assert [("v1", [0, 1, 2, 3]), ("v2", [4, 5, 6, 7])] == [(s.version, days(s)) for s in found]
    assert {(Stage.INPUTS, s) for s in ("", "site=a", "site=b")} == set(found[0].slices)
    assert "v2" == history.champion_baseline(opened, opened.model()).version
    assert KNOWN.end + 8 * DAY == KNOWN.end + timedelta(
        milliseconds=history.period(found)[1] - history.to_ms(KNOWN.end)
    )


def test_windows_before_any_champion_count(opened: Context) -> None:
    """A model may be watched on history from before it was registered."""
    promote(opened, "v1", 0, NOW)
    ingest.ingest(opened.registry, windows("v1"), now=NOW)

    assert list(range(8)) == days(history.recorded(opened, opened.model(), None, None)[0])


def test_a_correction_takes_the_place_of_what_it_corrects(opened: Context) -> None:
    """The newest revision of a window tells its slice."""
    promote(opened, "v1", 0, KNOWN.end)
    first, second, *_ = (r for r in windows("v1", 2) if not r.segment)
    late = second.model_copy(update={"newest_slice": {**second.newest_slice, "site": [1, 2, 0, 0, 0]}})
    for reports in ([first, second], [late]):
        ingest.ingest(opened.registry, reports, now=NOW)
    (found,) = history.recorded(opened, opened.model(), None, None)

    assert [first.newest_slice, late.newest_slice] == [s.counts for s in found.slices[Stage.INPUTS, ""]]


def test_what_is_absent_is_refused(opened: Context) -> None:
    """No baseline; no windows; none in the period."""
    with pytest.raises(NotFound, match="m has no baseline"):
        history.champion_baseline(opened, opened.model())
    promote(opened, "v1", 0, KNOWN.end)
    with pytest.raises(NotEnoughData, match="has no window of m with slice counts"):
        history.recorded(opened, opened.model(), None, None)
    ingest.ingest(opened.registry, windows("v1"), now=NOW)
    with pytest.raises(NotEnoughData, match="has no window of m before 2024-01-01 00:00"):
        history.recorded(opened, opened.model(), None, replayed.START)
