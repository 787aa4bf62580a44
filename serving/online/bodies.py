"""Bodies of requests, bounded in size. Their time is bounded by :mod:`serving.server`, for all of a request."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    body: int = 4 << 20


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
        It is too large, compressed or binary, or ends too soon.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, _COMPRESSED)
    if "inference-header-content-length" in request.headers:
        raise Refused(415, _BINARY)
    body, size = bytearray(), 0
    try:
        async for part in request.stream():
            size += len(part)
            if size <= bounds.body:
                body += part
            elif size > DRAINED * bounds.body:
                break
    except ClientDisconnect:
        raise Refused(400, _ENDED) from None
    if size > bounds.body:
        msg = f"the body has more than {bounds.body} bytes: send fewer rows in a request"
        raise Refused(413, msg)
    return bytes(body)


_COMPRESSED = "the body is compressed: send it without content-encoding"
_BINARY = "the tensors are binary: send their data as JSON (binary_data=False in Triton's client)"
_ENDED = "the connection ended before the body did"
