"""The local stack's Flink session cluster, from the pip package: a JobManager and a TaskManager on loopback."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ruamel.yaml import YAML

from features.security import certificates, local_http
from leeway.stack import java, ports, processes
from monitors.flink import file_paths, rest_address

LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %-5p %c{1.} - %m%n
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster's folder, ports and number of slots.

    *folder* holds its configuration, its checkpoints and its savepoints. A metrics port of 0 means no metrics.
    """

    folder: Path
    rest: int
    rpc: int
    slots: int = 2
    jobmanager_metrics: int = 0
    taskmanager_metrics: int = 0

    @property
    def keys(self) -> Path:
        """The folder of the keys for mutual TLS."""
        return self.folder / "keys"

    @property
    def address(self) -> str:
        """The REST address in the form of `rest_address`, keys included."""
        return f"https://{ports.HOST}:{self.rest}?keys={quote(str(self.keys))}"


@contextmanager
def running(folder: Path, slots: int = 2) -> Iterator[str]:
    """Yield the REST address (with its keys) of a cluster with *slots* slots; it is stopped with the block.

    Raises EngineError: the cluster does not come up.
    """
    made = Cluster(folder, rest=ports.free(), rpc=ports.free(), slots=slots)
    manager, worker = services(made, folder / "logs")
    with processes.running(manager), processes.running(worker):
        yield made.address


def services(cluster: Cluster, logs: Path) -> tuple[processes.Service, processes.Service]:
    """Return the JobManager and the TaskManager as services, their configuration written."""
    conf = cluster.folder / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / "config.yaml").touch(mode=0o600)
    (conf / "config.yaml").chmod(0o600)  # the keys' password is in it
    with (conf / "config.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(settings(cluster), file)
    (conf / "log4j-console.properties").write_text(LOGGING, encoding="utf-8")
    return _service(cluster, "jobmanager", logs), _service(cluster, "taskmanager", logs)


def settings(cluster: Cluster) -> dict[str, Any]:
    """Return the configuration of both, flat.

    It starts from the one that Flink ships, whose `--add-opens` Arrow cannot do without.
    """
    shipped = YAML(typ="safe").load(flink_home() / "conf" / "config.yaml")
    shown = certificates.key_folder(cluster.keys)
    return {
        **_flat(shipped),
        "jobmanager.rpc.address": ports.HOST,
        "jobmanager.rpc.port": cluster.rpc,
        "jobmanager.bind-host": ports.HOST,
        "jobmanager.memory.process.size": "1024m",
        # A short start matters more than speed here: it takes half the time if Java compiles once.
        "env.java.opts.jobmanager": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "rest.address": ports.HOST,
        "rest.bind-address": ports.HOST,
        "rest.port": cluster.rest,
        "rest.bind-port": cluster.rest,
        # A client that can submit a job runs code as this user, and any web page can send a form here: so the REST
        # service and the internal connections of JobManager and TaskManager require client certificates.
        **rest_address.tls_options(shown, "rest"),
        **rest_address.tls_options(shown, "internal"),
        "web.submit.enable": False,
        "web.cancel.enable": False,
        "web.rescale.enable": False,
        "web.access-control-allow-origin": f"https://{ports.HOST}:{cluster.rest}",
        "taskmanager.host": ports.HOST,
        "taskmanager.bind-host": ports.HOST,
        "taskmanager.numberOfTaskSlots": cluster.slots,
        "taskmanager.memory.process.size": "1984m",
        # Each submission loads the job's jars again, and Flink unloads classes late: the default of 256 MB lasted for
        # about ten submissions.
        "taskmanager.memory.jvm-metaspace.size": "512m",
        "taskmanager.memory.managed.size": "256m",
        # A dead TaskManager is detected after 12 s, not after 50.
        "heartbeat.interval": "1 s",
        "heartbeat.timeout": "12 s",
        # Jobs wait while another TaskManager starts. By default they do so only in a cluster's first five minutes, and
        # later use up their ten restarts within eleven seconds. More than 248 days overflow.
        "resourcemanager.standalone.start-up-time": "200 d",
        "execution.checkpointing.dir": file_paths.to_flink(cluster.folder / "checkpoints"),
        "execution.checkpointing.savepoint-dir": file_paths.to_flink(cluster.folder / "savepoints"),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        **_temporary(_made(cluster.folder / "tmp")),
    }


def _temporary(folder: Path) -> dict[str, str]:
    """Return the setting of temporary files; it is Flink's own where its scripts could not have *folder*.

    They do not quote it, so that one with a blank would be files elsewhere; and Flink splits it at commas and colons.
    """
    return {"io.tmp.dirs": str(folder)} if re.fullmatch(r"[\w/.@%+=-]+", str(folder)) else {}


def flink_home() -> Path:
    """Return the folder of the pip package, which is a Flink distribution; it is not imported."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        msg = "apache-flink is not installed"
        raise ModuleNotFoundError(msg)
    return Path(spec.origin).parent


def overview(address: str) -> dict[str, Any]:
    """Return the overview of the cluster at *address*; empty where it does not answer."""
    try:
        at = rest_address.parse(address)
        with local_http.opened(f"{at.url}/overview", timeout=3, tls=at.tls()) as answer:
            return dict(json.load(answer))
    except (OSError, ValueError):
        return {}


def _service(cluster: Cluster, role: str, logs: Path) -> processes.Service:
    """Return the JobManager or the TaskManager as a service, healthy once the cluster's REST endpoint counts it."""
    script = str(flink_home() / "bin" / f"{role}.sh")
    metrics = cluster.jobmanager_metrics if role == "jobmanager" else cluster.taskmanager_metrics
    wanted = "flink-version" if role == "jobmanager" else "slots-total"
    return processes.Service(
        name=role,
        command=["bash", script, "start-foreground", *_reporter(metrics)],
        log=logs / f"{role}.log",
        healthy=lambda: bool(overview(cluster.address).get(wanted)),
        environment=_environment(cluster.folder),
    )


def _reporter(port: int) -> list[str]:
    factory = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"
    options = {"factory.class": factory, "port": port} if port else {}
    return [part for key, value in options.items() for part in ("-D", f"metrics.reporter.prom.{key}={value}")]


def _environment(folder: Path) -> Mapping[str, str]:
    """Return the variables by which Flink's scripts find Java, the package from pip, and this cluster's folders."""
    home = flink_home()
    return {
        **java.environment(),
        "FLINK_HOME": str(home),
        "FLINK_LIB_DIR": str(home / "lib"),
        "FLINK_OPT_DIR": str(home / "opt"),
        "FLINK_PLUGINS_DIR": str(home / "plugins"),
        "FLINK_CONF_DIR": str(folder / "conf"),
        "FLINK_LOG_DIR": str(_made(folder / "tmp")),
        "FLINK_PID_DIR": str(_made(folder / "tmp")),
        # A learner's worker then needs no child of its own (`retrain_flows.training.hash_seed`).
        "PYTHONHASHSEED": "0",
    }


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
