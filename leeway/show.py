"""Puts values on the terminal: rich tables for people, JSON with stable keys for programs, errors on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from features.errors import LeewayError
from features.visible import visible
from leeway.screen import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

LONGEST_WORD = 24  # a longer one may be broken to keep the table on the screen
MARKS = {
    "ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]",
    "critical": "[red]critical[/]", "info": "[dim]info[/]",
    "steady": "[green]steady[/]", "drift": "[red]drift[/]", "not_enough_evidence": "[dim]not enough evidence[/]",
}  # fmt: skip


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print *rows* under *columns*; a column keeps its words whole, None is a dash."""
    view = Table(
        title=text(title), title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    cells = [[cell(value) for value in row] for row in rows]
    for i, column in enumerate(columns):
        words = " ".join([column, *(Text.from_markup(row[i]).plain for row in cells)]).split()
        view.add_column(column, overflow="fold", min_width=min(max(map(len, words)), LONGEST_WORD))
    for row in cells:
        view.add_row(*row)
    out.print(view)


def cell(value: object) -> str:
    """Return *value* as rich markup.

    >>> cell(None), cell(datetime(2013, 3, 1)), cell("[x]"), cell("ok")
    ('-', '2013-03-01', '\\\\[x]', '[green]ok[/]')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    return MARKS.get(str(value)) or text(value)


def text(value: object) -> str:
    r"""Return *value* as it may stand in a sentence: no markup, no escape sequence and no line break takes effect.

    >>> print(text("[red]a\x1b[2J\nb"))
    \[red]a\x1b[2J\nb
    """
    return escape(visible(str(value)))


def as_json(value: Any) -> None:
    """Print *value*, which may hold records and times, as JSON."""
    out.out(_json(value, indent=2))


def json_line(value: Any) -> None:
    """Print *value* as one line of JSON, at once: whoever reads a stream waits for it."""
    out.out(_json(value), highlight=False)


def _json(value: Any, indent: int | None = None) -> str:
    # All but one of the characters that steer a terminal are escaped in JSON anyway.
    return json.dumps(to_jsonable_python(value), indent=indent).replace("\x7f", r"\u007f")


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show that something long is going on, on stderr, until the block ends."""
    with err.status(text):
        yield


def note(text: str) -> None:
    """Print a sentence that tells what to do next; *text* is rich markup."""
    out.print(text, soft_wrap=True)


def error(problem: LeewayError) -> None:
    """Print *problem* in red on stderr, and the way to mend it under it."""
    err.print(f"[bold red]error:[/] [red]{_lines(problem.message)}[/]", soft_wrap=True)
    if problem.hint:
        err.print(f"  [dim]hint:[/] {_lines(problem.hint)}", soft_wrap=True)


def _lines(message: str) -> str:
    """Return *message* as text whose further lines are the indented ones: no other passes for an error of its own."""
    return "\n  ".join(map(text, message.split("\n  ")))
