"""TCP ports of this machine: finding a free one, and checking which are taken."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping

from features.errors import EngineError

HOST = "127.0.0.1"


def free() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as s:
        s.bind((HOST, 0))
        return int(s.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server could listen on *port* now."""
    with socket.socket() as s:
        # As servers do: a connection that was closed a minute ago is no reason to refuse.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def answers(port: int) -> bool:
    """Return whether somebody listens on *port*."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def claim(wanted: Mapping[str, int]) -> None:
    """Raise EngineError naming every port of *wanted* (by purpose) that is taken or configured twice."""
    taken = [f"{port} ({name})" for name, port in wanted.items() if not is_free(port)]
    twice = [f"{port} ({name})" for name, port in wanted.items() if list(wanted.values()).count(port) > 1]
    if taken:
        msg = f"taken by another program: port {', '.join(taken)}"
        raise EngineError(msg, hint="end that program, or set another port under `stack.ports` in the project file")
    if twice:
        msg = f"configured twice: port {', '.join(twice)}"
        raise EngineError(msg, hint="give each service its own under `stack.ports` in the project file")
