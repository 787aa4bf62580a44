"""Network partition between ingester and database: it is reported, and afterwards each report is stored once."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
import sqlalchemy as sa

from features.errors import RegistryAway
from leeway.stack import postgres
from leeway.streaming.reconnect import Reconnecting
from monitors.flink.committed_output import CommittedFiles
from monitors.report import Report
from registry import queries
from registry.connection import Registry
from registry.incidents import ingest
from tests.support import audit_chain
from tests.support import registry_values as make

pytestmark = pytest.mark.slow


class Network:
    """A way to a server that can be cut: then nothing passes any more, and nobody is told."""

    def __init__(self, to: int) -> None:
        """Listen on a port of its own."""
        self.to, self.whole = to, threading.Event()
        self.whole.set()
        self._links: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._links.append(client)
                if self.whole.is_set():
                    self._links.append(server := socket.create_connection(("127.0.0.1", self.to)))
                    for a, b in ((client, server), (server, client)):
                        threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a: socket.socket, b: socket.socket) -> None:
        with suppress(OSError):
            while data := a.recv(65536):
                self.whole.wait()
                b.sendall(data)
        for end in (a, b):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def give_up(self) -> None:
        """Let both ends notice that their links are broken, as the system does in time."""
        for link in self._links:
            link.close()
        self._links.clear()

    def close(self) -> None:
        """End everything."""
        self.whole.set()
        self._door.close()
        self.give_up()


@pytest.fixture
def server() -> Iterator[sa.URL]:
    """Yield a server of the test's own, where whoever runs it may get."""
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder), durable=False) as url:
        yield sa.make_url(url).set(drivername="postgresql+psycopg")


@contextmanager
def network(server: sa.URL) -> Iterator[tuple[Network, str]]:
    """Yield a network and the address of the server behind it; who asks waits two seconds for a connection."""
    assert server.port is not None
    made = Network(server.port)
    url = server.set(port=made.port).update_query_dict({"connect_timeout": "2"})
    try:
        yield made, url.render_as_string(hide_password=False)
    finally:
        made.close()


def test_a_partition_is_told_and_over_it_no_report_is_lost_or_doubled(server: sa.URL, tmp_path: Path) -> None:
    """What is committed meanwhile waits in its place; whoever asks for the registry hears that it is away."""
    told: list[str] = []
    committed = CommittedFiles(*(tmp_path / kind for kind in ("reports", "rejects", "progress")))
    with network(server) as (way, url), Registry.open(url, tmp_path) as registry:
        make.champion(registry)
        work = Reconnecting(
            lambda: nullcontext(lambda: committed.reports(lambda lines: _store(registry, lines))), told.append
        )
        with work:
            _commit(tmp_path, 1)
            assert 1 == work()
            way.whole.clear()
            _commit(tmp_path, 2)
            stuck = threading.Thread(target=work)
            stuck.start()
            with pytest.raises(RegistryAway, match="timeout"):
                Registry.open(url, tmp_path)
            way.give_up()
            stuck.join(20)
            assert [True] == ["registry cannot be used" in line and "next attempt in 1 s" in line for line in told]
            _commit(tmp_path, 3)
            way.whole.set()
            _until(lambda: work() == 2)
        assert told[-1].startswith("connected again")
        assert [1, 1, 1] == [w.revision for w in queries.windows(registry, "m")]
        assert [] == audit_chain.verify(registry)


def _commit(folder: Path, day: int) -> None:
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / f"part-{day}").write_text(make.window(day).model_dump_json() + "\n")


def _store(registry: Registry, lines: list[str]) -> None:
    ingest.ingest(registry, [Report.model_validate_json(line) for line in lines], now=make.NOW)


def _until(true: Callable[[], bool]) -> None:
    last = monotonic() + 30
    while not true():
        assert monotonic() < last, "nothing was taken in after the partition was over"
        sleep(0.1)
