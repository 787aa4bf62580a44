"""Conformance of signals and kinds of fault: each is complete wherever it must be written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from dashboards import formatting
from monitors import budget, signals
from monitors.explain import explanation
from monitors.finding import Signal, Stage, Verdict
from monitors.quality.fault import FaultKind
from monitors.signals import SIGNALS, Needs, Reaction, Severity, SignalSpec
from registry import model_status
from registry.config import Severities
from retrain_flows.config import Signals

DOCS = Path(__file__).parents[2] / "docs"
UNMEASURED = {
    FaultKind.UNUSABLE: "counted, not estimated: docs/faults.md says from which share on",
    FaultKind.SILENCE: "told by time, not by a window's counts: docs/faults.md says after how long",
    FaultKind.SKEW: "rows are compared, not counts: docs/faults.md says from which share on",
}
"""Kinds of fault that `docs/statistics/router.md` does not measure, and why not."""
each_row = pytest.mark.parametrize("spec", SIGNALS, ids=lambda spec: spec.signal.value)
each_signal = pytest.mark.parametrize("signal", Signal, ids=lambda signal: signal.value)
each_fault = pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.value)


def test_every_signal_has_one_row() -> None:
    """The table is complete, and no row is another's."""
    assert sorted(Signal) == sorted(spec.signal for spec in SIGNALS)
    assert {spec.signal: spec for spec in SIGNALS} == signals.SPECS


def test_the_shares_are_the_budget() -> None:
    """They add up to 1, so that all signals together keep what the user has set."""
    assert 1 == pytest.approx(sum(spec.budget_share for spec in SIGNALS))


@each_row
def test_a_row_is_whole(spec: SignalSpec) -> None:
    """A stage, a share that is a share, a severity, and a default reaction that may be chosen."""
    assert spec.stage in Stage
    assert 0 < spec.budget_share < 1
    assert spec.severity in Severity
    assert spec.reaction in spec.reactions
    assert spec.needs in Needs


@each_row
def test_the_project_file_has_its_keys(spec: SignalSpec) -> None:
    """`incidents.severity` and `signals` have a key of its name, with the table's default."""
    assert spec.severity is Severities().of(spec.signal)
    assert spec.reaction is Signals().of(spec.signal)


@each_row
def test_the_project_file_takes_its_reactions_and_no_others(spec: SignalSpec) -> None:
    """What a row does not list is an error: a fault of the data never starts a retrain."""
    for reaction in Reaction:
        if reaction in spec.reactions:
            assert reaction is Signals.model_validate({spec.signal.value: reaction.value}).of(spec.signal)
        else:
            with pytest.raises(ValidationError):
                Signals.model_validate({spec.signal.value: reaction.value})

    assert Reaction.RETRAIN not in signals.SPECS[Signal.QUALITY].reactions


@each_row
def test_it_pays_for_its_looks_where_it_is_monitored(spec: SignalSpec) -> None:
    """With all signals its share is the table's; the fewer there are, the larger."""
    assert spec.budget_share == pytest.approx(budget.share(spec.signal, "", 0, list(Signal)))
    assert 1 == pytest.approx(budget.share(spec.signal, "", 0, [spec.signal]))


@each_row
def test_it_is_in_explanations_and_standings(spec: SignalSpec) -> None:
    """What to read first is said of each, and the stage that tells how it stands."""
    assert 1 == explanation.ORDER.count(spec.signal)
    assert spec.stage is model_status._STAGE[spec.signal]


@each_signal
@pytest.mark.parametrize("verdict", Verdict, ids=lambda verdict: verdict.value)
def test_a_verdict_on_a_signal_has_a_label_on_pages(signal: Signal, verdict: Verdict) -> None:
    """Words and a mark that differs from those of other verdicts."""
    assert formatting.verdict_text(verdict, signal)
    assert 1 == len(formatting.verdict_letter(verdict, signal))
    assert 3 == len({formatting.verdict_letter(other, signal) for other in Verdict})


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
