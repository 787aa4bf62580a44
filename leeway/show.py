"""Puts values on the terminal: rich tables for people, JSON with stable keys for programs, errors on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from features.errors import LeewayError

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
    view = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
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
    return MARKS.get(str(value), escape(str(value)))


def as_json(value: Any) -> None:
    """Print *value*, which may hold records and times, as JSON."""
    out.out(json.dumps(to_jsonable_python(value), indent=2))


def json_line(value: Any) -> None:
    """Print *value* as one line of JSON, at once: whoever reads a stream waits for it."""
    out.out(json.dumps(to_jsonable_python(value)), highlight=False)


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
    err.print(f"[bold red]error:[/] [red]{escape(problem.message)}[/]", soft_wrap=True)
    if problem.hint:
        err.print(f"  [dim]hint:[/] {escape(problem.hint)}", soft_wrap=True)
