"""Single-row predictions over HTTP: `leeway serve` beside MLflow, MLServer and bare applications, in turns in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.serving

All servers have one thread for numeric libraries. They stay up and are measured one after the other, for some seconds
each, round after round, so that what else the machine does concerns all of them. MLflow and MLServer are in
environments of their own (:mod:`benchmarks.serving_peers`). The bare application is what the documentation of Starlette
leads to: uvicorn with uvloop, JSON, and scikit-learn's ``predict_proba`` on a DataFrame or on a numpy array. None but
`leeway serve` checks values, logs predictions and follows promotions.

Then `leeway serve` alone: latency at half of its load, 20 promotions under load, and three features out of the store of
facts beside the same features sent by the caller.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import serving_load as load
from benchmarks import serving_peers as peers
from benchmarks import serving_servers as servers
from benchmarks import serving_world as world
from benchmarks.serving_load import CLIENTS, Load, Measured
from benchmarks.serving_peers import Peer
from benchmarks.serving_servers import Server

PROMOTIONS = 20
PROMOTE_SECONDS = 1.5
"""More than a second, after which `leeway serve` looks for a promotion."""


def main() -> None:
    """Measure and print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each server in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=peers.CACHE, help="folder of the peers' environments")
    parser.add_argument(
        "--beside", nargs="*", choices=(*peers.NAMES, *servers.BARE), default=[*peers.NAMES, *servers.BARE]
    )
    parser.add_argument("--bare", choices=servers.BARE, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare:
        servers.serve_bare(chosen.bare, chosen.port)
        return
    others = [peer for name in peers.NAMES if name in chosen.beside and (peer := _installed(name, chosen.cache))]
    ways = [way for way in servers.BARE if way in chosen.beside]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world.project(folder)
        with servers.running(folder, ways, others) as started:
            for model in world.MODELS:
                own = [server for server in started if server.model == model]
                for clients in (1, CLIENTS):
                    best = _table(model, clients, own, chosen.seconds, chosen.rounds)
                _half_load(model, own[0], best.rate / 2, chosen.seconds * chosen.rounds)
            _promotions(started[0], folder)
            _facts(started[0], chosen.seconds * chosen.rounds)


def _installed(name: str, cache: Path) -> Peer | None:
    try:
        return peers.installed(name, cache)
    except peers.NotInstalled as error:
        print(f"{name} is left out, since it could not be installed: {error}")
        return None


def _table(model: str, clients: int, started: list[Server], seconds: float, rounds: int) -> Measured:
    """Measure all servers in turns, print them, and return what `leeway serve` did."""
    measured = {server.name: Measured() for server in started}
    for turn in range(rounds + 1):
        for server in started:
            of = Load(server.port, server.requests, clients)
            if turn == 0:
                load.send(of, 1.0)  # warm
            else:
                measured[server.name].add(of, server.process, seconds)
    print(f"\n{model}, {clients} clients\n{'server':12}{'requests/s':>11}{'per CPU s':>11}{'p50 ms':>8}{'p99 ms':>8}"
          f"{'leeway is, in wall':>20}{'in CPU':>8}")  # fmt: skip
    own = measured["leeway"]
    for name, m in measured.items():
        print(f"{name:12}{m.rate:11.0f}{m.per_cpu:11.0f}{m.milliseconds(50):8.2f}{m.milliseconds(99):8.2f}"
              f"{own.rate / m.rate:19.1f}x{own.per_cpu / m.per_cpu:7.1f}x", flush=True)  # fmt: skip
    return own


def _half_load(model: str, server: Server, pace: float, seconds: float) -> None:
    half = Measured()
    half.add(Load(server.port, server.requests, CLIENTS, pace), server.process, seconds)
    print(f"{model}, {CLIENTS} clients, half load ({half.rate:.0f} requests/s): "
          f"p50 {half.milliseconds(50):.2f} ms, p99 {half.milliseconds(99):.2f} ms", flush=True)  # fmt: skip


def _promotions(server: Server, folder: Path) -> None:
    """Promote the other version again and again under load; an answer other than 200 would end the benchmark."""

    async def promoting() -> None:
        with world.registry(folder) as reg:
            for n in range(PROMOTIONS):
                await asyncio.sleep(PROMOTE_SECONDS)
                await asyncio.to_thread(world.promote, reg, "trees", ("v2", "v1")[n % 2], n + 1)

    async def both() -> load.Taken:
        of = Load(server.port, server.requests, CLIENTS)
        taken, _ = await asyncio.gather(load.sending(of, (PROMOTIONS + 1) * PROMOTE_SECONDS), promoting())
        return taken

    taken = asyncio.run(both())
    first = taken.answers[: len(taken.answers) // CLIENTS // 2]  # of one client, in order
    versions = [version for version, _ in itertools.groupby(json.loads(answer)["version"] for answer in first)]
    print(f"\n{PROMOTIONS} promotions under load: {len(taken.answers):,} requests, none failed; in half of the time "
          f"one client saw {len(versions) - 1} changes of version; "
          f"p99 {np.percentile(taken.seconds, 99) * 1000:.2f} ms", flush=True)  # fmt: skip


def _facts(server: Server, seconds: float) -> None:
    """Send requests with three features and without them in turns, at half load of what comes at full speed."""
    token = server.requests[0].partition(b"Bearer ")[2].partition(b"\r\n")[0].decode()
    rng, requests = np.random.default_rng(2), []
    for key in world.KEYS:
        row = {**dict(zip(world.FEATURES, rng.normal(size=len(world.FEATURES)).tolist(), strict=True)), "key": key}
        without = {name: value for name, value in row.items() if name not in world.FACTS}
        requests += [load.request("/v1/models/facts/predict", {"instances": [one]}, token) for one in (row, without)]
    # An odd number: each client comes to both kinds.
    of = Load(server.port, requests, CLIENTS - 1)
    pace = len(load.send(of, 2.0).seconds) / 2.0 / 2
    taken = load.send(Load(server.port, requests, CLIENTS - 1, pace), seconds)
    sent, stored = (np.percentile(taken.of_place(kind, 2), [50, 99]) * 1000 for kind in (0, 1))
    print(f"three features of facts, half load ({pace:.0f} requests/s): from the store p50 {stored[0]:.2f}, "
          f"p99 {stored[1]:.2f} ms; sent by the caller p50 {sent[0]:.2f}, p99 {sent[1]:.2f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
