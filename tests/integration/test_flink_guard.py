"""Attacks on a Flink cluster of `leeway up`: access without its keys is refused."""

from __future__ import annotations

import socket
import ssl
import stat
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import psutil
import pytest

from features.errors import EngineAway
from features.security import certificates
from leeway.streaming.flink_rest import Cluster
from monitors.flink import rest_address

pytestmark = pytest.mark.slow


def ask(address: str, path: str, context: ssl.SSLContext | None, body: bytes | None = None, **headers: str) -> int:
    """Return how the REST service answers."""
    question = urllib.request.Request(f"{rest_address.parse(address).url}{path}", body, headers)
    try:
        with urllib.request.urlopen(question, timeout=20, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def anybody() -> ssl.SSLContext:
    """Return how a program connects that trusts anybody and has nothing to show."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


@pytest.mark.parametrize("path", ["/overview", "/jobs", "/jars/upload", "/jobmanager/config", "/"])
def test_without_a_certificate_nothing_is_answered(flink_cluster: str, path: str) -> None:
    """No page of the web and no other account of this machine can look at the cluster, or send it a job."""
    for body in (None, b'{"jobGraphFileName": "x"}'):
        with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            ask(flink_cluster, path, anybody(), body, Origin="http://evil.example")


def test_another_certificate_is_none(flink_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One that its owner has signed, as anybody can."""
    other = certificates.key_folder(tmp_path_factory.mktemp("other") / "keys")
    context = anybody()
    context.load_cert_chain(other / "keys.pem")
    with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
        ask(flink_cluster, "/overview", context)


def test_our_client_is_answered_and_even_that_uploads_no_jar(flink_cluster: str) -> None:
    """Jobs are sent by Flink's own client; and a page of another origin may not read what is answered."""
    ours = rest_address.parse(flink_cluster)
    assert 200 == ask(flink_cluster, "/overview", ours.tls())
    assert 404 == ask(flink_cluster, "/jars/upload", ours.tls(), b"x")
    with urllib.request.urlopen(
        urllib.request.Request(f"{ours.url}/overview", headers={"Origin": "http://evil.example"}), context=ours.tls()
    ) as answer:
        assert ours.url == answer.headers["Access-Control-Allow-Origin"]


def test_no_other_port_of_it_speaks_to_a_stranger(flink_cluster: str) -> None:
    """JobManager and TaskManager show each other the certificate too: their calls carry Java objects."""
    rest = urlsplit(rest_address.parse(flink_cluster).url).port
    ports = {port: _refusal(port) for port in _listening(str(rest_address.parse(flink_cluster).keys))}
    assert rest in ports
    assert 4 <= len(ports)
    assert {"certificate"} == set(ports.values())


def _listening(keys: str) -> list[int]:
    """Return the ports of the cluster's processes, which have its folder in their environment."""
    folder = keys.removesuffix("/keys")
    found = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.pid]
    return [c.laddr.port for c in found if psutil.Process(c.pid).environ().get("FLINK_CONF_DIR") == f"{folder}/conf"]


def _refusal(port: int) -> str:
    """Return ``certificate`` if that is what a server wants; else what else happens to a client without one."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw, anybody().wrap_socket(raw) as wrapped:
            return f"it answers {wrapped.recv(1)!r}"
    except ssl.SSLError as error:
        return "certificate" if "CERTIFICATE" in str(error.reason) else str(error)
    except OSError as error:
        return str(error)


def test_keys_are_their_owner_s_alone_and_on_no_command_line(flink_cluster: str) -> None:
    """Neither is the configuration that holds their password anybody else's to read."""
    at = rest_address.parse(flink_cluster).keys
    assert at is not None
    files = [*at.iterdir(), at.parent / "conf" / "config.yaml"]
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in files}
    assert 0o700 == stat.S_IMODE(at.stat().st_mode)
    password = (at / "password").read_text()
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert [] == [line for line in lines if password in line]


def test_job_commands_ask_it_with_the_keys(flink_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """They list its jobs; with other keys they say that it does not answer, as an error of ours."""
    other = certificates.key_folder(tmp_path_factory.mktemp("others") / "keys")
    assert [] == Cluster(flink_cluster).jobs("no such job")
    for address in (f"{flink_cluster.partition('?')[0]}?keys={other}", f"{flink_cluster}-absent"):
        with pytest.raises(EngineAway, match="does not answer"):
            Cluster(address).jobs()
