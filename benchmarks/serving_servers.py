"""Servers of the serving benchmark as processes: `leeway serve`, a bare ASGI application, and the peers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks import serving_load as load
from benchmarks import serving_world as world
from benchmarks.serving_peers import Peer

BARE = ("numpy", "frame")
"""The bare application on numpy arrays, and the same on DataFrames."""
PATIENCE_SECONDS = 120
REQUESTS = 200


@dataclass(frozen=True)
class Server:
    """A server that runs, with requests to a model of it."""

    name: str
    port: int
    process: psutil.Process
    requests: list[bytes]


def bare(way: str) -> Starlette:
    """Return the bare application: no checks, no log."""
    models = {name: world.fitted(name) for name in world.MODELS}

    async def predict(request: Request) -> JSONResponse:
        rows = (await request.json())["instances"]
        inputs = (
            pd.DataFrame(rows, columns=world.FEATURES)
            if way == "frame"
            else np.array([[r[f] for f in world.FEATURES] for r in rows])
        )
        return JSONResponse({"predictions": models[request.path_params["name"]].predict_proba(inputs)[:, 1].tolist()})

    return Starlette(routes=[Route("/v1/models/{name}/predict", predict, methods=["POST"])])


def serve_bare(way: str, port: int) -> None:
    """Serve the bare application until killed."""
    warnings.simplefilter("ignore")  # scikit-learn's, of arrays without names
    uvicorn.run(bare(way), port=port, log_level="error", loop="uvloop", http="httptools")


@contextmanager
def leeway(model: str, folder: Path) -> Iterator[Server]:
    """Yield `leeway serve` on a project."""
    port = _free_port()
    with _running([sys.executable, "-m", "leeway", "serve", "--port", str(port)], folder, port) as process:
        token = (folder / "serve-token").read_text()
        path = f"/v1/models/{model}/predict"
        yield Server("leeway", port, process, [load.request(path, _named(v), token) for v in _values()])


@contextmanager
def bare_server(way: str, model: str, folder: Path) -> Iterator[Server]:
    """Yield the bare application."""
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.serving", "--bare", way, "--port", str(port)]
    with _running(command, folder, port) as process:
        path = f"/v1/models/{model}/predict"
        yield Server(f"bare {way}", port, process, [load.request(path, _named(v)) for v in _values()])


@contextmanager
def peer_server(peer: Peer, model: str, folder: Path) -> Iterator[Server]:
    """Yield a peer's server."""
    port, own = _free_port(), folder / peer.name / model
    own.mkdir(parents=True)
    with _running(peer.command(model, own, port), own, port) as process:
        yield Server(peer.name, port, process, [load.request(peer.path(model), peer.body(v)) for v in _values()])


def _values() -> list[list[float]]:
    values: list[list[float]] = np.random.default_rng(1).normal(size=(REQUESTS, len(world.FEATURES))).tolist()
    return values


def _named(values: list[float]) -> dict[str, object]:
    return {"instances": [dict(zip(world.FEATURES, values, strict=True))]}


def _free_port() -> int:
    """Return a port that is free, as are the next two, which MLServer takes as well."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[psutil.Process]:
    """Start a server in a folder, and yield its process once it listens; it is ended with its children."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    if command[0] != sys.executable:
        del environment["PYTHONPATH"]  # a peer has modules of its own
    environment["PATH"] = f"{Path(command[0]).parent}{os.pathsep}{environment['PATH']}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    own = psutil.Process(process.pid)
    try:
        _wait(process, port, folder / "server.log")
        yield own
    finally:
        children = own.children(recursive=True) if own.is_running() else []
        process.terminate()
        for child in children:
            if child.is_running():
                child.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    msg = f"the server did not start: {log.read_text()[-500:]}"
    raise RuntimeError(msg)
