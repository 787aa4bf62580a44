"""Bodies of requests, bounded in size. Their time is bounded by :mod:`serving.server`, for all of a request."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from features import errors

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


class RefusedBody(errors.RequestError):
    """A body that is not read to its end, with the status of the answer; the connection cannot be used again."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


async def read(request: Request, bounds: Bounds) -> bytes:
    """Return a request's body.

    Raises
    ------
    RefusedBody
        It is too large, compressed or binary, or ends too soon.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise RefusedBody(415, "the body is compressed", hint="send it without content-encoding")
    if "inference-header-content-length" in request.headers:
        msg = "the tensors are binary"
        raise RefusedBody(415, msg, hint="send their data as JSON (binary_data=False in Triton's client)")
    body, size = bytearray(), 0
    try:
        async for part in request.stream():
            size += len(part)
            if size <= bounds.body:
                body += part
            elif size > DRAINED * bounds.body:
                break
    except ClientDisconnect:
        raise RefusedBody(400, "the connection ended before the body did") from None
    if size > bounds.body:
        raise RefusedBody(413, f"the body has more than {bounds.body} bytes", hint="send fewer rows in a request")
    return bytes(body)
