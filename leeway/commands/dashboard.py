"""`leeway dashboard`: the pages over the registry, on this machine alone unless a password is set."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from typing import Annotated

import typer
import uvicorn

from dashboards.app import LOOPBACK, create
from features.errors import ProjectError
from leeway import context, show

PASSWORD = "LEEWAY_DASHBOARD_PASSWORD"


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(dashboard)


def dashboard(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8321,
    name: Annotated[list[str] | None, typer.Option(help="Host name that browsers may use; any, if not given.")] = None,
) -> None:
    """Serve the pages until stopped with Ctrl-C.

    Beyond this machine's loopback a password is needed, from LEEWAY_DASHBOARD_PASSWORD: browsers are asked for it (any
    user name), programs send it as a bearer token. Put a proxy with TLS in front of it.
    """
    password = os.environ.get(PASSWORD) or None
    hosts = allowed_hosts(host, password, name or [])
    with context.open(ctx.obj) as opened:
        policies = {name: model.monitor for name, model in opened.project.models.items()}
        app = create(opened.registry, password=password, hosts=hosts, policies=policies)
        shown = f"[{host}]" if ":" in host else host
        show.note(f"Serving {opened.project.name} on http://{shown}:{port} until stopped with Ctrl-C.")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False)


def allowed_hosts(host: str, password: str | None, names: list[str]) -> tuple[str, ...]:
    """Return the host names to answer to when listening on *host*; ProjectError if that needs a password and has none.

    On loopback only this machine's own names, so that no page elsewhere can reach it by DNS rebinding. With a password
    any name will do, unless *names* are given: a page elsewhere does not have the password.
    """
    if is_loopback(host):
        return (*LOOPBACK, *names)
    if password is None:
        msg = f"listening on {host} would show the registry to the network, and {PASSWORD} is not set"
        raise ProjectError(msg, hint=f"export {PASSWORD}=..., or listen on 127.0.0.1")
    return tuple(names) or ("*",)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach *host*; a name other than localhost is taken to be public.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
