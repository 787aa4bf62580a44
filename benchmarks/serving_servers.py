"""Servers of the serving benchmark as processes: `leeway serve`, a bare ASGI application, and the peers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
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
PATIENCE_SECONDS = 900
REQUESTS = 200


@dataclass(frozen=True)
class Server:
    """A server that runs, with requests to a model of it."""

    name: str
    model: str
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
def running(folder: Path, ways: Sequence[str], others: Sequence[Peer]) -> Iterator[list[Server]]:
    """Yield all servers of a project, one for each model, once they listen: `leeway serve` first."""
    with ExitStack() as stack:
        begun = [stack.enter_context(_started("leeway", folder, lambda port: _leeway("serve", "--port", str(port))))]
        begun += [stack.enter_context(_started(f"bare {way}", folder, partial(_bare_command, way))) for way in ways]
        for peer in others:
            own = folder / peer.name
            own.mkdir()
            peer.prepare(own)
            for model in world.MODELS if peer.name == "mlflow" else ("",):
                name = f"{peer.name} {model}".strip()
                begun.append(stack.enter_context(_started(name, own, partial(peer.command, model, own))))
        for one in begun:
            one.wait()
        yield [server for model in world.MODELS for server in _of_model(model, begun, others, folder)]


def _of_model(model: str, begun: Sequence[_Started], others: Sequence[Peer], folder: Path) -> Iterator[Server]:
    peers, token = {peer.name: peer for peer in others}, (folder / "serve-token").read_text()
    for one in begun:
        name, _, own = one.name.partition(" ")
        if own in world.MODELS and own != model:
            continue
        if name in peers:
            requests = [load.request(peers[name].path(model), peers[name].body(v)) for v in _values()]
        else:
            requests = [load.request(f"/v1/models/{model}/predict", _named(v), token) for v in _values()]
        yield Server(one.name.removesuffix(f" {model}"), model, one.port, psutil.Process(one.process.pid), requests)


def _leeway(*words: str) -> list[str]:
    return [sys.executable, "-m", "leeway", *words]


def _bare_command(way: str, port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.serving", "--bare", way, "--port", str(port)]


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


@dataclass(frozen=True)
class _Started:
    """A server that was started."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.2)
        msg = f"{self.name} did not start: {self.log.read_text()[-500:]}"
        raise RuntimeError(msg)


@contextmanager
def _started(name: str, folder: Path, command: Callable[[int], list[str]]) -> Iterator[_Started]:
    """Start a server in a folder, and end it with its children."""
    port = _free_port()
    words, log = command(port), folder / f"{name}.log"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    if words[0] != sys.executable:
        del environment["PYTHONPATH"]  # a peer has modules of its own
    environment["PATH"] = f"{Path(words[0]).parent}{os.pathsep}{environment['PATH']}"
    with log.open("wb") as out:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=out, stderr=out)
    try:
        yield _Started(name, port, process, log)
    finally:
        own = psutil.Process(process.pid)
        for child in own.children(recursive=True) if process.poll() is None else []:
            child.terminate()
        process.terminate()
        process.wait()
