"""What every signal and every kind of fault must have, wherever it is written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboards import formatting
from monitors import budget
from monitors.explain import explanation
from monitors.quality.fault import FaultKind
from monitors.report import Signal, Stage, Verdict
from registry import model_status
from registry.config import Severities, Severity
from retrain_flows.config import Reaction, Signals

DOCS = Path(__file__).parents[2] / "docs"
UNMEASURED = {
    FaultKind.UNUSABLE: "counted, not estimated: docs/faults.md says from which share on",
    FaultKind.SILENCE: "told by time, not by a window's counts: docs/faults.md says after how long",
}
"""Kinds of fault that `docs/statistics/router.md` does not measure, and why not."""
each_signal = pytest.mark.parametrize("signal", Signal, ids=lambda signal: signal.value)
each_fault = pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.value)


@each_signal
def test_a_signal_has_a_stage(signal: Signal) -> None:
    """It is judged on predictions at once, or on outcomes when labels have had their time."""
    assert model_status._STAGE[signal] in Stage


@each_signal
def test_a_signal_has_a_share_of_the_budget(signal: Signal) -> None:
    """Its false alarms are paid for: what it is given is taken from others."""
    assert 0 < budget.SHARES[signal] < 1


def test_the_shares_are_the_budget() -> None:
    """They add up to 1, so that all signals together keep what the user has set, and none is of no signal."""
    assert 1 == pytest.approx(sum(budget.SHARES.values()))
    assert set(Signal) == set(budget.SHARES)


@each_signal
def test_a_signal_has_a_default_severity(signal: Signal) -> None:
    """`incidents.severity` has its key, with a default."""
    assert Severities().of(signal) in Severity


@each_signal
def test_a_signal_has_a_default_reaction(signal: Signal) -> None:
    """`signals` has its key, with a default; a fault of the data never retrains."""
    reaction = Signals().of(signal)

    assert reaction in Reaction
    assert signal is not Signal.QUALITY or reaction is not Reaction.RETRAIN


def test_every_signal_has_its_place_in_an_explanation() -> None:
    """What to read first is said of each, once."""
    assert sorted(Signal) == sorted(explanation.ORDER)


@each_signal
@pytest.mark.parametrize("verdict", Verdict, ids=lambda verdict: verdict.value)
def test_a_verdict_on_a_signal_has_a_label_on_pages(signal: Signal, verdict: Verdict) -> None:
    """Words and a mark that differs from those of other verdicts."""
    assert formatting.said(verdict, signal)
    assert 1 == len(formatting.letter(verdict, signal))
    assert 3 == len({formatting.letter(other, signal) for other in Verdict})


@each_signal
def test_a_signal_is_in_the_documentation(signal: Signal) -> None:
    """The page on the method or the one on faults names it."""
    text = (DOCS / "statistics.md").read_text() + (DOCS / "faults.md").read_text()

    assert re.search(rf"\b{signal.value}s?\b", text, re.IGNORECASE)


@each_fault
def test_a_fault_is_measured_or_says_why_not(kind: FaultKind) -> None:
    """How often it is found, and what else is taken for it, is in the router's table; UNMEASURED names the others."""
    measured = re.search(rf"\b{kind.value}\b", (DOCS / "statistics" / "router.md").read_text()) is not None

    assert measured != (kind in UNMEASURED)


@each_fault
def test_a_fault_is_a_word_of_its_own(kind: FaultKind) -> None:
    """Reports, alerts and pages show it: lower case, and not the name of a signal."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.value)
    assert kind.value not in {signal.value for signal in Signal}
