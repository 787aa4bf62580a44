"""Conformance of alert formats: each is a module of `alerts` with `signer`, `body` and `headers`.

There is one today, Standard Webhooks (`alerts.signing`), and so no key in the project file that chooses.
"""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

import alerts
from alerts.config import EVENTS, Endpoint
from features import errors
from features.window import UTC
from registry.records import Message

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENDPOINT = Endpoint(name="ops", url="https://example.com/hook", secret_env="OPS_KEY")
HOSTILE = {
    "variables": ["a\r\nX-Evil: 1", "\u2028", "🛫", "\ud83d", "<script>", "x" * 10_000],
    "effect": 0.25,
    "none": None,
}

MODULES = [importlib.import_module(f"alerts.{found.name}") for found in pkgutil.iter_modules(alerts.__path__)]
FORMATS = [module for module in MODULES if {"signer", "body", "headers"} <= set(vars(module))]
each = pytest.mark.parametrize("form", FORMATS, ids=lambda module: module.__name__)


def message(kind: str = "incident.opened", data: dict[str, Any] | None = None) -> Message:
    """Return an outbox row of *kind*."""
    return Message(
        id="6f1f2c1e-0000-5000-8000-000000000001", type=kind, model="late", data=data or {"id": 3}, created_at=NOW
    )


def attempt(form: ModuleType, sent: Message, now: datetime = NOW) -> tuple[str, dict[str, str]]:
    """Return the body and the headers of one attempt."""
    text = form.body(sent)
    return text, form.headers(form.signer(ENDPOINT, {"OPS_KEY": KEY}), sent.id, text, now=now)


def test_there_is_a_format() -> None:
    """The tests below would pass over nothing else."""
    assert "alerts.signing" in [form.__name__ for form in FORMATS]


@each
@pytest.mark.parametrize("kind", EVENTS)
def test_every_type_of_event_can_be_written(form: ModuleType, kind: str) -> None:
    """The body names the type, so that a receiver can choose by it."""
    assert kind in form.body(message(kind))


RUN = {"id": 3, "challenger": "v2", "reason": "neither better nor worse yet"}
PROMOTION = {"from_version": "v2", "to_version": "v1", "actor": "leeway", "reason": "v2 against v1: worse"}
INCIDENT = {"id": 7, "signal": "quality", "severity": "critical", "version": "v1"}


@each
@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("retrain.held", {"run": RUN}, "run 3 is held, v2 answers in shadow until labels decide"),
        ("model.rolled_back", {"promotion": PROMOTION}, "v2 was rolled back automatically, v1 and its baseline serve"),
        ("incident.lasting", {"incident": INCIDENT, "question": "mend it, or say what it is"},
         "critical data fault in v1, incident 7: mend it, or say what it is"),
    ],
)  # fmt: skip
def test_what_needs_a_person_is_in_plain_words(form: ModuleType, kind: str, data: dict[str, Any], words: str) -> None:
    """A receiver can show the text as it is."""
    assert words in form.body(message(kind, data))


@each
def test_the_body_is_the_same_at_every_attempt(form: ModuleType) -> None:
    """A receiver that got it twice sees the same bytes, and the same id among the headers; only the time differs."""
    first, again = (attempt(form, message(), NOW + timedelta(hours=h)) for h in (0, 5))

    assert first[0] == again[0]
    assert {k for k, v in first[1].items() if v != again[1][k]} <= {"webhook-timestamp", "webhook-signature"}
    assert message().id in first[1].values()


@each
def test_what_users_named_stays_data(form: ModuleType) -> None:
    """Names with line ends, half characters or markup are in the body as data, in ASCII, and in no header."""
    text, headers = attempt(form, message(data=HOSTILE))

    assert text.isascii()
    assert HOSTILE == json.loads(text)["data"]
    assert all("\r" not in value and "\n" not in value and "Evil" not in value for value in headers.values())


@each
def test_headers_are_lower_case_text(form: ModuleType) -> None:
    """They are merged with the sender's own, and a content type is among them."""
    headers = attempt(form, message())[1]

    assert "content-type" in headers
    assert all(name == name.lower() and value.isascii() and value.isprintable() for name, value in headers.items())


@each
def test_the_signature_depends_on_body_id_and_time(form: ModuleType) -> None:
    """Another body, another message or another time under the same headers is found out."""
    hook, text = form.signer(ENDPOINT, {"OPS_KEY": KEY}), form.body(message())
    own = form.headers(hook, "a", text, now=NOW)
    others = [
        form.headers(hook, "a", text + " ", now=NOW),
        form.headers(hook, "b", text, now=NOW),
        form.headers(hook, "a", text, now=NOW + timedelta(seconds=1)),
    ]

    assert own == form.headers(hook, "a", text, now=NOW)
    assert all(own["webhook-signature"] != other["webhook-signature"] for other in others)


@each
@pytest.mark.parametrize(
    "key", ["", "hunter2hunter2", "whsec_", "whsec_!", "whsec_" + base64.b64encode(b"short").decode()]
)
def test_a_key_that_is_none_is_refused_and_not_shown(form: ModuleType, key: str) -> None:
    """The error names the endpoint and the variable, and never what the variable holds."""
    with pytest.raises(errors.DeliveryError, match="OPS_KEY") as caught:
        form.signer(ENDPOINT, {"OPS_KEY": key})

    assert key in ("", "whsec_") or key not in str(caught.value) + str(caught.value.hint)


@each
def test_the_key_is_in_nothing_that_is_sent(form: ModuleType) -> None:
    """Neither as the environment has it nor decoded."""
    text, headers = attempt(form, message())
    sent = text + "".join(headers.values())

    assert KEY not in sent
    assert KEY.removeprefix("whsec_") not in sent
