"""Whether it is the project's Prefect server that listens on a port, and not whoever has taken the port since.

The address of a server survives it where its process was killed, and a port is free for a moment before a server binds
it. Any account of the machine may listen there then, and must not be sent the secret.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import psutil

from retrain_flows.orchestration import server_settings


def listens(url: str, account: int) -> bool:
    """Return whether a Prefect server that Leeway started listens at an address; False where that cannot be told.

    Parameters
    ----------
    url
        The address of its API.
    account
        The user id that it runs as: that of the owner of the secret.
    """
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    if port is None or url != server_settings.address(port):
        return False
    return any(_serves(process, port, account) for process in psutil.process_iter())


def _serves(process: psutil.Process, port: int, account: int) -> bool:
    """Return whether a process is the server of a port, by account, command and socket."""
    command = server_settings.command(port)[1:]  # the interpreter may have several paths
    try:
        return (
            process.uids().effective == account
            and process.cmdline()[1:] == command
            and any(_is_at(connection, port) for connection in process.net_connections("tcp4"))
        )
    except (psutil.Error, OSError):
        return False


def _is_at(connection: Any, port: int) -> bool:
    return connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) == ("127.0.0.1", port)
