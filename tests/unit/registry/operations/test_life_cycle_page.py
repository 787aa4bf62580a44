"""The page on life cycles draws exactly the moves that the code allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import pytest

from registry.incidents import incident_rules
from registry.operations import incidents, versions
from registry.records import IncidentState, RunState, VersionState

PAGE = (Path(__file__).parents[4] / "docs" / "incident-lifecycle.md").read_text()
INCIDENTS, RUNS, VERSIONS = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", PAGE, re.DOTALL)


def drawn(diagram: str) -> dict[tuple[str, str], str]:
    """Return the moves between states in a diagram, with what is written at each."""
    moves = re.findall(r"^ +(\S+) --> (\S+)(?:: (.+))?$", diagram, re.MULTILINE)
    return {(before, after): words for before, after, words in moves if "[*]" not in (before, after)}


@pytest.mark.parametrize(("diagram", "moves"), [(INCIDENTS, incidents.MOVES), (VERSIONS, versions.MOVES)])
def test_each_diagram_has_the_moves_of_the_code(diagram: str, moves: Mapping[tuple[Enum, Enum], str]) -> None:
    """From and to the same states, for the same reasons; no more and no fewer."""
    assert {(before.value, after.value): why for (before, after), why in moves.items()} == drawn(diagram)


@pytest.mark.parametrize(
    ("diagram", "first", "states"), [(INCIDENTS, IncidentState.OPEN, IncidentState),
                                     (RUNS, RunState.RUNNING, RunState),
                                     (VERSIONS, VersionState.CANDIDATE, VersionState)],
)  # fmt: skip
def test_each_diagram_begins_where_records_do(diagram: str, first: Enum, states: type[Enum]) -> None:
    """One arrow leads in, to the state that a new row has, and every state is drawn."""
    assert [first.value] == re.findall(r"\[\*\] --> (\w+)", diagram)
    assert {state.value for state in states} == set(re.findall(r"\w+", " ".join(sum(drawn(diagram), ()))))


def test_runs_move_from_states_that_are_not_final() -> None:
    """From running and held, to every state but the first; what is final has no arrow to another state."""
    moves = {(RunState(before), RunState(after)) for before, after in drawn(RUNS)}
    assert {before for before, _ in moves} == {state for state in RunState if not state.is_final}
    assert {after for _, after in moves} == set(RunState) - {RunState.RUNNING}


@pytest.mark.parametrize("resolution", [incident_rules.STEADY_AGAIN, incident_rules.CORRECTED])
def test_the_page_names_each_resolution(resolution: str) -> None:
    """In the words that an incident has."""
    assert f"| `{resolution}` |" in PAGE
