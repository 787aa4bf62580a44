"""The command line as a whole: project lookup, errors, and what is never shown."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from features import errors
from features.window import UTC
from leeway import cli, crash_report
from leeway.terminal import exit_codes
from leeway.terminal.exit_codes import ExitCode
from registry.connection import Registry
from tests.support import registry_values as make

SMALL = """\
project: flights
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {temp: numeric}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a small project."""
    (tmp_path / "leeway.yaml").write_text(SMALL)
    return tmp_path


def run(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `leeway` as a user does: a process of its own."""
    command = [sys.executable, "-c", "from leeway.cli import main; main()", *words]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_refusal_is_a_line_and_a_hint(tmp_path: Path) -> None:
    """Leeway's own errors go to stderr without a traceback, and the exit code is 2."""
    done = run("status", cwd=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    error, hint = done.stderr.splitlines()
    assert f"error: there is no project file at {tmp_path}/leeway.yaml" == error
    assert hint.startswith("  hint: `leeway init")


def test_the_traceback_is_there_for_who_asks(tmp_path: Path) -> None:
    """LEEWAY_DEBUG=1 shows where an error was raised."""
    assert "Traceback" in run("status", cwd=tmp_path, LEEWAY_DEBUG="1").stderr


def test_ctrl_c_ends_with_130(folder: Path) -> None:
    """An interrupted command ends as a shell expects, without a traceback."""
    code = """
from leeway import cli
@cli.app.command()
def wait():
    raise KeyboardInterrupt
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "wait"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )

    assert (130, "") == (done.returncode, done.stderr.strip())


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    """`leeway schema | head -1` ends quietly."""
    command = f"{sys.executable} -c 'from leeway.cli import main; main()' schema | head -n 1"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False, timeout=60)

    assert ("{\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize("how", ["option", "folder", "environment"])
def test_the_project_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """`--project` takes the file or its folder, and LEEWAY_PROJECT stands in for it."""
    words = {"option": ["-p", str(folder / "leeway.yaml")], "folder": ["--project", str(folder)], "environment": []}[
        how
    ]
    if how == "environment":
        monkeypatch.setenv("LEEWAY_PROJECT", str(folder))

    done = CliRunner().invoke(cli.app, [*words, "status", "--json"])

    assert "flights" == json.loads(done.stdout)["project"]


def test_the_version_is_told() -> None:
    """`leeway --version` says what is installed."""
    done = CliRunner().invoke(cli.app, ["--version"])

    assert 0 == done.exit_code
    assert done.stdout.startswith("leeway ")


def test_every_command_says_what_it_does() -> None:
    """`leeway --help` lists each command with a sentence."""
    text = CliRunner().invoke(cli.app, ["--help"]).stdout

    assert all(name in text for name in ("init", "check", "schema", "status", "incidents", "history", "db"))


def test_the_database_is_made_and_looked_at(folder: Path) -> None:
    """`db version` tells of a registry that is not created yet; `db upgrade` makes it, and does nothing twice."""
    options = ["-p", str(folder), "db"]
    before = CliRunner().invoke(cli.app, [*options, "version"])
    made = CliRunner().invoke(cli.app, [*options, "upgrade"])
    again = CliRunner().invoke(cli.app, [*options, "upgrade"])
    after = CliRunner().invoke(cli.app, [*options, "version"])

    assert [1, 0, 0, 0] == [done.exit_code for done in (before, made, again, after)]
    assert "not created yet" in before.stdout
    assert again.stdout.startswith("The registry is at ")


def test_an_upgrade_beside_a_newer_release_leaves_its_schema_alone(folder: Path) -> None:
    """As long as that serves this program; `leeway up` and a restarted job do the same upgrade first."""
    options = ["-p", str(folder), "db"]
    CliRunner().invoke(cli.app, [*options, "upgrade"])
    with _registry(folder) as registry:
        make.stamp(registry, "9999")
        served = [CliRunner().invoke(cli.app, [*options, word]) for word in ("upgrade", "version")]
        make.stamp(registry, "9999", oldest="9999")
        refused = [CliRunner().invoke(cli.app, [*options, word]) for word in ("upgrade", "version")]

    assert ([0, 0], [1, 1]) == tuple([done.exit_code for done in two] for two in (served, refused))
    assert served[0].stdout.startswith("The registry is at schema 9999 already.")
    assert "newer than this program's" in str(refused[0].exception)
    assert "install the Leeway that made it" in refused[1].stdout


def test_who_is_left_behind_by_an_upgrade_is_told(folder: Path) -> None:
    """Programs of before 0004 know nothing of other schemas than their own; nobody is told of a new registry."""
    made = CliRunner().invoke(cli.app, ["-p", str(folder), "db", "upgrade"])
    with _registry(folder) as registry:
        registry.downgrade("0003")
    again = CliRunner().invoke(cli.app, ["-p", str(folder), "db", "upgrade"])

    assert "stop running ones" not in made.stdout
    assert "made for a schema before 0009 cannot use it" in " ".join(again.stdout.split())


def _registry(folder: Path) -> Registry:
    """Return the project's registry, whatever its schema."""
    return Registry(f"sqlite:///{folder / '.leeway' / 'leeway.db'}", folder)


def test_every_command_is_where_the_table_says() -> None:
    """The table of modules names each command that they register, and no other; none is imported for another's sake."""
    click = typer.main.get_group(cli.app)
    modules: dict[str, set[str]] = {}
    for name, module in cli.Commands.modules.items():
        modules.setdefault(module, set()).add(name)
    for module, names in modules.items():
        app = typer.Typer()
        importlib.import_module(module).register(app)
        assert names == set(typer.main.get_group(app).commands)
    told = subprocess.run(
        [sys.executable, "-c", "import sys, leeway.cli; sys.exit('pandas' in sys.modules)"], check=False
    )

    assert list(cli.Commands.modules) == click.list_commands(typer.Context(click))
    assert 0 == told.returncode


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("chek",), "check"),
        (("incidnets",), "incidents"),
        (("db", "upgrad"), "upgrade"),
        (("check", "--jsn"), "--json"),
    ],
)
def test_a_slip_of_the_pen_is_told_what_it_may_mean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], meant: str
) -> None:
    """Commands that are imported on demand are suggested as those of a group are; so are options."""
    monkeypatch.setattr("sys.argv", ["leeway", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert 2 == ended.value.code
    assert meant in capsys.readouterr().err.partition("Did you mean")[2]


def test_every_exit_code_is_in_the_help() -> None:
    """`leeway --help` says what each code means; an error of another kind has another code."""
    text = " ".join(CliRunner().invoke(cli.app, ["--help"]).stdout.split())

    assert all(f"{code.value}: {code.meaning.partition(':')[0]}" in text for code in ExitCode)
    assert (2, 2, 3, 3) == tuple(
        exit_codes.code_of(error("x"))
        for error in (errors.ProjectError, errors.NotFound, errors.EngineAway, errors.NotEnoughData)
    )


def test_what_nobody_expected_is_a_line_and_a_file(folder: Path) -> None:
    """A defect ends with 70; its traceback is in the state folder, for its owner alone, and not on the terminal."""
    code = """
from leeway import cli
@cli.app.command()
def boom():
    raise ZeroDivisionError("a value of a record")
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "boom"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )

    (log,) = (folder / ".leeway" / "errors").iterdir()
    assert (70, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr
    assert str(log) in done.stderr
    assert "ZeroDivisionError: a value of a record" in log.read_text()
    assert 0o600 == log.stat().st_mode & 0o777


def test_defects_do_not_fill_the_disk(folder: Path) -> None:
    """The newest few tracebacks are left; without a project there is a place for them too."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    told = [
        crash_report.report(ValueError("x"), folder, start + timedelta(seconds=i))
        for i in range(crash_report.MOST_FILES + 5)
    ]
    elsewhere = crash_report.report(ValueError("x"), folder / "none.yaml", start)

    assert crash_report.MOST_FILES == len(list((folder / ".leeway" / "errors").iterdir()))
    assert "000024" in told[-1].hint
    assert Path(elsewhere.hint.split(" has the traceback")[0]).is_file()


def test_an_argument_that_is_no_text_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes of another encoding are told as such, whatever the command would have done with them."""
    monkeypatch.setattr("sys.argv", ["leeway", "promote", "v\udcff", "--because", "x"])
    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert 2 == ended.value.code
    assert r"'v\\udcff' is not UTF-8 text" in capsys.readouterr().err
