"""The section `alerts` of the project file: mistakes are refused when it is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from alerts.config import EVENTS, Alerts, Endpoint
from monitors.signals import Severity


def endpoint(name: str = "ops", *events: str) -> Endpoint:
    """Return an endpoint that wants *events*."""
    return Endpoint(name=name, url="https://example.com", secret_env="KEY", events=events or ("*",))


@pytest.mark.parametrize("pattern", ["*", "incident.*", "*.finished", *EVENTS])
def test_a_type_or_a_family_is_taken(pattern: str) -> None:
    """Whatever can match something that happens."""
    assert (pattern,) == endpoint("ops", pattern).events


@pytest.mark.parametrize("pattern", ["", "incident", "incident.open", "incidents.*", "Incident.opened"])
def test_a_type_that_never_happens_is_refused(pattern: str) -> None:
    """A misspelt type would be silence; the error lists those there are."""
    with pytest.raises(ValidationError, match=r"is not a type of event; the types are incident\.opened, "):
        endpoint("ops", pattern)


def test_the_least_severity_is_one_there_is() -> None:
    """By default everything is told."""
    assert Severity.INFO is endpoint().min_severity
    with pytest.raises(ValidationError, match="'info', 'warning' or 'critical'"):
        Endpoint(name="ops", url="https://example.com", secret_env="KEY", min_severity="high")  # type: ignore[arg-type]


def test_two_endpoints_of_one_name_are_refused() -> None:
    """One of them would get nothing."""
    with pytest.raises(ValidationError, match="two endpoints are called 'ops'"):
        Alerts(endpoints=(endpoint(), endpoint()))


def test_names_that_differ_are_fine() -> None:
    """The same receiver may be told twice under two names."""
    assert 2 == len(Alerts(endpoints=(endpoint("a"), endpoint("b"))).endpoints)
