"""Single-row predictions over HTTP: `leeway serve` beside a bare ASGI application, in one run on the same cores.

The bare one is what the documentation of Starlette leads to: uvicorn with uvloop, JSON, and scikit-learn's
``predict_proba`` on a DataFrame or on a numpy array. It checks nothing, logs nothing and follows nothing. Neither
MLflow's nor any other model server is measured here; they need environments of their own.

    OMP_NUM_THREADS=1 python -m benchmarks.serving
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import uvicorn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from features.schema import EventSchema, FeatureKind, Task
from features.window import UTC
from monitors.baseline.baseline import Baseline
from monitors.stats.bins import freeze_numeric
from registry import operations
from registry.connection import Registry
from registry.files import artifacts
from registry.records import Version

FEATURES = [f"x{i:02}" for i in range(25)]
TREES = ("sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
         "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")  # fmt: skip
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = ("trees", "linear")
WAYS = ("leeway", "numpy", "frame")
"""Servers: `leeway serve`; the bare application on numpy arrays; the same on DataFrames."""


def fitted(name: str) -> Any:
    """Return 100 gradient-boosted trees, or a scaler and a logistic regression, on 25 features."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(5000, len(FEATURES))), columns=FEATURES)
    label = (rng.random(5000) < 1 / (1 + np.exp(-frame.sum(axis=1)))).astype(int)
    last = HistGradientBoostingClassifier(max_iter=100) if name == "trees" else LogisticRegression()
    return (last if name == "trees" else make_pipeline(StandardScaler(), last)).fit(frame, label)


def project(folder: Path) -> None:
    """Write a project with both models as champions."""
    section = {"task": "binary", "features": dict.fromkeys(FEATURES, "numeric")}
    models = {
        name: {**section, "events": {"predictions": {"path": f"log/{name}"}, "labels": {"path": "labels"}},
               "retrain": {"trainer": "trainers:static", "trust": list(TREES)}} for name in MODELS
    }  # fmt: skip
    (folder / "leeway.yaml").write_text(json.dumps({"project": "bench", "state": ".", "models": models}))
    kinds = dict.fromkeys(FEATURES, FeatureKind.NUMERIC)
    with Registry.open(f"sqlite:///{folder / 'leeway.db'}", folder / "artifacts") as registry:
        for name in MODELS:
            operations.add_model(registry, model=name, task="binary", now=NOW)
            digest = registry.artifacts.put(artifacts.dump_model(fitted(name)))
            version = Version(model=name, version="v1", mode="static", artifact=digest, created_at=NOW)
            operations.add_version(registry, version)
            normal = freeze_numeric(np.random.default_rng(0).normal(size=5000))
            schema = EventSchema(model=name, task=Task.BINARY, features=kinds)
            baseline = Baseline(events=schema, version="v1", start=NOW, end=NOW.replace(day=2), rows=5000,
                                bins=dict.fromkeys(FEATURES, normal), inputs=())  # fmt: skip
            operations.store_baseline(registry, baseline, now=NOW)
            operations.promote(registry, model=name, version="v1", expected_generation=0, effective_at=NOW,
                               actor="bench", reason="bench", now=NOW)  # fmt: skip


def bare(way: str) -> Starlette:
    """Return the bare application: no checks, no log."""
    models = {name: fitted(name) for name in MODELS}

    async def predict(request: Request) -> JSONResponse:
        rows = (await request.json())["instances"]
        inputs = (
            pd.DataFrame(rows, columns=FEATURES)
            if way == "frame"
            else np.array([[r[f] for f in FEATURES] for r in rows])
        )
        return JSONResponse({"predictions": models[request.path_params["name"]].predict_proba(inputs)[:, 1].tolist()})

    return Starlette(routes=[Route("/v1/models/{name}/predict", predict, methods=["POST"])])


def serve_bare(way: str, port: int) -> None:
    """Serve the bare application until killed."""
    warnings.simplefilter("ignore")  # scikit-learn's, of arrays without names
    uvicorn.run(bare(way), port=port, log_level="error", loop="uvloop", http="httptools")


@contextmanager
def server(way: str, folder: Path) -> Iterator[tuple[int, str, psutil.Process]]:
    """Yield port, token and process of a server."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    own = [sys.executable, "-m", "leeway", "serve", "--port", str(port)]
    command = (
        own if way == "leeway" else [sys.executable, "-m", "benchmarks.serving", "--bare", way, "--port", str(port)]
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        token = folder / "serve-token"
        yield port, token.read_text() if token.exists() else "", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@dataclass(frozen=True)
class Measured:
    """Requests per second of wall time and of the server's processor time, and latencies in ms."""

    rate: float
    per_cpu: float
    p50: float
    p99: float


def measure(way: str, model: str, clients: int, seconds: float, folder: Path, pace: float | None = None) -> Measured:
    """Return how a server does under *clients* connections; with *pace* at so many requests a second in all."""
    with server(way, folder) as (port, token, process):
        asyncio.run(_load(port, token, model, clients, 1.0, None))  # warm
        before = process.cpu_times()
        taken, wall = asyncio.run(_load(port, token, model, clients, seconds, pace))
        after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    p50, p99 = np.percentile(taken, [50, 99]) * 1000
    return Measured(len(taken) / wall, len(taken) / cpu, float(p50), float(p99))


async def _load(
    port: int, token: str, model: str, clients: int, seconds: float, pace: float | None
) -> tuple[Sequence[float], float]:
    """Return the seconds of each request, and of all."""
    rng = np.random.default_rng(1)
    requests = [_request(model, token, rng.normal(size=len(FEATURES))) for _ in range(200)]
    begun = time.perf_counter()
    each = clients / pace if pace else 0.0
    parts = await asyncio.gather(*(_client(port, requests, begun + seconds, each, i) for i in range(clients)))
    return [t for part in parts for t in part], time.perf_counter() - begun


def _request(model: str, token: str, values: Any) -> bytes:
    body = json.dumps({"instances": [dict(zip(FEATURES, values.tolist(), strict=True))]}).encode()
    head = f"POST /v1/models/{model}/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _client(port: int, requests: Sequence[bytes], until: float, every: float, number: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken, due, i = [], time.perf_counter() + every * number / 16, number
    while (now := time.perf_counter()) < until:
        if every and due > now:
            await asyncio.sleep(due - now)
        begun = time.perf_counter()
        due += every
        writer.write(requests[i % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        taken.append(time.perf_counter() - begun)
        i += 1
    writer.close()
    return taken


def main() -> None:
    """Print a table of all servers, and the ratios of `leeway serve` to the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--bare", choices=WAYS[1:])
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.bare:
        serve_bare(arguments.bare, arguments.port)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project(folder)
        print("model   clients  server   requests/s  per CPU second  p50 ms  p99 ms")
        for model in MODELS:
            for clients in (1, 16):
                results = {way: measure(way, model, clients, arguments.seconds, folder) for way in WAYS}
                for way, m in results.items():
                    print(f"{model:8}{clients:7}  {way:8}{m.rate:11.0f}{m.per_cpu:16.0f}{m.p50:8.2f}{m.p99:8.2f}")
                own = results["leeway"]
                for way in WAYS[1:]:
                    other = results[way]
                    wall, cpu = own.rate / other.rate, own.per_cpu / other.per_cpu
                    print(f"{'':17}leeway/{way}: {wall:.1f} in wall time, {cpu:.1f} in CPU time")
            half = measure("leeway", model, 16, arguments.seconds, folder, pace=results["leeway"].rate / 2)
            print(f"{model:8}{16:7}  leeway at half load: p50 {half.p50:.2f} ms, p99 {half.p99:.2f} ms")


if __name__ == "__main__":
    main()
