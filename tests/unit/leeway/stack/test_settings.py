"""Engine settings without which data would be lost silently."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from features import kafka_address
from features.security import certificates
from leeway.stack import broker, cluster, java
from monitors.flink import rest_address
from monitors.flink.config import Engine


def test_the_broker_keeps_events_of_any_age(tmp_path: Path) -> None:
    """Deletion goes by the time in a record: events of last year would go within minutes."""
    assert "-1" == broker.settings(tmp_path, 1, 2)["log.retention.ms"]


def test_one_broker_is_enough_for_groups_and_transactions(tmp_path: Path) -> None:
    """Kafka wants three by default, and would wait for them."""
    told = broker.settings(tmp_path, 1, 2)

    assert {"1"} == {v for k, v in told.items() if k.endswith(("replication.factor", "min.isr"))}
    assert "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2" == told["listeners"]


def test_a_guarded_broker_has_no_listener_that_takes_anybody(tmp_path: Path) -> None:
    """Neither for clients nor for its controller, and its address says what is to be shown."""
    told = {**broker.settings(tmp_path, 1, 2), **broker.tls_settings(1, 2, tmp_path)}

    assert "SSL://127.0.0.1:1,CONTROLLER://127.0.0.1:2" == told["listeners"]
    assert ("SSL:SSL,CONTROLLER:SSL", "required") == (told["listener.security.protocol.map"], told["ssl.client.auth"])
    assert [] == [key for key, value in told.items() if "PLAINTEXT" in value]


def test_addresses_with_keys_survive_odd_folders(tmp_path: Path) -> None:
    """A blank or a percent sign in the path of a project is no reason to find no keys."""
    folder = tmp_path / "a b%20c+d&e?f"
    at = kafka_address.parse(broker.address(1, folder))
    flink = rest_address.parse(cluster.Cluster(folder, rest=1, rpc=2).address)

    assert {str(folder / "keys.pem")} == {at.ca, at.cert}
    assert (folder / "keys", "https://127.0.0.1:1") == (flink.keys, flink.url)


def test_a_broker_finds_its_files_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """Java reads the file of its settings as ISO 8859-1; what it is given are escapes."""
    folder = tmp_path / "pü"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "meta.properties").touch()
    broker.service(folder, 1, 2, tmp_path / "log", tmp_path / "ключ")
    written = (folder / "server.properties").read_text(encoding="latin-1")

    assert f"log.dirs={tmp_path}/p\\u00fc/data\n" in written
    assert f"ssl.keystore.location={tmp_path}/\\u043a\\u043b\\u044e\\u0447/keys.pem\n" in written


def test_flinks_temporary_files_are_where_its_scripts_can_write_them(tmp_path: Path) -> None:
    """They would write those of a folder with a blank beside it."""
    folders = {name: cluster.settings(cluster.Cluster(tmp_path / name, rest=1, rpc=2)) for name in ("pü", "p 1", "p,1")}

    assert {"pü": f"{tmp_path}/pü/tmp"} == {k: v["io.tmp.dirs"] for k, v in folders.items() if "io.tmp.dirs" in v}


def test_keys_are_made_once_and_are_their_owner_s(tmp_path: Path) -> None:
    """The same ones each time; a folder that was left half made is made anew."""
    at = certificates.key_folder(tmp_path / "keys")
    first = (at / "keys.pem").read_bytes()
    assert first == (certificates.key_folder(at) / "keys.pem").read_bytes()
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in at.iterdir()}
    assert 0o700 == stat.S_IMODE(at.stat().st_mode)
    (at / "done").unlink()
    assert first != (certificates.key_folder(at) / "keys.pem").read_bytes()


@pytest.mark.parametrize(
    "text", ["", "host", "http://host:1", "https://host:1", "host:1?keys=/k", "https://host:1?keys=k", "host:1/x"]
)
def test_what_is_no_address_of_flink_is_refused(text: str) -> None:
    """Keys go with https, and https with keys."""
    with pytest.raises(ValueError, match="neither host:port nor"):
        rest_address.parse(text)
    with pytest.raises(ValueError, match="address"):
        Engine(address=text)


def test_the_cluster_keeps_the_java_options_that_arrow_needs(tmp_path: Path) -> None:
    """Without `--add-opens` the first vectorised function fails."""
    told = cluster.settings(cluster.Cluster(tmp_path, rest=1, rpc=2, slots=3))

    assert "--add-opens=java.base/java.nio=ALL-UNNAMED" in told["env.java.opts.all"]
    assert (1, 2, 3) == (told["rest.port"], told["jobmanager.rpc.port"], told["taskmanager.numberOfTaskSlots"])
    assert sys.executable == told["python.executable"]
    assert f"file://{tmp_path}/checkpoints" == told["execution.checkpointing.dir"]


def test_jobs_wait_for_a_task_manager_however_old_the_cluster_is(tmp_path: Path) -> None:
    """Flink's own start-up time is five minutes, after which a job fails at once where no slot is free."""
    told = cluster.settings(cluster.Cluster(tmp_path, rest=1, rpc=2))

    assert "200 d" == told["resourcemanager.standalone.start-up-time"]


def test_metrics_are_reported_where_a_port_is_given(tmp_path: Path) -> None:
    """Each process has its own; 0 means none."""
    where = cluster.Cluster(tmp_path, rest=1, rpc=2, jobmanager_metrics=9249)
    manager, worker = cluster.services(where, tmp_path / "logs")

    assert "metrics.reporter.prom.port=9249" in manager.command
    assert not [part for part in worker.command if "metrics" in part]


def test_java_programs_see_no_options_of_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLINK_ENV_JAVA_OPTS would replace the options that the cluster needs."""
    monkeypatch.setenv("FLINK_ENV_JAVA_OPTS", "-Xmx1m")

    assert "FLINK_ENV_JAVA_OPTS" not in java.environment()
    assert str(java.home()) == java.environment()["JAVA_HOME"]
