"""Checks that commands in shell snippets exist: name, options, arguments, make targets and modules."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import typer

from leeway import cli
from leeway.commands.incidents import ListByDefault

ROOT = Path(__file__).parents[2]
_END = {"|", "||", "&&", ";", "&", ">", ">>", "2>", "<", "<<"}


def commands(snippet: str) -> Iterator[list[str]]:
    """Yield the words of each command of a shell *snippet*, without comments, variables set before it and redirections.

    >>> list(commands("A=1 make demo  # sets up\\nleeway status --json | jq . "))
    [['make', 'demo'], ['leeway', 'status', '--json'], ['jq', '.']]
    """
    for line in snippet.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _END:
                words.append(word)
            else:
                if command := _without_variables(words):
                    yield command
                words = []


def _without_variables(words: list[str]) -> list[str]:
    first = next((i for i, word in enumerate(words) if not re.match(r"^\w+=", word)), len(words))
    return words[first:]


def problem(words: list[str], *, whole: bool = True) -> str:
    """Return what is wrong with a command, "" where nothing is or where it is another program's.

    With *whole*, arguments must be there that the command cannot do without.
    """
    program, arguments = Path(words[0]).name, words[1:]
    if program == "leeway":
        return leeway_problem(arguments, whole=whole)
    if program == "make":
        return next(
            (f"make has no target {word}" for word in arguments if word not in targets() and "=" not in word), ""
        )
    if re.fullmatch(r"python[\d.]*", program) and arguments[:1] == ["-m"]:
        return _module_problem(arguments[1:])
    return ""


def _module_problem(arguments: list[str]) -> str:
    module, paths = arguments[0], [word for word in arguments[1:] if "/" in word and not word.startswith("-")]
    if importlib.util.find_spec(module) is None:
        return f"there is no module {module}"
    missing = [path for path in paths if module == "pytest" and not (ROOT / path).exists()]
    return f"there is no {missing[0]}" if missing else ""


def leeway_problem(arguments: list[str], *, whole: bool = True) -> str:
    """Return what `leeway` would not take of *arguments*, by its own parsers; nothing is carried out.

    >>> leeway_problem(["statsu"]), leeway_problem(["why", "3"])
    ("No such command 'statsu'. Did you mean 'status'?", '')
    """
    command: click.Command = typer.main.get_command(cli.app)
    context, rest = click.Context(command, info_name="leeway"), arguments
    while True:
        if isinstance(command, ListByDefault):
            rest = command.with_subcommand(list(rest))
        try:
            values, rest, _ = command.make_parser(context).parse_args(list(rest))
            if not isinstance(command, click.Group) or not rest:
                return _arguments_problem(command, context, values, rest) if whole else ""
            _, step, rest = command.resolve_command(context, rest)
        except click.UsageError as error:
            cut_short = isinstance(error, click.BadOptionUsage) and "requires an argument" in error.message
            return "" if cut_short and not whole else error.format_message()
        assert step is not None
        command, context = step, click.Context(step, parent=context, info_name=step.name)


def _arguments_problem(
    command: click.Command, context: click.Context, values: dict[str, object], rest: list[str]
) -> str:
    if rest:
        return f"{context.command_path} takes no {rest[0]!r}"
    lacking = [p.name for p in command.params if p.required and not values.get(p.name or "")]
    return f"{context.command_path} needs {lacking[0]}" if lacking else ""


@cache
def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
