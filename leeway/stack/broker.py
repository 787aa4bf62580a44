"""The local stack's Kafka broker: one KRaft node on loopback, with its data in a folder of the project."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from features import kafka_address
from features.security import certificates
from leeway.stack import coordinates, java, ports, processes

HEAP = "256m"
"""Heap of the broker's JVM."""


def settings(folder: Path, port: int, controller: int) -> Mapping[str, str]:
    """Return the broker's settings.

    One node keeps one replica. Retention is unlimited: a broker deletes by the time in a record, so events of an
    earlier year would be deleted within minutes of being written.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{ports.HOST}:{controller}",
        "listeners": f"PLAINTEXT://{ports.HOST}:{port},CONTROLLER://{ports.HOST}:{controller}",
        # A killed broker can register again only once its old session has ended; the default is nine seconds.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "advertised.listeners": f"PLAINTEXT://{ports.HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(folder / "data"),
        "log.retention.ms": "-1",
        "log.message.timestamp.after.max.ms": "9223372036854775807",
        "offsets.retention.minutes": "525600",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "transaction.max.timeout.ms": "86400000",
        "group.initial.rebalance.delay.ms": "0",
        "log.cleaner.dedupe.buffer.size": "16777216",
        "auto.create.topics.enable": "true",
    }


def tls_settings(port: int, controller: int, shown: Path) -> Mapping[str, str]:
    """Return the settings for mutual TLS with the certificate in the folder *shown* (see `keys`)."""
    at, file = f"SSL://{ports.HOST}:{port}", str(shown / certificates.PEM)
    return {
        "listeners": f"{at},CONTROLLER://{ports.HOST}:{controller}",
        "advertised.listeners": at,
        "listener.security.protocol.map": "SSL:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "SSL",
        "ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": file,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": file,
    }


def address(port: int, shown: Path) -> str:
    """Return the address of a broker with TLS, in the form of `kafka_address`."""
    file = quote(str(shown / certificates.PEM))
    return f"ssl://{ports.HOST}:{port}?ca={file}&cert={file}"


def service(folder: Path, port: int, controller: int, log: Path, shown: Path | None = None) -> processes.Service:
    """Return the broker as a service; its folder is formatted the first time.

    With the keys in the folder *shown* only clients with them can connect; without, every account of this machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, broker_settings = folder / "server.properties", settings(folder, port, controller)
    broker_settings = {**broker_settings, **(tls_settings(port, controller, shown) if shown else {})}
    file.write_text(java.properties(broker_settings), encoding="ascii")
    if not (folder / "data" / "meta.properties").exists():
        _format(file, log)
    return processes.Service(
        name="broker",
        command=[*_java(), f"-Xmx{HEAP}", f"-Xms{HEAP}", "kafka.Kafka", str(file)],
        log=log,
        healthy=lambda: answers(port, address(port, shown) if shown else f"{ports.HOST}:{port}"),
        environment=java.environment(),
    )


@contextmanager
def running(folder: Path, port: int | None = None) -> Iterator[str]:
    """Yield ``127.0.0.1:port`` of an open broker with its data in *folder*, for tests; it is stopped with the block.

    Raises EngineError: the broker does not come up.
    """
    at = port or ports.free()
    with processes.running(service(folder, at, ports.free(), folder / "broker.log")):
        yield f"{ports.HOST}:{at}"


def answers(port: int, at: str) -> bool:
    """Return whether the broker *at* an address answers a request to list its topics."""
    from kafka import KafkaAdminClient  # an optional package
    from kafka.errors import KafkaError

    if not ports.answers(port):
        return False
    try:
        client = KafkaAdminClient(**kafka_address.parse(at).python_options(), request_timeout_ms=5000)
    except (KafkaError, ValueError, OSError):
        return False
    try:
        client.list_topics()
    except (KafkaError, ValueError, OSError):
        return False
    finally:
        client.close()
    return True


def _format(file: Path, log: Path) -> None:
    """Format the broker's folder with an id of its own; one that is formatted already is left as it is."""
    name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [
        *_java(),
        "-Xmx64m",
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={name}",  # one word, as it may begin with a dash
        "-c",
        str(file),
        "--ignore-formatted",
    ]
    processes.finish(processes.Service("the broker's format step", command, log, environment=java.environment()))


def _java() -> list[str]:
    return [
        java.program(), "-cp", coordinates.classpath("kafka"), "-Djava.net.preferIPv4Stack=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        "-Dorg.slf4j.simpleLogger.showThreadName=false",
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
        "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn", "-XX:+UseSerialGC",
    ]  # fmt: skip
