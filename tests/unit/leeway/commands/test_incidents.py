"""`leeway incidents`: incidents are listed, acknowledged, resolved, and reclassified."""

from __future__ import annotations

from pathlib import Path

import pytest

from leeway import context
from registry.faulty_periods import faulty_periods
from tests.support.command_line import document, printed
from tests.unit.leeway.commands.test_status import begin, drift


@pytest.fixture
def folder(small_project: Path) -> Path:
    """Return a folder with a project whose champion has drifted."""
    with context.open(small_project) as opened:
        begin(opened)
        drift(opened)
    return small_project


def test_an_incident_is_accepted_by_its_number(folder: Path) -> None:
    """The command says what was recorded; the audit log has it with the actor and the reason."""
    said = printed(folder, "incidents", "accept", "1", "--as", "fault", "--because", "a lost cable", "--actor", "ann")
    assert "Incident 1 (feature of v1) is accepted as fault; it is open." in " ".join(said.split())
    line = document(folder, "history")[-1]
    assert ("incident.accepted", "ann", "a lost cable") == (line["action"], line["actor"], line["details"]["because"])
    with context.open(folder) as opened:
        assert [1] == [period.incident_id for period in faulty_periods(opened.registry, "late")]


def test_it_is_said_as_json_too(folder: Path) -> None:
    """With the incident as it is then."""
    said = document(folder, "incidents", "accept", "1", "--as", "drift", "--because", "a new season")
    assert (True, "drift", 1, "open") == (
        said["ok"],
        said["accepted_as"],
        said["incident"]["id"],
        said["incident"]["state"],
    )


def test_the_list_is_what_there_is_without_a_subcommand(folder: Path) -> None:
    """By `list`, by nothing, or by a model's name."""
    (row,) = document(folder, "incidents")
    assert [row] == document(folder, "incidents", "late")
    assert [row] == document(folder, "incidents", "list", "late")


def test_who_has_seen_an_incident_is_told_everywhere(folder: Path) -> None:
    """In the answer, the list, `status` and with it each later alert; a second time changes nothing."""
    said = printed(folder, "incidents", "acknowledge", "1", "--because", "looking at it", "--actor", "ann")
    assert "Incident 1 (feature of v1) is acknowledged at " in said
    assert "was acknowledged at" in printed(
        folder, "incidents", "acknowledge", "1", "--because", "again", "--actor", "eve"
    )
    again = document(folder, "incidents", "acknowledge", "1", "--because", "me too", "--actor", "bob")
    assert ("ann", "looking at it", "acknowledged") == (
        again["acknowledged"]["actor"],
        again["acknowledged"]["because"],
        again["incident"]["state"],
    )
    (row,) = document(folder, "incidents")
    assert ("acknowledged", again["acknowledged"]) == (row["state"], row["acknowledged"])
    assert "acknowledged by ann" in printed(folder, "incidents")
    assert "(incident 1, acknowledged by ann)" in document(folder, "status")["models"][0]["said"][0]
    (line,) = [line for line in document(folder, "history") if line["action"] == "incident.acknowledged"]
    assert ("ann", "looking at it") == (line["actor"], line["details"]["because"])


def test_an_incident_is_resolved_by_hand(folder: Path) -> None:
    """With name and reason; a second time says that nothing was changed."""
    said = printed(folder, "incidents", "resolve", "1", "--because", "the feed is gone", "--actor", "ann")
    assert "Incident 1 (feature of v1) is resolved: by ann: the feed is gone" in " ".join(said.split())
    assert [] == document(folder, "incidents")
    again = printed(folder, "incidents", "resolve", "1", "--because", "other words", "--actor", "bob")
    assert "was resolved: by ann: the feed is gone; nothing was changed" in " ".join(again.split())
    line = next(line for line in document(folder, "history") if line["action"] == "incident.resolved")
    assert ("ann", "by ann: the feed is gone") == (line["actor"], line["details"]["reason"])
