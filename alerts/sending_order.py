"""The order in which a batch of deliveries is sent: one after another to a receiver that answers, else all at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from alerts import retry
from registry import records

Claim = tuple[records.Delivery, records.Message]


def in_order(
    claims: Sequence[Claim], attempt: Callable[[Claim], retry.Reply], pool: ThreadPoolExecutor, *, seconds: float
) -> Iterator[tuple[records.Delivery, retry.Reply]]:
    """Attempt *claims*, those of each endpoint one after another by age, and yield each with its reply as it arrives.

    An endpoint that refuses a message, or all endpoints once *seconds* are over, get the rest of theirs at once: order
    is for receivers that answer, and nobody waits longer for one that does not.
    """
    left: dict[str, list[Claim]] = {}
    for claim in sorted(claims, key=lambda claimed: claimed[0].id):  # retries are due in another order, by chance
        left.setdefault(claim[0].endpoint, []).append(claim)
    going = {pool.submit(attempt, mine[0]): mine.pop(0)[0] for mine in left.values()}
    ends = time.monotonic() + seconds
    while going:
        done, _ = wait(going, timeout=max(ends - time.monotonic(), 0) if any(left.values()) else None,
                       return_when=FIRST_COMPLETED)  # fmt: skip
        is_over = time.monotonic() >= ends
        for answered in done:
            delivery, reply = going.pop(answered), answered.result()
            mine = left[delivery.endpoint]
            following = mine[: 1 if reply.delivered else None]
            going |= {pool.submit(attempt, claim): claim[0] for claim in following}
            del mine[: len(following)]
            yield delivery, reply
        if is_over:
            rest = [claim for mine in left.values() for claim in mine]
            going |= {pool.submit(attempt, claim): claim[0] for claim in rest}
            left = {name: [] for name in left}
