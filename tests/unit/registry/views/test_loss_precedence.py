"""How often a signal's past incidents came with a rise of the loss: which count, and when that is measurably rare."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.window import UTC
from monitors.finding import Signal
from monitors.signals import Severity
from registry.records import Incident, IncidentState
from registry.views.loss_precedence import LossPrecedence, precedence

DAY = timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)


def incident(number: int, first: int, last: int, signal: Signal = Signal.FEATURE, **changed: Any) -> Incident:
    """Return an incident of v1 that drifted from one day to another and has ended."""
    made = {"id": number, "model": "m", "version": "v1", "signal": signal, "severity": Severity.INFO, "windows": 1,
            "state": IncidentState.RESOLVED, "since": START + first * DAY, "opened_at": START + first * DAY,
            "last_seen": START + last * DAY, "judged_until": START + last * DAY, "evidence": (), **changed}  # fmt: skip
    return Incident.model_validate(made)


def figure(*incidents: Incident, matured: int = 100) -> LossPrecedence:
    """Return the figure of features; outcomes of v1 are there up to a day."""
    return precedence(incidents, {"v1": START + matured * DAY}, 7 * DAY)[Signal.FEATURE]


@pytest.mark.parametrize(("loss", "followed"), [((1, 2), 0), ((4, 12), 1), ((12, 13), 1), ((27, 30), 1), ((28, 30), 0)])
def test_a_rise_counts_while_an_incident_lasts_or_a_window_after(loss: tuple[int, int], followed: int) -> None:
    """One that was over before, or began later, is another matter."""
    made = figure(incident(1, 10, 20), incident(2, *loss, Signal.PERFORMANCE))
    assert (1, followed) == (made.incidents, made.followed)


def test_what_cannot_be_known_yet_is_not_counted() -> None:
    """An open incident, one whose labels are due, one of another version, and one that a promotion ended."""
    still = {"state": IncidentState.OPEN}
    assert 0 == figure(incident(1, 10, 20, **still)).incidents
    assert 0 == figure(incident(1, 10, 20), matured=26).incidents
    assert 1 == figure(incident(1, 10, 20), matured=27).incidents
    assert 0 == figure(incident(1, 10, 20, version="v2")).incidents
    averted = incident(1, 10, 20, resolution="baseline replaced by v2")
    assert 0 == figure(averted).incidents
    assert 1 == figure(averted, incident(2, 12, 15, Signal.PERFORMANCE)).followed


def test_rare_needs_a_dozen_incidents() -> None:
    """None of eleven may still be chance; faults and the loss itself have no figure."""
    assert not LossPrecedence(Signal.FEATURE, 11, 0).is_rare
    assert LossPrecedence(Signal.FEATURE, 12, 0).is_rare
    assert not LossPrecedence(Signal.FEATURE, 18, 1).is_rare
    assert LossPrecedence(Signal.FEATURE, 19, 1).is_rare
    assert not {Signal.QUALITY, Signal.PERFORMANCE} & precedence((), {}, DAY).keys()


@given(n=st.integers(0, 200), share=st.floats(0, 1))
def test_the_interval_holds_its_share(n: int, share: float) -> None:
    """It lies in 0 to 1, around the share, and is narrower with four times as many incidents."""
    k = round(n * share)
    low, high = LossPrecedence(Signal.LABEL, n, k).interval
    assert 0 <= low <= (k / n if n else 0.5) + 1e-12
    assert (k / n if n else 0.5) - 1e-12 <= high <= 1
    narrow = LossPrecedence(Signal.LABEL, 4 * n, 4 * k).interval
    assert n == 0 or narrow[1] - narrow[0] < high - low
