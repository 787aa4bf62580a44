"""The `sea` example by the command line: the planted changes are detected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import leeway

pytestmark = pytest.mark.slow


def incidents(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the incidents by signal."""
    return {i["signal"]: i for i in json.loads(leeway(folder, "incidents", "--all", "--json"))}


def test_status_tells_the_champion_and_its_newest_verdicts(sea: Path) -> None:
    """`leeway status` names v1 as champion, with windows of both stages judged."""
    (model,) = json.loads(leeway(sea, "status", "--json"))["models"]

    assert "v1" == model["champion"]
    assert model["inputs"]["window_end"].startswith("2024-02-29")
    assert "drift" == model["outcomes"]["verdict"]


def test_nothing_is_found_before_the_first_change(sea: Path) -> None:
    """The virtual drift of 21 January is the first change planted: no incident is older."""
    assert all(i["opened_at"] > "2024-01-21" for i in incidents(sea).values())


@pytest.mark.parametrize(
    ("signal", "first", "last"),
    [
        ("feature", "2024-01-22", "2024-01-27"),  # sensor_c alone, 21-26 January: harmless
        ("label", "2024-02-02", "2024-02-05"),  # the concept changes on 2 February
        ("performance", "2024-02-02", "2024-02-05"),
        ("quality", "2024-02-16", "2024-02-19"),  # sensor_a in another unit, 16-17 February; the newest slice tells
    ],
)
def test_each_change_is_found_within_days(sea: Path, signal: str, first: str, last: str) -> None:
    """Each planted change opens the incident of its signal, in the days after it began."""
    assert first <= incidents(sea)[signal]["opened_at"][:10] <= last


def test_a_harmless_change_is_not_called_worse_performance(sea: Path) -> None:
    """While only sensor_c moved, which the label does not depend on, performance raised nothing."""
    assert incidents(sea)["performance"]["opened_at"] > "2024-02-02"


def test_judging_the_same_events_again_changes_nothing(sea: Path) -> None:
    """A second `monitor --once` stores no window and opens no incident."""
    before = leeway(sea, "history", "--json")
    leeway(sea, "monitor", "--once")

    assert before == leeway(sea, "history", "--json")
