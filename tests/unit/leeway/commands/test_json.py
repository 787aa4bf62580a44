"""`--json`: available for all commands with a result, documented, and the only output on stdout."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from leeway import cli, context
from leeway.terminal import show
from leeway.terminal.exit_codes import ExitCode
from tests.unit.leeway.commands.test_status import begin, drift, folder

__all__ = ["folder"]
WITHOUT = {"logs", "dashboard", "serve", "flows serve", "schema", "audit export", "audit accept"}
"""Commands that print no result, a file's lines, or JSON in any case."""
PAGE = (Path(__file__).parents[4] / "docs" / "command-line.md").read_text()


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        elif command is not None:
            yield f"{above}{name}", command


EVERY = dict(commands(typer.main.get_group(cli.app)))


@pytest.mark.parametrize("name", sorted(EVERY.keys() - WITHOUT))
def test_every_command_with_a_result_has_json(name: str) -> None:
    """The option is there, and the page of documents has the command."""
    options = {option for parameter in EVERY[name].params for option in parameter.opts}

    assert "--json" in options
    assert re.search(rf"^\|[^|]*`{name}`", PAGE, re.MULTILINE)


def test_the_page_has_every_exit_code() -> None:
    """With the very sentence of the help."""
    assert all(f"| {code.value} | {code.meaning} |" in PAGE for code in ExitCode)


def shown(folder: Path, words: list[str], width: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how often each character but blanks is in what a command prints on a screen of *width*."""
    monkeypatch.setattr(show, "out", Console(highlight=False, emoji=False, width=width))
    text = CliRunner().invoke(cli.app, ["-p", str(folder), *words]).stdout
    assert all(len(line) <= width for line in text.splitlines() if "  " in line.strip()), text
    return Counter("".join(text.split()))


@pytest.mark.parametrize("words", [["status"], ["incidents"], ["history"], ["check"], ["alerts", "list"], ["doctor"]])
def test_a_table_loses_nothing_on_any_screen(folder: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there on a screen of 1,000 columns is there on every other; what is more there repeats the heads."""
    with context.open(folder) as opened:
        begin(opened)
        drift(opened)
    wide, *narrow = (shown(folder, words, columns, monkeypatch) for columns in (1000, 40, 80, 200))

    assert [Counter()] * 3 == [wide - shown_there for shown_there in narrow]


@pytest.mark.parametrize(
    "words",
    [["check"], ["status"], ["incidents"], ["history"], ["db", "version"], ["db", "upgrade"], ["doctor"],
     ["alerts", "list"], ["alerts", "deliver"], ["job", "list"], ["down"]],
)  # fmt: skip
def test_stdout_is_the_document(folder: Path, words: list[str]) -> None:
    """Whatever the command has to say besides goes to stderr; `ok` is there where the exit code can be another."""
    with context.open(folder) as opened:
        begin(opened)
        drift(opened)
    done = CliRunner().invoke(cli.app, ["-p", str(folder), *words, "--json"])

    told: Any = json.loads(done.stdout)
    assert done.exit_code in (0, 1)
    assert not isinstance(told, dict) or told.get("ok", done.exit_code == 0) == (done.exit_code == 0)
