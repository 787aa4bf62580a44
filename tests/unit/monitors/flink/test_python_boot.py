"""The boot program of embedded Python functions: runs in a thread, and is the Python interpreter otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent import futures
from typing import Any

import grpc

from monitors.flink import python_boot

BOOT = "pyflink.fn_execution.beam.beam_boot"


class _Pool(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every call with an empty message, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, _: self._keep(details.method, request))

    def _keep(self, method: str, request: bytes) -> bytes:
        self.asked.append((method, request))
        return b""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program with *arguments*."""
    return subprocess.run(
        [python_boot.executable(), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_it_is_installed_beside_python() -> None:
    """Embedded jobs use the program, not Python itself."""
    assert python_boot.executable().endswith(python_boot.PROGRAM)


def test_it_is_python_in_all_else() -> None:
    """Flink asks it where PyFlink is, and runs modules with it, arguments and all."""
    assert f"{sys.executable} ['-c', 'x']\n" == run("-c", "import sys; print(sys.executable, sys.argv)", "x").stdout
    assert run("-m", "platform").stdout


def test_it_asks_the_process_that_started_the_job_for_a_worker() -> None:
    """PyFlink's own request arrives, with the worker's id and the address where it gets its work."""
    pool, server = _Pool(), grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([pool])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        run("-m", BOOT, "--id=7-1", "--provision_endpoint=localhost:9", PYTHON_LOOPBACK_SERVER_ADDRESS=address)
    finally:
        server.stop(None)

    ((method, request),) = pool.asked
    assert method.endswith("/StartWorker")
    assert b"7-1" in request
    assert b"localhost:9" in request
