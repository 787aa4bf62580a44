"""Load on a prediction server: clients that send one request after another on connections of their own, and latencies.

The client writes HTTP by hand, since a library's client would cost more than a fast server.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

CLIENTS = 16


@dataclass(frozen=True)
class Load:
    """What clients send.

    Parameters
    ----------
    port
        The server's port on this machine.
    requests
        Requests as bytes; a client sends them in turns.
    clients
        How many clients there are.
    pace
        Requests a second of all clients together; None: each sends the next one as soon as it has an answer.
    """

    port: int
    requests: Sequence[bytes]
    clients: int
    pace: float | None = None


@dataclass(frozen=True)
class Taken:
    """The seconds of each request in order of its client, its place in the requests, its answer, and the wall time."""

    seconds: Sequence[float]
    places: Sequence[int]
    answers: Sequence[bytes]
    wall: float

    def of_place(self, remainder: int, divisor: int) -> list[float]:
        """Return the seconds of the requests whose place leaves a remainder."""
        return [s for s, place in zip(self.seconds, self.places, strict=True) if place % divisor == remainder]


def request(path: str, body: dict[str, Any], token: str = "") -> bytes:
    """Return a request as bytes."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def send(load: Load, seconds: float) -> Taken:
    """Send requests for so long, and return what they took; RuntimeError for an answer other than 200."""
    return asyncio.run(sending(load, seconds))


async def sending(load: Load, seconds: float) -> Taken:
    """As :func:`send`, in an event loop that is there."""
    begun = time.perf_counter()
    parts = await asyncio.gather(*(_client(load, begun + seconds, i) for i in range(load.clients)))
    rows = [row for part in parts for row in part]
    taken, places, answers = zip(*rows, strict=True)
    return Taken(taken, places, answers, time.perf_counter() - begun)


async def _client(load: Load, until: float, number: int) -> list[tuple[float, int, bytes]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
    every = load.clients / load.pace if load.pace else 0.0
    rows, due, i = [], time.perf_counter() + every * number / load.clients, number
    while time.perf_counter() < until:
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        begun, due, place = time.perf_counter(), due + every, i % len(load.requests)
        writer.write(load.requests[place])
        answer = await _answer(reader)
        rows.append((time.perf_counter() - begun, place, answer))
        i += 1
    writer.close()
    return rows


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError((head + body).decode())
    return body


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor seconds of a server with its children."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


@dataclass
class Measured:
    """Sums over rounds: requests, wall and processor seconds of the server, and all latencies in seconds."""

    requests: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    seconds: tuple[float, ...] = ()

    def add(self, load: Load, process: psutil.Process, seconds: float) -> None:
        """Measure for so long."""
        before = cpu_seconds(process)
        taken = send(load, seconds)
        self.cpu += cpu_seconds(process) - before
        self.requests, self.wall = self.requests + len(taken.seconds), self.wall + taken.wall
        self.seconds += tuple(taken.seconds)

    @property
    def rate(self) -> float:
        """Requests a second of wall time."""
        return self.requests / self.wall

    @property
    def per_cpu(self) -> float:
        """Requests a second of the server's processor time."""
        return self.requests / max(self.cpu, 1e-9)

    def milliseconds(self, percentile: float) -> float:
        """Return a percentile of the latencies, in ms."""
        return float(np.percentile(self.seconds, percentile)) * 1000
