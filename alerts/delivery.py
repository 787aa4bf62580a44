"""At-least-once delivery of the outbox: a message is stored before it is sent, until a receiver has accepted it.

Several processes may deliver. Each claims a batch under a lease, so that no two send the same delivery at once; when a
process dies its lease expires, and another takes over. Receivers recognize a repeated message by its ``webhook-id``.

A receiver that answers gets its messages in order. One can cost only its own delivery an attempt, of bounded length:
the endpoints of a batch are sent to at once, each delivery is marked as its answer arrives, and each has a deadline.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx

from alerts import retry, sending_order, signing, ssrf_guard
from alerts.config import Alerts, Endpoint
from features import errors
from registry import outbox, records
from registry.connection import Registry

BATCH: Final = 32
"""Deliveries claimed and sent at once."""
PROMPT: Final = 5.0
"""For how long (s) a batch waits for an endpoint's answer before it sends it the next message."""
GRACE: Final = timedelta(seconds=30)
"""How much longer a lease lasts than attempts can take."""

Send = Callable[[ssrf_guard.Target, str, Mapping[str, str], float, float], retry.Reply]
"""Sends a text with headers to a target; the numbers are the timeouts (s) of the whole and of the connection."""
Claim = sending_order.Claim


@dataclass(frozen=True)
class Delivered:
    """The result of one call: deliveries *sent*, *failed* (will be retried) and *dead* (given up)."""

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
    """Return how long a claim lasts: longer than a batch, of which the last attempt begins after `PROMPT` at most."""
    return GRACE + 2 * timedelta(seconds=alerts.timeout_seconds)


def post(
    target: ssrf_guard.Target, text: str, headers: Mapping[str, str], timeout: float, connect: float | None = None
) -> retry.Reply:
    """Make one attempt over HTTP and return the reply; a failed connection is a reply too.

    No redirect is followed, no proxy of the environment is used, and the body of the answer is not read.

    Parameters
    ----------
    target
        Where to connect.
    text, headers
        The body and headers to send.
    timeout
        Limit (s) from the connection to the last header of the answer.
    connect
        Limit (s) for the connection.
    """
    sent = {**headers, "host": target.host}
    try:
        return asyncio.run(
            asyncio.wait_for(_post(target, text, sent, httpx.Timeout(timeout, connect=connect)), timeout)
        )
    except (asyncio.TimeoutError, httpx.HTTPError) as error:
        if isinstance(error, asyncio.TimeoutError):
            return retry.Reply(error=f"no complete answer within {timeout:.3g} s")
        unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        return retry.failed(error, unreachable=unreachable)


async def _post(
    target: ssrf_guard.Target, text: str, headers: Mapping[str, str], timeout: httpx.Timeout
) -> retry.Reply:
    """Make one attempt; it can be cancelled at any point, while httpx's own limits are only for a single read."""
    extensions = {"sni_hostname": target.name}
    async with (
        httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=timeout) as client,
        client.stream("POST", target.url, content=text, headers=headers, extensions=extensions) as answer,
    ):
        return retry.Reply(answer.status_code, headers=dict(answer.headers))


def deliver(
    reg: Registry, alerts: Alerts, *, now: datetime, environ: Mapping[str, str], send: Send = post
) -> Delivered:
    """Create deliveries of new messages for their endpoints, then attempt up to `BATCH` due ones.

    Call again until ``total`` is 0 to send everything. A missing key, a refused address or any other error of one
    delivery is a failed attempt with the error recorded, and does not affect the others.

    Parameters
    ----------
    reg
        The registry with the outbox.
    alerts
        Endpoints and limits.
    now
        The time that is recorded.
    environ
        The environment with the endpoints' keys.
    send
        Makes one attempt.

    Raises
    ------
    RegistryError
        An attempt could not be marked; all others were. It is repeated when its lease ends.
    """
    least = {e.name: e.min_severity for e in alerts.endpoints}
    outbox.fan_out(reg, {e.name: e.events for e in alerts.endpoints}, least=least, now=now)
    claims = outbox.claim(reg, now=now, limit=BATCH, lease=lease(alerts))
    batch = _Batch(alerts, now, environ, send)
    states, trouble = [], None
    with ThreadPoolExecutor(BATCH) as pool:
        for delivery, reply in sending_order.in_order(claims, batch.attempt, pool, seconds=PROMPT):
            try:
                states.append(batch.mark(reg, delivery, reply))
            except errors.RegistryError as error:
                trouble = error
    if trouble is not None:
        raise trouble
    return Delivered(states.count("delivered"), states.count("pending"), states.count("dead"))


@dataclass(frozen=True)
class _Batch:
    """The common arguments of the attempts of one call."""

    alerts: Alerts
    now: datetime
    environ: Mapping[str, str]
    send: Send

    def attempt(self, claim: Claim) -> retry.Reply:
        """Sign and send one message within its deadline; any error becomes a reply."""
        delivery, message = claim
        endpoint = next((e for e in self.alerts.endpoints if e.name == delivery.endpoint), None)
        if endpoint is None:
            return retry.Reply(error="the project file has no endpoint of this name any more", final=True)
        try:
            return self._try(endpoint, message)
        except errors.DeliveryError as error:
            return retry.Reply(error=str(error))
        except Exception as error:
            return retry.failed(error)

    def _try(self, endpoint: Endpoint, message: records.Message) -> retry.Reply:
        """Send to the first reachable address, with one deadline for everything, the look-up included."""
        ends = time.monotonic() + self.alerts.timeout_seconds
        text = signing.body(message)
        headers = signing.headers(signing.signer(endpoint, self.environ), message.id, text, now=self.now)
        targets = _looked_up(endpoint, self.alerts.timeout_seconds)
        reply = retry.Reply(error="the name has no address")
        for tried, target in enumerate(targets):
            left = ends - time.monotonic()
            if left <= 0:
                break
            reply = self.send(target, text, headers, left, left / (len(targets) - tried))
            if not reply.unreachable:
                break
        return reply

    def mark(self, reg: Registry, delivery: records.Delivery, reply: retry.Reply) -> str:
        """Record the reply of an attempt, and return the delivery's new state."""
        again = None if reply.delivered else self._again(delivery, reply)
        marked = outbox.mark(
            reg,
            delivery,
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


def _looked_up(endpoint: Endpoint, seconds: float) -> tuple[ssrf_guard.Target, ...]:
    """Return where to connect for *endpoint*, or raise DeliveryError; a look-up that hangs is abandoned."""
    results: queue.SimpleQueue[tuple[ssrf_guard.Target, ...] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            results.put(ssrf_guard.targets(endpoint))
        except Exception as error:
            results.put(error)

    threading.Thread(target=look, daemon=True).start()
    try:
        targets = results.get(timeout=seconds)
    except queue.Empty:
        msg = f"alert endpoint {endpoint.name!r}: its name was not looked up within {seconds:.3g} s"
        raise errors.DeliveryError(msg, hint="check this machine's DNS") from None
    if isinstance(targets, Exception):
        raise targets
    return targets
