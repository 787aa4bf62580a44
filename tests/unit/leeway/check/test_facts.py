"""`leeway check` on facts: not there, not usable, or without the columns that features name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from features.window import UTC
from leeway.check import events, facts
from leeway.project.load import Project
from tests.support import fact_worlds
from tests.unit.leeway.commands.test_features_diff import PROJECT

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def found(folder: Path, text: str = PROJECT) -> list[tuple[str, str]]:
    """Return result and message of each check of a project."""
    (folder / "leeway.yaml").write_text(text)
    return [(check.result, check.message) for check in facts.facts(Project.load(folder).model(), NOW)]


def test_good_facts_are_counted(tmp_path: Path) -> None:
    """And nothing else is said."""
    records = fact_worlds.records(30, 0)
    fact_worlds.write(tmp_path / "landings", records, 2)

    assert [("ok", f"{len(records)} facts read, none set aside")] == found(tmp_path)


def test_facts_that_are_not_there(tmp_path: Path) -> None:
    """A directory that is missing is an error, an empty one a warning."""
    ((result, message),) = found(tmp_path)
    (tmp_path / "landings").mkdir()

    assert ("error", True) == (result, message.endswith("correct facts.landings.path"))
    assert "warning" == found(tmp_path)[0][0]


@pytest.mark.parametrize(("before", "after", "words"), [
    ("mean: delay", "mean: dleay", "no fact has a value in `dleay`: correct the column in delay, or the facts"),
    ("origin: airport", "origin: airprot", "no fact has a key (`carrier`, `airprot`): correct `key` in plane"),
    ("id: flight", "id: flihgt", "set aside, first 000.jsonl:1: flihgt is missing"),
])  # fmt: skip
def test_a_misspelled_column_is_named(tmp_path: Path, before: str, after: str, words: str) -> None:
    """It would be silently missing in all facts."""
    fact_worlds.write(tmp_path / "landings", fact_worlds.records(30, 0), 2)
    ((result, message), *_) = found(tmp_path, PROJECT.replace(before, after))

    assert ("warning", True) == (result, words in message), message


def test_a_history_need_not_have_what_is_computed(tmp_path: Path) -> None:
    """Features of facts are computed for its rows; one that comes with requests it must have."""
    fact_worlds.write(tmp_path / "landings", fact_worlds.records(30, 0), 2)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "log.csv").write_text("id,time,carrier\na,2024-01-01T00:10:00Z,UA\n")
    (tmp_path / "leeway.yaml").write_text(PROJECT.replace("version: v1", "version: v1, history: {path: old}"))
    told = [check.message for check in events.events(Project.load(tmp_path).model()) if check.name == "late: history"]
    assert ["no column `origin` in log.csv; its columns are id, time, carrier"] == told
