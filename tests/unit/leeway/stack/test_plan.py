"""Stack plan: the services that the project needs and the environment does not provide."""

from __future__ import annotations

import pytest

from leeway.stack import broker, build, plan
from retrain_flows.orchestration import server_settings
from tests.unit.leeway.stack.conftest import Make

ALL = {"postgres": "LEEWAY_DATABASE", "broker": "LEEWAY_KAFKA", "flink": "LEEWAY_FLINK", "prefect": "PREFECT_API_URL"}
TOPIC = "topic: predictions"
STACKED = "database: env:LEEWAY_DATABASE\nflink: {address: 'env:LEEWAY_FLINK'}"


def test_a_project_on_files_needs_no_engine_but_prefect(make: Make) -> None:
    """Nothing is started that nobody would use, and why not is said."""
    planned = plan.plan_stack(make())

    assert {"prefect": "PREFECT_API_URL"} == planned.variables
    assert {"postgres", "broker", "flink"} == set(planned.elsewhere)
    assert ["dashboard", "flows"] == list(planned.arguments)


def test_whatever_is_left_to_the_environment_is_started(make: Make) -> None:
    """Topics need a broker without another word: its address is left to LEEWAY_KAFKA by default."""
    planned = plan.plan_stack(make(STACKED, TOPIC))

    assert ALL == planned.variables
    assert {} == planned.elsewhere


def test_what_the_environment_has_is_not_started(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set is a server of the user's own."""
    for name in ALL.values():
        monkeypatch.setenv(name, "host:1")
    planned = plan.plan_stack(make(STACKED, TOPIC))

    assert {} == planned.variables
    assert "LEEWAY_DATABASE is set" == planned.elsewhere["postgres"]


def test_an_address_in_the_file_is_not_started(make: Make) -> None:
    """It is told where the server is."""
    planned = plan.plan_stack(make("kafka: {bootstrap: 'kafka.local:9092'}", TOPIC))

    assert "kafka.local:9092" == planned.elsewhere["broker"]


def test_a_source_may_be_elsewhere(make: Make) -> None:
    """No broker is started for an address that no source has; nothing of what is said holds a user."""
    secured = "sasl_ssl://kafka.local:9093?mechanism=PLAIN&username=ann&password=env:KAFKA_PASSWORD"
    planned = plan.plan_stack(make(place=f"{TOPIC}, bootstrap: '{secured}'"))

    assert "kafka.local:9093" == planned.elsewhere["broker"]
    assert "kafka.local:9093" == plan.plan_stack(make(f"kafka: {{bootstrap: '{secured}'}}", TOPIC)).elsewhere["broker"]


def test_everything_is_everything(make: Make) -> None:
    """`--all` starts engines that nobody uses, under the usual names."""
    assert ALL == plan.plan_stack(make(), everything=True).variables


def test_a_model_in_topics_is_watched(make: Make) -> None:
    """Its monitor is a service; one in directories is watched by whoever wants to."""
    assert ("monitor", "--model", "m") == plan.plan_stack(make(place=TOPIC)).arguments["monitor-m"]


def test_models_react_by_schedule_unless_the_file_says_otherwise(make: Make) -> None:
    """Whoever replays history has them react in its own time; two would decide at two different moments."""
    assert ("flows", "serve") == plan.plan_stack(make()).arguments["flows"]
    assert "flows" not in plan.plan_stack(make("stack: {flows: false}")).arguments


def test_alerts_are_sent_where_there_are_endpoints(make: Make) -> None:
    """Without one there is nothing to send to."""
    endpoint = "alerts: {endpoints: [{name: ops, url: 'http://127.0.0.1:1/', secret_env: KEY}]}"

    assert ("alerts", "deliver", "--watch") == plan.plan_stack(make(endpoint)).arguments["alerts"]


def test_only_ports_of_what_is_started_are_wanted(make: Make) -> None:
    """A port that nobody is going to listen on may be taken."""
    assert {"prefect", "dashboard"} == set(plan.plan_stack(make("stack: {ports: {prefect: 4201}}")).wanted_ports())
    assert 4201 == plan.plan_stack(make("stack: {ports: {prefect: 4201}}")).wanted_ports()["prefect"]


def test_settings_say_where_things_are(make: Make) -> None:
    """Under the variable that the project asks for, whatever its name; with the secret of what asks for one."""
    planned = plan.plan_stack(make("kafka: {bootstrap: 'env:BROKERS'}", TOPIC))

    assert {
        "BROKERS": broker.address(9092, planned.folder / "kafka" / "keys"),
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
        "PREFECT_API_AUTH_STRING": server_settings.secret(planned.state),
    } == build.settings(planned)


def test_no_secret_is_on_a_command_line(make: Make) -> None:
    """Every account of a machine sees command lines."""
    planned = plan.plan_stack(make(place=TOPIC))
    words = [word for service in build.leeway_services(planned) for word in service.command]
    secrets = [s.removeprefix("leeway:") for s in (server_settings.secret(planned.state),)]
    assert [] == [word for word in words for secret in secrets if secret in word]


def test_services_find_the_engines_and_carry_the_mark(make: Make) -> None:
    """What a service starts inherits both."""
    planned = plan.plan_stack(make(place=TOPIC))
    found = {service.name: service.environment for service in build.leeway_services(planned)}

    assert {"dashboard", "flows", "monitor-m"} == set(found)
    assert {str(planned.folder)} == {environment[build.MARK] for environment in found.values()}
    at = broker.address(9092, planned.folder / "kafka" / "keys")
    assert {at} == {environment["LEEWAY_KAFKA"] for environment in found.values()}


def test_jobs_and_servers_that_the_file_asks_for_are_run(make: Make) -> None:
    """Each job takes slots; a server of models whose predictions are in a topic logs into a directory."""
    project = make("stack: {serve: true}\nflink: {parallelism: 2}", TOPIC)
    text = project.path.read_text().replace(", version: v1", "")
    project.path.write_text(text.replace("    features", "    nearline: {requests: {topic: r}}\n    features"))
    planned = plan.plan_stack(type(project).load(project.path))

    assert ("nearline", "--model", "m") == planned.arguments["nearline-m"]
    assert ("serve", "--port", "8322", "--log", str(project.state / "serving" / "log")) == planned.arguments["serve"]
    assert 4 == planned.slots
    assert 8322 == planned.wanted_ports()["serve"]


def online(make: Make, events: str) -> plan.Plan:
    """Return the plan of a project whose model has an online trainer, and its events as *events* says."""
    project = make("flink: {parallelism: 2}")
    text = project.path.read_text().replace("{predictions: {path: events}, version: v1}", events)
    learns = "    retrain: {mode: online, online: 'trainers:online'}\n"
    project.path.write_text(text.replace("    features", f"{learns}    features"))
    return plan.plan_stack(type(project).load(project.path))


def test_samples_and_learner_of_topics_are_run(make: Make) -> None:
    """The learner's job is one subtask, whatever the parallelism of the others."""
    planned = online(make, "{predictions: {topic: p}, labels: {topic: l}}")

    assert ("samples", "follow", "--model", "m") == planned.arguments["samples-m"]
    assert ("learner", "run", "--model", "m") == planned.arguments["learner-m"]
    assert 5 == planned.slots


def test_samples_of_files_are_not(make: Make) -> None:
    """Files are followed by whoever wants to, like monitors."""
    planned = online(make, "{predictions: {path: p}, labels: {path: l}}")
    assert not {"samples-m", "learner-m"} & set(planned.arguments)


def test_only_the_learner_may_end(make: Make) -> None:
    """It has a command that stops it; all others are started anew."""
    planned = online(make, "{predictions: {topic: p}, labels: {topic: l}}")
    assert ["learner-m"] == [service.name for service in build.leeway_services(planned) if service.may_end]
