"""Body, headers and signature of a webhook, made by the Standard Webhooks library.

Specification: https://www.standardwebhooks.com (1.0.0), symmetric signatures ``v1``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

from alerts import sentences
from alerts.config import Endpoint
from features import errors
from registry import records

PREFIX: Final = "whsec_"
KEY_BYTES: Final = range(24, 65)
"""Lengths of a key that the specification allows."""
MAKE_KEY: Final = (
    "python -c 'import base64, secrets; print(\"whsec_\" + base64.b64encode(secrets.token_bytes(32)).decode())'"
)


def signer(endpoint: Endpoint, environ: Mapping[str, str]) -> Webhook:
    """Return the signer of *endpoint*, made from the key in the environment variable that it names.

    A missing key, or one that is not ``whsec_`` and the base64 of 24 to 64 bytes, raises DeliveryError.
    """
    text = environ.get(endpoint.secret_env, "").strip()
    if not text:
        raise _bad_key(endpoint, "is not set")
    if not text.startswith(PREFIX):
        raise _bad_key(endpoint, f"does not start with {PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_key(endpoint, "is not base64") from error
    if len(key) not in KEY_BYTES:
        raise _bad_key(endpoint, f"holds {len(key)} bytes, not {KEY_BYTES.start} to {KEY_BYTES.stop - 1}")
    return Webhook(key)


def _bad_key(endpoint: Endpoint, what: str) -> errors.DeliveryError:
    """Return the error about a key, which does not contain the key."""
    msg = f"alert endpoint {endpoint.name!r}: its key, the environment variable {endpoint.secret_env}, {what}"
    return errors.DeliveryError(
        msg, hint=f"make a key, give it to the receiver, and export it as {endpoint.secret_env}: {MAKE_KEY}"
    )


def body(message: records.Message) -> str:
    """Return the JSON text of *message*: ``{type, timestamp, text, data}`` in ASCII, the same at every attempt.

    *timestamp* is when the thing happened in the registry, not when it is sent; *text* is the message as a sentence.
    """
    content = {
        "type": message.type,
        "timestamp": message.created_at.isoformat(),
        "text": sentences.sentence(message),
        "data": message.data,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def headers(hook: Webhook, message_id: str, text: str, *, now: datetime) -> dict[str, str]:
    """Return the headers of one attempt: the id stays the same over retries, time and signature are the attempt's.

    >>> from datetime import timezone
    >>> hook = Webhook("whsec_" + base64.b64encode(bytes(32)).decode())
    >>> sorted(headers(hook, "m1", "{}", now=datetime(2024, 1, 1, tzinfo=timezone.utc)).items())[1:3]
    [('webhook-id', 'm1'), ('webhook-signature', 'v1,...')]
    """
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": hook.sign(message_id, now, text),
    }
