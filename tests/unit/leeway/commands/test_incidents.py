"""`leeway incidents accept`: a fault is drift, or drift a fault, by the command line."""

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
