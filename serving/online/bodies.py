"""Bodies of requests: bounded in size and time, so that a large or a slow one costs nobody else."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from starlette.requests import ClientDisconnect, Request


DRAINED = 8
"""A body of up to this many times the bound is read to its end, and forgotten: a client that is cut off while it sends
does not read why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may cost.

    Parameters
    ----------
    body
        Most bytes of a body.
    seconds
        Seconds in which a body must have come.
    """

    body: int = 4 << 20
    seconds: float = 10.0


class Refused(Exception):
    """A request that is refused before it is read: status, and what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read(request: Request, bounds: Bounds) -> bytes:
    """Return a request's body.

    Raises
    ------
    Refused
        It is too large, compressed or binary, or does not come in time.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, _COMPRESSED)
    if "inference-header-content-length" in request.headers:
        raise Refused(415, _BINARY)
    body, size = bytearray(), 0
    try:
        with anyio.fail_after(bounds.seconds):
            async for part in request.stream():
                size += len(part)
                if size <= bounds.body:
                    body += part
                elif size > DRAINED * bounds.body:
                    break
    except TimeoutError:
        msg = f"the body did not come within {bounds.seconds:g} s: send it faster, or fewer rows"
        raise Refused(408, msg) from None
    except ClientDisconnect:
        raise Refused(400, _ENDED) from None
    if size > bounds.body:
        msg = f"the body has more than {bounds.body} bytes: send fewer rows in a request"
        raise Refused(413, msg)
    return bytes(body)


_COMPRESSED = "the body is compressed: send it without content-encoding"
_BINARY = "the tensors are binary: send their data as JSON (binary_data=False in Triton's client)"
_ENDED = "the connection ended before the body did"
