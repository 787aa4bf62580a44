"""Alert signatures: verified by Standard Webhooks libraries; a bad key is named with its remedy."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from alerts import signing
from alerts.config import Endpoint
from features import errors
from registry import records

NOW = datetime.now(timezone.utc)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENDPOINT = Endpoint(name="ops", url="https://example.com/hook", secret_env="LEEWAY_OPS_KEY")
MESSAGE = records.Message(
    id="0b7e6a52-6c1f-4b57-9c7b-6d2a4f2f9d11",
    type="incident.opened",
    model="flights",
    data={"model": "flights", "reason": "température"},
    created_at=datetime(2013, 8, 1, 12, tzinfo=timezone.utc),
)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let NOW be now: receivers refuse what was signed five minutes ago, and a whole test run takes longer."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(timezone.utc))


def _signed(now: datetime | None = None) -> tuple[str, dict[str, str]]:
    text = signing.body(MESSAGE)
    return text, signing.headers(signing.signer(ENDPOINT, {"LEEWAY_OPS_KEY": KEY}), MESSAGE.id, text, now=now or NOW)


def test_a_receiver_with_the_key_verifies() -> None:
    """The specification's own library accepts headers and body, and reads type, timestamp and data."""
    sent, headers = _signed()

    received = Webhook(KEY).verify(sent, headers)

    data = {"model": "flights", "reason": "température"}
    text = "flights: incident.opened"
    expected = {"type": "incident.opened", "timestamp": "2013-08-01T12:00:00+00:00", "text": text, "data": data}
    assert expected == received


def test_an_altered_body_is_refused() -> None:
    """One changed byte breaks the signature."""
    text, headers = _signed()

    with pytest.raises(WebhookVerificationError):
        Webhook(KEY).verify(text.replace("flights", "freight"), headers)


def test_a_retry_keeps_the_id_and_renews_the_time() -> None:
    """The id is the idempotency key; time and signature belong to the attempt."""
    _, first = _signed(NOW)
    _, second = _signed(NOW + timedelta(seconds=5))

    assert first["webhook-id"] == second["webhook-id"] == MESSAGE.id
    assert int(first["webhook-timestamp"]) + 5 == int(second["webhook-timestamp"])
    assert first["webhook-signature"] != second["webhook-signature"]


def test_the_body_is_the_same_text_every_time() -> None:
    """Keys are sorted, so that equal messages are equal bytes."""
    assert list(json.loads(signing.body(MESSAGE))) == ["data", "text", "timestamp", "type"]


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        ({}, "is not set"),
        ({"LEEWAY_OPS_KEY": "  "}, "is not set"),
        ({"LEEWAY_OPS_KEY": "s3cret"}, "does not start with whsec_"),
        ({"LEEWAY_OPS_KEY": "whsec_not base64!"}, "is not base64"),
        ({"LEEWAY_OPS_KEY": "whsec_" + base64.b64encode(bytes(23)).decode()}, "holds 23 bytes, not 24 to 64"),
        ({"LEEWAY_OPS_KEY": "whsec_" + base64.b64encode(bytes(65)).decode()}, "holds 65 bytes, not 24 to 64"),
    ],
)
def test_a_bad_key_names_the_variable_and_how_to_make_one(environ: dict[str, str], what: str) -> None:
    """The error says which variable, what is wrong with it and how to make a key; it never shows the key."""
    with pytest.raises(errors.DeliveryError) as caught:
        signing.signer(ENDPOINT, environ)

    assert caught.value.message.endswith(f"the environment variable LEEWAY_OPS_KEY, {what}")
    assert signing.MAKE_KEY in caught.value.hint
    assert "s3cret" not in str(caught.value)


def test_the_command_in_the_hint_makes_a_good_key(capsys: pytest.CaptureFixture[str]) -> None:
    """What the hint tells people to run prints a key that is accepted."""
    code = signing.MAKE_KEY.split("'")[1]
    exec(code)  # the hint is our own constant
    key = capsys.readouterr().out.strip()

    assert signing.signer(ENDPOINT, {"LEEWAY_OPS_KEY": key}) is not None


def test_text_that_no_encoding_holds_is_sent_too() -> None:
    """Half a surrogate pair in a category, as JSON lets it through, costs no receiver the message."""
    half = MESSAGE.model_copy(update={"data": {"reason": "\ud83d"}})

    assert half.data == json.loads(signing.body(half).encode())["data"]
