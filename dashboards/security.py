"""Authentication and security headers: HTTP Basic or bearer password, content security policy, no caching."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.login_throttle import LoginAttempts

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # The digests are of two style elements that Plotly's script makes: an empty one, whose rules it sets one by one
        # (without it no chart is drawn), and that of its maps, which no page here draws.
        "style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
        "'sha256-gG0b4ixT/IQUp7JJLbyKcpYcYDjq2Wp8NGv3f+aasqo='",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SANDBOXED: Final = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; " + (
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; frame-ancestors 'none'"
)
"""Policy of a page that another program has made: its scripts run, in an origin of their own that reaches nothing."""
HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class SafeHeaders:
    """ASGI middleware that adds HEADERS to every answer, and ``no-store`` unless the answer says otherwise.

    An answer may have the policy `SANDBOXED`, and no other one of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to the answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                sandboxed = headers.get("content-security-policy") == SANDBOXED
                headers.update(HEADERS)
                if sandboxed:
                    headers["content-security-policy"] = SANDBOXED
                # A file that has a tag may be kept, if it is asked after each time.
                headers.setdefault("cache-control", "no-cache" if "etag" in headers else "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Password:
    """ASGI middleware that requires a password: HTTP Basic with any user name (browsers), or a bearer token (programs).

    Neither is part of an address, so no history, log or Referer contains it. Clients with many wrong passwords wait
    before the next one is read, longer each time.

    Parameters
    ----------
    app
        The application behind it.
    password
        The password.
    guesses
        The wrong passwords of each client. None: no client waits, which only a long random password allows; nobody
        can keep callers out by guessing then.
    subject
        What needs it, for the refusal.
    open_paths
        Paths that may be read without it.
    """

    def __init__(
        self,
        app: ASGIApp,
        password: str,
        guesses: LoginAttempts | None,
        *,
        subject: str = "This page needs the dashboard's password",
        open_paths: Collection[str] = (),
    ) -> None:
        self.app = app
        self._digest = _digest(password)
        self._attempts = guesses
        self._refusal = f"{subject}.\n"
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request with the right password on; answer every other with 401, or 429 while the client must wait."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] in self._open and scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        refusal = self._refuse((scope.get("client") or ("",))[0], Headers(scope=scope).get("authorization"))
        await (refusal or self.app)(scope, receive, send)

    def _refuse(self, client: str, authorization: str | None) -> PlainTextResponse | None:
        """Return the refusal of a request, None if its password is right."""
        if authorization is not None:
            if self._attempts is not None and (wait := math.ceil(self._attempts.wait(client))):
                message = f"Too many wrong passwords: wait {wait} s before the next one.\n"
                return PlainTextResponse(message, 429, {"retry-after": str(wait)})
            # Digests have one length, so that the time of the comparison does not depend on the password's.
            if hmac.compare_digest(_digest(_secret(authorization)), self._digest):
                return None
            if self._attempts is not None:
                self._attempts.add(client)
        challenge = {"www-authenticate": 'Basic realm="Leeway", charset="UTF-8"'}
        return PlainTextResponse(self._refusal, 401, challenge)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def _secret(authorization: str) -> str:
    """Return the password in an Authorization header, empty where there is none.

    >>> _secret("Bearer s3cret"), _secret("Basic " + base64.b64encode(b"me:s3:cret").decode()), _secret("Basic ?")
    ('s3cret', 's3:cret', '')
    """
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
