"""Security of an embedded Flink: its ports listen on loopback only and serve this user's processes only.

PyFlink 2.3 lets the embedded Flink request workers from this process at a port that it opens on *every* address of the
machine. Whoever connects there sets the environment, the import path and the source of the functions that the worker
runs: anybody in the network could have run code as this user. And the embedded Flink's own REST service accepts jobs
from anybody on this machine.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from features import errors
from features.security import certificates
from monitors.flink import rest_address

_HOST = "127.0.0.1"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_OF_OTHERS = ("PYTHON_LOOPBACK_SERVER_ADDRESS", "PYFLINK_GATEWAY_DISABLED")
"""Variables of the process that requests a worker, which the worker would put into the environment of this one. Flink
that is started here later would have them too: its own workers would run in this process, or it would not start."""
_LOOKS, _PAUSE_SECONDS = 5, 0.05
"""How often a connection is looked for in the tables, and the pause between."""


@functools.cache
def guarded_options() -> dict[str, str]:
    """Return the configuration with which nobody can use the services of an embedded Flink.

    Its keys are made for this process and deleted with it: Leeway itself does not use those services.
    """
    folder = Path(tempfile.mkdtemp(prefix="leeway-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    own = certificates.key_folder(folder / "keys")
    return {
        **rest_address.tls_options(own, "rest"),
        **rest_address.tls_options(own, "internal"),
        **{f"{part}.bind-host": _HOST for part in ("jobmanager", "taskmanager")},
        "rest.address": _HOST,
        "rest.bind-address": _HOST,
        "web.submit.enable": "false",
    }


def listen_on_loopback() -> None:
    """Make PyFlink's worker pool of this process listen on loopback only, and serve this user's processes only."""
    with warnings.catch_warnings():  # it imports Beam, some of it with deprecated names of its own
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyflink.fn_execution.beam import beam_worker_pool_service as service
    pool = service.BeamFnLoopbackWorkerPoolServicer
    if pool.start is not _start:
        pool.start = _start
        pool.StartWorker = functools.partialmethod(_start_worker, pool.StartWorker)


def owner(local: int, remote: int, tables: Iterator[str] | None = None) -> int | None:
    """Return the id of the user whose connection goes from port *local* to port *remote* of this machine.

    None where the system does not say (only Linux does, in `/proc`).

    >>> row = "0: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 7 1"
    >>> owner(0xC001, 0x1F90, iter([row])), owner(1, 2, iter([row]))
    (1000, None)
    """
    for line in _lines() if tables is None else tables:
        cells = line.split()
        if len(cells) > 7 and cells[1].endswith(f":{local:04X}") and cells[2].endswith(f":{remote:04X}"):
            return int(cells[7])
    return None


def _owner(local: int, remote: int) -> int | None:
    """Return the :func:`owner` of a connection that is open now, looking again where it is not in the table.

    The table is no snapshot: where connections come and go while it is read, rows of others are left out.
    """
    for _ in range(_LOOKS):
        user = owner(local, remote)
        if user is not None or not _TABLES[0].exists():
            return user
        time.sleep(_PAUSE_SECONDS)
    return None


def _lines() -> Iterator[str]:
    for table in _TABLES:
        if table.exists():
            yield from table.read_text(encoding="ascii").splitlines()[1:]


def _start(pool: Any) -> str:
    """Start the worker pool as PyFlink's `start` does, on loopback."""
    import grpc  # both are imported with PyFlink's own by now
    from apache_beam.portability.api.org.apache.beam.model.fn_execution.v1 import beam_fn_api_pb2_grpc
    from apache_beam.utils import thread_pool_executor

    if not pool._worker_address:
        threads: Any = thread_pool_executor
        register: Any = beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server
        server = grpc.server(threads.shared_unbounded_instance())
        pool._port = server.add_insecure_port(f"{_HOST}:0")
        register(pool, server)
        server.start()
        pool._worker_address = f"{_HOST}:{pool._port}"
        atexit.register(functools.partial(server.stop, 1))
    address: str = pool._worker_address
    return address


def _start_worker(pool: Any, start: Any, request: Any, context: Any) -> Any:
    """Start a worker if the request comes from a process of this user."""
    peer = re.fullmatch(r"ipv4:127\.0\.0\.1:(\d+)", context.peer())
    user = _owner(int(peer[1]), pool._port) if peer else None
    if peer is None or (user != os.getuid() and _TABLES[0].exists()):
        msg = f"a worker was requested by {context.peer()}, which is no process of this user"
        raise errors.EngineError(msg, hint="another account of this machine is trying to get in")
    for name in _OF_OTHERS:
        request.params.pop(name, None)
    return start(pool, request, context)
