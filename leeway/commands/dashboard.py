"""`leeway dashboard`: serve the web pages over the registry, behind a password."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import typer
import uvicorn

from dashboards.app import create
from dashboards.host_check import Hosts
from features.security import secret_file
from leeway import context
from leeway.commands.options import Host, HostNames, Port, address
from leeway.terminal import show

PASSWORD = "LEEWAY_DASHBOARD_PASSWORD"
FILE = "dashboard-password"
"""Name of the password file in the state folder, used where the variable is not set."""


def register(app: typer.Typer) -> None:
    """Add the command to *app*."""
    app.command()(dashboard)


def dashboard(
    ctx: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8321,
    name: HostNames = None,
) -> None:
    """Serve the dashboard until stopped with Ctrl-C.

    The password is that of LEEWAY_DASHBOARD_PASSWORD. If this is not set, a random password is written to a file whose
    path is printed. Browsers ask for the password (any user name); programs send it as a bearer token. To serve other
    machines, put a proxy with TLS in front, and allow its host with --name.
    """
    with context.open(ctx.obj) as opened:
        policies = {name: model.monitor for name, model in opened.project.models.items()}
        password, where = server_secret(opened.dir, PASSWORD, FILE)
        app = create(
            opened.registry, password=password, hosts=own_hosts(host, name or []), policies=policies,
            reports=opened.dir / "html",
        )  # fmt: skip
        show.note(show.text(f"Serving {opened.project.name} on {address(host, port)} until stopped with Ctrl-C."))
        show.note(show.text(f"Log in with any user name and the password {where}."))
        with contextlib.suppress(KeyboardInterrupt):
            # Proxy headers are ignored: with them, a client could have its wrong passwords counted for another address.
            uvicorn.run(
                app, host=host, port=port, log_level="warning", server_header=False, proxy_headers=False, ws="none"
            )


def server_secret(folder: Path, variable: str, file: str) -> tuple[str, str]:
    """Return a server's secret, and where it is as text: the variable's if it is set, else that of the state folder.

    Parameters
    ----------
    folder
        The state folder.
    variable
        The environment variable.
    file
        The name of the file, which gets a random secret if it is not there.

    Raises
    ------
    ProjectError
        The file cannot be used, or others than its owner may read it.
    """
    if own := os.environ.get(variable):
        return own, f"of {variable}"
    path = folder / file
    return secret_file.read(path), f"in {path}"


def own_hosts(host: str, names: Sequence[str]) -> Hosts:
    """Return the host names that requests may use when listening on *host*: this machine's own, and *names*.

    On loopback these are the loopback names; otherwise this machine's names and addresses too. A name that somebody
    else points at this machine is not among them (DNS rebinding).
    """
    own = {n.lower() for n in names}
    if is_loopback(host):
        return Hosts(frozenset(own))
    return Hosts(
        frozenset(own | {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}), addresses=True
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach *host*; a name other than localhost counts as public.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
