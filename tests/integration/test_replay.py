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
    """The incidents that the project's policy would have opened are those that are on record."""
    own, half, double = of_stored_windows["policies"]
    expected = {
        (i["signal"], i["opened_at"], i["severity"]) for i in json.loads(leeway(sea, "incidents", "--all", "--json"))
    }

    assert expected == {(i["opened"]["signal"], i["opened"]["opened_at"], i["severity"]) for i in own["incidents"]}
    assert ("half", "double") == (half["name"], double["name"])


def test_counting_again_changes_nothing(sea: Path, of_stored_windows: dict[str, Any]) -> None:
    """The slices that Flink counts now are those of the stored windows, so all that follows is the same."""
    assert of_stored_windows == rehearsed(sea, "--recount")
