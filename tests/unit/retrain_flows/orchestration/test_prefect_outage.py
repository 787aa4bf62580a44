"""Outages of Prefect's server: recognized, waited out with growing pauses, and told apart from refusals."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import httpx
import pytest

from retrain_flows.orchestration import prefect_outage


@pytest.mark.parametrize(
    ("error", "outage"),
    [(httpx.ConnectError("refused"), True), (httpx.ReadTimeout("slow"), True), (ConnectionResetError(), True),
     (RuntimeError("Failed to reach API at x"), True), (RuntimeError("other"), False), (ValueError("x"), False),
     (FileNotFoundError("x"), False)],
)  # fmt: skip
def test_what_counts_as_an_outage(error: Exception, outage: bool) -> None:
    """Transport, not content."""
    assert outage is prefect_outage.is_outage(error)


@pytest.mark.parametrize(("code", "outage"), [(500, True), (503, True), (401, False), (404, False), (409, False)])
def test_a_refusal_is_no_outage(code: int, outage: bool) -> None:
    """A server that is overloaded or restarting answers with a 5xx code."""
    from prefect.exceptions import PrefectHTTPStatusError

    request = httpx.Request("GET", "http://x")
    error = PrefectHTTPStatusError("x", request=request, response=httpx.Response(code, request=request))
    assert outage is prefect_outage.is_outage(error)


def test_a_call_is_repeated_until_the_server_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """With pauses of 1, 2, 4 s."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answers: list[Any] = [httpx.ConnectError("refused")] * 3 + ["fine"]

    def send(client: Any, request: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert "fine" == prefect_outage._patient(send)(None, None)
    assert [1.0, 2.0, 4.0] == slept


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is then raised as it is."""
    monkeypatch.setattr(prefect_outage, "PATIENCE", timedelta(seconds=-1))

    def send(client: Any, request: Any) -> Any:
        msg = "refused"
        raise httpx.ConnectError(msg)

    with pytest.raises(httpx.ConnectError):
        prefect_outage._patient(send)(None, None)
