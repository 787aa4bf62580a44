"""From outbox to receiver, at least once: a message is on disk before it is sent and stays until somebody took it.

Deliverers may run side by side. Each claims a batch under a lease, so that no two send the same delivery at once; the
lease of one that died runs out, and another takes over. Receivers tell a message sent twice by its ``webhook-id``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx

from alerts import guard, retry, sign
from alerts.policy import Alerts
from features import errors
from registry import outbox, records
from registry.sql import Registry

BATCH: Final = 32
WORKERS: Final = 8
GRACE: Final = timedelta(seconds=30)

Send = Callable[[guard.Target, str, Mapping[str, str], float], retry.Reply]
Claim = tuple[records.Delivery, records.Message]


@dataclass(frozen=True)
class Delivered:
    """What one call did: deliveries *sent*, *failed* (to be tried again) and *dead* (given up)."""

    sent: int = 0
    failed: int = 0
    dead: int = 0

    @property
    def total(self) -> int:
        """Number of attempts; 0 means that nothing was due."""
        return self.sent + self.failed + self.dead

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(self.sent + other.sent, self.failed + other.failed, self.dead + other.dead)


def lease(alerts: Alerts) -> timedelta:
    """Return how long a claim lasts: longer than the slowest batch, where each connection and answer times out."""
    return GRACE + timedelta(seconds=alerts.timeout_seconds) * (guard.TRIES + 1) * (BATCH // WORKERS)


def post(target: guard.Target, text: str, headers: Mapping[str, str], timeout: float) -> retry.Reply:
    """Send one attempt over HTTP and return what came of it; a connection that fails is a reply too.

    No redirect is followed, no proxy of the environment is used, and the body of the answer is not read.
    """
    sent = {**headers, "host": target.host}
    try:
        with (
            httpx.Client(follow_redirects=False, trust_env=False, timeout=timeout) as client,
            client.stream(
                "POST", target.url, content=text, headers=sent, extensions={"sni_hostname": target.name}
            ) as answer,
        ):
            return retry.Reply(answer.status_code, headers=dict(answer.headers))
    except httpx.HTTPError as error:
        unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return retry.Reply(error=f"{type(error).__name__}: {error}".rstrip(": "), unreachable=unreachable)


def deliver(
    reg: Registry, alerts: Alerts, *, now: datetime, environ: Mapping[str, str], send: Send = post
) -> Delivered:
    """Give new messages to the endpoints that want them, then try up to BATCH of what is due, WORKERS at a time.

    Call again until ``total`` is 0 to send everything. A missing key or a refused address is a failed attempt like any
    other, with the error on record: it does not keep the other endpoints from their messages.
    """
    least = {e.name: e.min_severity for e in alerts.endpoints}
    outbox.fan_out(reg, {e.name: e.events for e in alerts.endpoints}, least=least, now=now)
    claims = outbox.claim(reg, now=now, limit=BATCH, lease=lease(alerts))
    batch = _Batch(alerts, now, environ, send)
    with ThreadPoolExecutor(WORKERS) as pool:
        replies = list(pool.map(batch.attempt, claims))
    states = [batch.mark(reg, delivery, reply) for (delivery, _), reply in zip(claims, replies, strict=True)]
    return Delivered(states.count("delivered"), states.count("pending"), states.count("dead"))


def _first_reached(replies: Iterable[retry.Reply]) -> retry.Reply:
    """Return the first reply from an address that could be reached, trying no further; else the last failure."""
    reply = retry.Reply(error="the name has no address")
    for reply in replies:
        if not reply.unreachable:
            break
    return reply


@dataclass(frozen=True)
class _Batch:
    """What the attempts of one call have in common."""

    alerts: Alerts
    now: datetime
    environ: Mapping[str, str]
    send: Send

    def attempt(self, claim: Claim) -> retry.Reply:
        """Sign and send one message; a key or an address that will not do is a reply, not an error."""
        delivery, message = claim
        endpoint = next((e for e in self.alerts.endpoints if e.name == delivery.endpoint), None)
        if endpoint is None:
            return retry.Reply(error="the project file has no endpoint of this name any more", final=True)
        try:
            hook = sign.signer(endpoint, self.environ)
            targets = guard.targets(endpoint)
        except errors.DeliveryError as error:
            return retry.Reply(error=str(error))
        text = sign.body(message)
        headers = sign.headers(hook, message.id, text, now=self.now)
        replies = (self.send(target, text, headers, self.alerts.timeout_seconds) for target in targets)
        return _first_reached(replies)

    def mark(self, reg: Registry, delivery: records.Delivery, reply: retry.Reply) -> str:
        """Write down what came of an attempt, and return the delivery's new state."""
        again = None if reply.delivered else self._again(delivery, reply)
        marked = outbox.mark(
            reg,
            delivery.id,
            state="delivered" if reply.delivered else "pending" if again else "dead",
            status_code=reply.status,
            error=reply.reason,
            next_attempt_at=again,
            now=self.now,
        )
        return marked.state

    def _again(self, delivery: records.Delivery, reply: retry.Reply) -> datetime | None:
        return retry.next_attempt(
            reply, delivery=delivery.id, attempts=delivery.attempts, limit=self.alerts.attempts, now=self.now
        )
