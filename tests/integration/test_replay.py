"""Replay of the project's own policy: the same incidents and counts as the running monitor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import leeway

pytestmark = pytest.mark.slow


def rehearsed(folder: Path, *words: str) -> dict[str, Any]:
    """Return a short rehearsal."""
    return json.loads(leeway(folder, "replay", "--repetitions", "1", "--shift", "units=1", "--json", *words))


@pytest.fixture(scope="module")
def of_stored_windows(sea: Path) -> dict[str, Any]:
    """Return a rehearsal of what the registry has stored."""
    return rehearsed(sea)


def test_the_past_is_what_the_monitor_said(sea: Path, of_stored_windows: dict[str, Any]) -> None:
    """The project's policy would have opened the incidents on record, except while one waited for its decision.

    Nobody decides here, so what is on record stays open; a replay counts each as decided, so that it may end and a
    second one of its signal may open.
    """
    own, half, double = of_stored_windows["policies"]
    on_record = {
        (i["signal"], i["opened_at"], i["severity"]) for i in json.loads(leeway(sea, "incidents", "--all", "--json"))
    }
    first_of_signal: dict[str, tuple[str, str, str]] = {}
    for i in own["incidents"]:  # in the order in which they opened
        opened = i["opened"]
        first_of_signal.setdefault(opened["signal"], (opened["signal"], opened["opened_at"], i["severity"]))

    assert on_record == set(first_of_signal.values())
    assert ("half", "double") == (half["name"], double["name"])


def test_counting_again_changes_nothing(sea: Path, of_stored_windows: dict[str, Any]) -> None:
    """The slices that Flink counts now are those of the stored windows, so all that follows is the same."""
    assert of_stored_windows == rehearsed(sea, "--recount")
