"""`leeway doctor`, `up`, `down` and `logs`: problems are named with the fix."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from features.errors import EngineError
from features.kafka import connections
from leeway.cli import app
from leeway.project import environment
from leeway.project.load import Project
from leeway.stack import disks, doctor, plan, ports, state
from registry.connection import Registry
from tests.support import registry_values as make_registry
from tests.unit.leeway.stack.conftest import Make


def leeway(folder: Path, *arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, ["--project", str(folder), *arguments])


@pytest.mark.parametrize(
    ("version", "result"), [((3, 9), "error"), ((3, 10), "ok"), ((3, 12), "ok"), ((3, 13), "error")]
)
def test_python_is_one_that_flink_takes(version: tuple[int, int], result: str) -> None:
    """Its packages for Python stop at 3.12."""
    assert result == doctor.python(version).result


def test_packages_are_there_and_fit() -> None:
    """A missing one is named with what to install, another Flink too."""
    good = dict.fromkeys(doctor.PACKAGES, "1") | {"apache-flink": "2.3.0"}
    (fine,) = doctor.packages(good)
    (absent,) = doctor.packages(good | {"jgo": None})
    (other, _) = doctor.packages(good | {"apache-flink": "2.2.0"})

    assert "ok" == fine.result
    assert "jgo is not installed: pip install 'leeway[stack]'" == absent.message
    assert other.result == "error"
    assert "2.2.0" in other.message


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A nearly full one a warning; how much is left is said. The folder need not exist yet."""
    told = []
    for free in (10, 3, 0.5, 0):
        usage = shutil.disk_usage(tmp_path)._replace(free=int(free * disks.GIB))
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        told.append(disks.disk(tmp_path / "not" / "yet"))

    assert ["ok", "warning", "error", "error"] == [c.result for c in told]
    wanted = ("10.0 GiB free", "3.0 GiB free", "512 MiB free", "no room left")
    assert [f"{left} in {tmp_path}" for left in wanted] == [c.message.partition(";")[0] for c in told]
    assert [] == list(tmp_path.iterdir())


def test_a_disk_that_is_mounted_apart_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints may have one of their own; folders on the same disk are told of once."""
    for name in ("checkpoints", "stack"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(disks, "_device", lambda folder: folder.name == "checkpoints")

    assert [tmp_path.name, "checkpoints"] == [c.message.split(";")[0].rpartition("/")[2] for c in disks.disks(tmp_path)]


def test_a_clock_that_was_set_back_is_seen(tmp_path: Path) -> None:
    """By files that were written later than now."""
    assert "ok" == doctor.clock(1000.0, 1002.0).result
    assert "60 s behind" in doctor.clock(1000.0, 1060.0).message
    assert 0.0 == doctor.newest(tmp_path)


def test_what_a_killed_stack_has_left_is_an_error() -> None:
    """It keeps the ports; `leeway down` ends it."""
    assert [] == list(doctor.orphans(0))
    assert "leeway down" in next(doctor.orphans(2)).message


def test_ports_are_tried_while_nothing_runs(make: Make, free_ports: str) -> None:
    """A taken one is an error that says which key chooses another."""
    planned = plan.plan_stack(make(free_ports))
    with socket.socket() as s:
        s.bind((ports.HOST, planned.ports.dashboard))
        s.listen()
        found = {check.name: check for check in doctor.listening(planned, None)}

    assert "ok" == found[f"port {planned.ports.prefect}"].result
    assert "error" == found[f"port {planned.ports.dashboard}"].result
    assert "stack.ports.dashboard" in found[f"port {planned.ports.dashboard}"].message


def test_services_are_told_while_they_run(make: Make) -> None:
    """One that is not up is an error, with the last thing it said."""
    services = (
        state.Status("broker", "up", "2026"),
        state.Status("flows", "waiting", "2026", None, 3, "it ended with code 2\n  | error\n  |   hint: leeway x"),
    )
    found = list(doctor.listening(plan.plan_stack(make()), state.State("up", 1, "2026", services)))

    assert ["ok", "error"] == [check.result for check in found]
    assert "it ended with code 2: hint: leeway x" in found[1].message
    assert "leeway logs flows" in found[1].message


def test_a_server_that_does_not_answer_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever it belongs to."""
    monkeypatch.setattr(connections, "TIMEOUT_MS", 300)
    schemas = f"format: avro, schema_registry: 'http://127.0.0.1:{ports.free()}'"
    project = make(f"kafka: {{bootstrap: '127.0.0.1:{ports.free()}'}}", place=f"topic: t, {schemas}")
    environment.stack_folder(project.state).mkdir(parents=True)
    lines = {"LEEWAY_FLINK": f"127.0.0.1:{ports.free()}", "PREFECT_API_URL": f"http://127.0.0.1:{ports.free()}/api"}
    environment.env_file(project.state).write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
    found = list(doctor.reachable(project))

    assert ["kafka", "schemas", "flink", "prefect"] == [check.name for check in found]
    assert {"error"} == {check.result for check in found}


def test_the_schema_is_the_programs(make: Make) -> None:
    """An old one is an error with the command that mends it; none at all is only a warning."""
    project = make()
    assert "warning" == doctor.schema(project).result
    with Registry(project.database_url(), project.state / "artifacts") as registry:
        registry.migrate("0001")
        old = doctor.schema(project)
        registry.migrate()
        good = doctor.schema(project)
        make_registry.stamp(registry, "9999")
        newer = doctor.schema(project)
        make_registry.stamp(registry, "9999", oldest="9999")
        foreign = doctor.schema(project)

    assert ("error", True) == (old.result, old.message.endswith("leeway db upgrade"))
    assert ["ok", "ok", "error"] == [check.result for check in (good, newer, foreign)]
    assert "newer than this program's" in newer.message
    assert "install the Leeway that made it" in foreign.message


def test_all_is_well_is_exit_code_0(make: Make, free_ports: str) -> None:
    """And JSON holds every check."""
    project = make(free_ports)
    done = leeway(project.folder, "doctor", "--json")
    said = json.loads(done.output)

    assert [] == [c for c in said["checks"] if c["result"] == "error"]
    assert (0, True) == (done.exit_code, said["ok"])
    assert {"python", "packages", "java", "jars", "disk", "clock", "registry"} <= {c["name"] for c in said["checks"]}


def test_something_wrong_is_exit_code_1(make: Make) -> None:
    """Here a database that is nowhere."""
    done = leeway(make("database: env:LEEWAY_DATABASE").folder, "doctor")

    assert 1 == done.exit_code
    assert "LEEWAY_DATABASE" in done.output


def test_a_taken_port_stops_up_before_anything_is_started(make: Make, free_ports: str) -> None:
    """There is no supervisor, and no log."""
    project = make(free_ports)
    with socket.socket() as s:
        s.bind((ports.HOST, project.stack.ports.prefect))
        s.listen()
        done = leeway(project.folder, "up")

    assert isinstance(done.exception, EngineError)
    assert f"{project.stack.ports.prefect} (prefect)" in str(done.exception)
    assert not (environment.stack_folder(project.state) / "logs").exists()


def test_down_without_a_stack_says_so(make: Make) -> None:
    """It is no error: the state wished for is there."""
    done = leeway(make().folder, "down")

    assert (0, "No stack is running.\n") == (done.exit_code, done.output)


def test_logs_before_the_first_up_are_empty(make: Make) -> None:
    """Nothing is shown, and nothing breaks."""
    project: Project = make()

    assert (0, "") == (leeway(project.folder, "logs").exit_code, leeway(project.folder, "logs").output)
