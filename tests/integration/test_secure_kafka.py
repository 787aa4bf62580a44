"""A Kafka broker with authentication: clients and job log in by the address alone, and nobody else can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from features import errors
from features.events import publishing
from features.kafka import connections, offset_ranges
from leeway import assembly, context
from leeway.stack import broker as kafka
from leeway.stack import ports
from leeway.streaming import job_settings
from monitors.flink import deploy_job, run_job
from monitors.report import Report
from tests.support import certificates
from tests.support import topic_events as topic_world
from tests.support.topic_events import World
from tests.support.topic_of_facts import TopicOfFacts

pytestmark = pytest.mark.slow

PASSWORD, VARIABLE = "it's ours; \"nobody\" else's", "LEEWAY_TEST_KAFKA_PASSWORD"
KINDS = ("scram", "plain", "mutual", "unencrypted")
LOGIN = "org.apache.kafka.common.security.{}LoginModule required {};"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Yield the addresses of one broker: open, by password in two ways and without TLS, and by certificate."""
    folder, numbers = tmp_path_factory.mktemp("secure"), {kind: ports.free() for kind in ("tls", "mutual", "bare")}
    ours = certificates.write(folder / "broker.pem", "localhost")
    client = certificates.write(folder / "client.pem", "ann")
    made = kafka.settings

    def settings(at: Path, port: int, controller: int) -> Mapping[str, str]:
        more = f"SASL_SSL://localhost:{numbers['tls']},SSL://localhost:{numbers['mutual']},"
        more += f"SASL_PLAINTEXT://localhost:{numbers['bare']}"
        found = dict(made(at, port, controller))
        user = PASSWORD.replace('"', '\\"')  # for JAAS
        scram = LOGIN.format("scram.Scram", "")
        return found | {
            "listeners": f"{found['listeners']},{more}",
            "advertised.listeners": f"{found['advertised.listeners']},{more}",
            "listener.security.protocol.map": ",".join(
                f"{name}:{name}" for name in ("PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT")
            )
            + ",CONTROLLER:PLAINTEXT",
            "ssl.keystore.type": "PEM", "ssl.keystore.location": str(ours),
            "ssl.truststore.type": "PEM", "ssl.truststore.location": str(client),
            "listener.name.ssl.ssl.client.auth": "required",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": LOGIN.format("plain.Plain", f'user_ann="{user}"'),
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config": scram,
        }  # fmt: skip

    who, tls = f"username=ann&password=env:{VARIABLE}", f"ca={ours}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kafka, "settings", settings)
        patch.setenv(VARIABLE, PASSWORD)
        with kafka.running(folder / "broker") as address:
            with connections.admin(address) as admin:
                for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
                    asked = UserScramCredentialUpsertion("ann", mechanism, PASSWORD)
                    assert {"ann": None} == admin.alter_user_scram_credentials([asked])
            yield {
                "open": address,
                "scram": f"sasl_ssl://localhost:{numbers['tls']}?mechanism=SCRAM-SHA-512&{who}&{tls}",
                "plain": f"sasl_ssl://localhost:{numbers['tls']}?mechanism=PLAIN&{who}&{tls}",
                "mutual": f"ssl://localhost:{numbers['mutual']}?{tls}&cert={client}",
                "unencrypted": f"sasl_plaintext://localhost:{numbers['bare']}?mechanism=SCRAM-SHA-256&{who}",
            }


@pytest.fixture(scope="module")
def world(addresses: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two topics full of events."""
    made = topic_world.make(tmp_path_factory.mktemp("topics"), addresses["open"], "secured")
    for role, rows in zip(("predictions", "labels"), topic_world.events(), strict=True):
        made.send(role, rows)
    made.send("predictions", [topic_world.last(p) for p in range(topic_world.PARTITIONS)])
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_topics_are_made_written_and_read(addresses: Mapping[str, str], kind: str) -> None:
    """Administrator, producer and consumer each connect as the address says."""
    publishing.ensure(addresses[kind], f"made-{kind}", 1)
    with connections.producer(addresses[kind]) as client:
        client.send(f"made-{kind}", b"hello")

    assert [b"hello"] == [record.value for record in offset_ranges.newest_records(addresses[kind], f"made-{kind}", 5)]


@pytest.mark.parametrize("kind", KINDS)
def test_facts_land(addresses: Mapping[str, str], kind: str, tmp_path: Path) -> None:
    """By the same addresses; the password is in no file that landed."""
    topic = TopicOfFacts(addresses["open"], f"facts-{kind}", tmp_path)
    topic.create()
    topic.insert(1, 2)
    topic.bootstrap = addresses[kind]
    assert 2 == topic.land()
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept


def test_the_job_reports_as_it_does_from_an_open_broker(addresses: Mapping[str, str], world: World) -> None:
    """Predictions are read and reports committed by password, labels read by certificate; so is the baseline made."""
    path = replace(world, bootstrap=addresses["scram"]).write_project() / "leeway.yaml"
    labels = f"topic: {world.topics['labels']}"
    path.write_text(path.read_text().replace(labels, f"{labels}, bootstrap: '{addresses['mutual']}'"))
    with context.open(world.folder) as opened:
        model = opened.model()
        topic_world.register(opened, model)
        topics_of = replace(job_settings.input_topics(opened, model), bounded=True)
        how = job_settings.deployment(opened, model)
        run_job.finish(
            deploy_job.start(assembly.spec(opened, model), topics_of, job_settings.outputs(opened, model), how),
            how.logs,
        )
        wanted = topic_world.expected(opened, model, world)
    kept = b"".join(path.read_bytes() for path in world.folder.rglob("*") if path.is_file())
    found = offset_ranges.newest_records(addresses["open"], job_settings.output_topic(model, "reports"), 10_000)

    assert wanted
    assert b"mechanism=SCRAM" in kept  # as in the project file; the password is nowhere
    assert PASSWORD.encode() not in kept
    assert set(topic_world.digests(wanted)) <= {Report.model_validate_json(record.value).digest for record in found}


def test_a_wrong_password_is_told(addresses: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By where, and without the password."""
    monkeypatch.setattr(connections, "TIMEOUT_MS", 1500)
    monkeypatch.setenv(VARIABLE, "guessed")
    for kind in ("scram", "plain", "unencrypted"):
        with pytest.raises(errors.BrokerError) as told, connections.consumer(addresses[kind]):
            pass
        assert "localhost:" in str(told.value)
        assert "password right?" in str(told.value.hint)
        assert "guessed" not in str(told.value)


@pytest.mark.parametrize(
    "change", [("sasl_ssl", "sasl_plaintext"), ("localhost", "127.0.0.1"), ("broker.pem", "client.pem")]
)
def test_who_is_not_who_was_meant_is_not_spoken_to(
    addresses: Mapping[str, str], change: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS, under a name that is not in its certificate, or signed by somebody else: there is no connection."""
    monkeypatch.setattr(connections, "TIMEOUT_MS", 1500)
    address = addresses["scram"].replace(*change)
    if "plaintext" in address:
        address = address.partition("&ca=")[0]
    with pytest.raises(errors.BrokerError, match="does not answer"), connections.consumer(address):
        pass
