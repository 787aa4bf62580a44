"""Prints results: rich tables for people, JSON for programs; progress, notes and errors on stderr.

A table never loses text. Where it does not fit the screen its cells are wrapped; where words would be broken, each row
is a block of lines. On a pipe it is as wide as it needs, one line a row.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic_core import to_jsonable_python
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from features.errors import LeewayError
from features.security.printable import visible
from leeway.terminal.safe_console import Console

out = Console(highlight=False, emoji=False)  # `:a:` in a category is not an emoji
err = Console(stderr=True, highlight=False, emoji=False)

LONGEST_WORD = 24
"""Width from which on a word may be broken to keep a table on the screen."""
GAP = 2
"""Blank columns between two columns of a table."""
FIRST_LINE_SECONDS = 5.0
"""Seconds until the first line of progress where there is no terminal."""
LINE_SECONDS = 30.0
"""Seconds between two lines of progress where there is no terminal."""
STYLED_WORDS = {
    "ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]",
    "critical": "[red]critical[/]", "info": "[dim]info[/]",
    "steady": "[green]steady[/]", "drift": "[red]drift[/]", "not_enough_evidence": "[dim]not enough evidence[/]",
}  # fmt: skip
"""Cell values that are shown in a colour, as rich markup."""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print *rows* under *columns*, as wide as the screen or, on a pipe, as wide as needed; None is a dash."""
    width = screen_width()
    _console(width).print(layout(title, columns, rows, width))


def screen_width() -> int | None:
    """Return the maximal width of a table; None if stdout is no terminal and COLUMNS is not set."""
    return out.width if out.is_terminal or os.environ.get("COLUMNS", "").isdigit() else None


def layout(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None
) -> RenderableType:
    """Return *rows* under *columns* as a rich renderable of *width* characters that loses no text.

    Words are not broken, up to `LONGEST_WORD`. Where that does not fit, each row is a block of `column value` lines.
    """
    cells = [[cell(value) for value in row] for row in rows]
    texts = [
        [column, *(Text.from_markup(row[i], emoji=False).plain for row in cells)] for i, column in enumerate(columns)
    ]
    widths = _widths(texts, width)
    if widths is None:
        return _blocks(title, columns, cells, width or out.width)
    view = Table(header_style="dim", box=None, pad_edge=False)
    for column, wide in zip(columns, widths, strict=True):
        view.add_column(text(column), overflow="fold", width=wide)
    for row in cells:
        view.add_row(*row)
    return Group(*_titled(title), view)


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Print a line for each name with its value, wrapped beside the name; empty values are left out."""
    width = screen_width()
    cells = [(name, cell(value)) for name, value in rows if value not in (None, "")]
    _console(width).print(_pairs(cells, width))


def _console(width: int | None) -> Console:
    """Return a console for stdout that cuts nothing off at *width* characters, None for any width."""
    return out if width is not None else Console(file=out.file, width=1_000_000, highlight=False, emoji=False)


def _widths(texts: Sequence[Sequence[str]], width: int | None) -> list[int] | None:
    """Return column widths for these *texts* so that all fit *width*; None if they cannot."""
    natural = [max(map(_longest_line, column)) for column in texts]
    if width is None:
        return natural
    widths = [min(_longest_word(column), LONGEST_WORD) for column in texts]
    left = width - sum(widths) - GAP * (len(widths) - 1)
    if left < 0:
        return None
    for served, i in enumerate(sorted(range(len(widths)), key=lambda i: natural[i] - widths[i])):
        more = min(natural[i] - widths[i], left // (len(widths) - served))
        widths[i] += more
        left -= more
    return widths


def _longest_line(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)


def _longest_word(texts: Sequence[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=1)


def _blocks(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> Group:
    """Return each row as lines of `column value`, with a blank line between rows."""
    parts: list[RenderableType] = [*_titled(title)]
    for i, row in enumerate(cells):
        parts += [""] if i else []
        parts.append(_pairs(list(zip(columns, row, strict=True)), width))
    return Group(*parts) if cells else Group(*parts, Text("  ".join(columns), style="dim"))


def _titled(title: str) -> list[Text]:
    return [Text(visible(title), style="bold")] if title else []


def _pairs(cells: Sequence[tuple[str, str]], width: int | None) -> Table:
    grid = Table.grid(padding=(0, GAP))
    names = max((cell_len(name) for name, _ in cells), default=1)
    grid.add_column(style="dim", overflow="fold", width=names if width is None else min(names, max(1, width // 3)))
    grid.add_column(overflow="fold")
    for name, value in cells:
        grid.add_row(text(name), value)
    return grid


def cell(value: object) -> str:
    """Return *value* as rich markup.

    >>> cell(None), cell(datetime(2013, 3, 1)), cell("[x]"), cell("ok")
    ('-', '2013-03-01', '\\\\[x]', '[green]ok[/]')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}".removesuffix(" 00:00")
    return STYLED_WORDS.get(str(value)) or text(value)


def text(value: object) -> str:
    r"""Return *value* escaped for a sentence: no markup, no escape sequence and no line break takes effect.

    >>> print(text("[red]a\x1b[2J\nb"))
    \[red]a\x1b[2J\nb
    """
    return escape(visible(str(value)))


def as_json(value: Any) -> None:
    """Print *value*, which may hold records and times, as JSON."""
    out.out(_json(value, indent=2))


def json_line(value: Any) -> None:
    """Print *value* as one line of JSON."""
    out.out(_json(value), highlight=False)


def _json(value: Any, indent: int | None = None) -> str:
    # JSON escapes all but one of the characters that control a terminal.
    return json.dumps(to_jsonable_python(value), indent=indent).replace("\x7f", r"\u007f")


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show on stderr that a long operation is running, until the block ends; yield a function that changes the text.

    Without a terminal a line is printed now and then, so that a log shows progress.
    """
    if err.is_terminal:
        with err.status(text) as status:
            yield status.update
        return
    texts, done = [text], threading.Event()
    lines = threading.Thread(target=_now_and_then, args=(texts, done), daemon=True)
    lines.start()
    try:
        yield lambda newer: texts.__setitem__(0, newer)
    finally:
        done.set()
        lines.join()


class ProgressLines:
    """Progress lines of an endless operation: one now and then, if it has changed."""

    def __init__(self) -> None:
        self._printed, self._next = "", time.monotonic() + FIRST_LINE_SECONDS

    def print(self, line: str) -> None:
        """Print *line* on stderr, unless it is unchanged or the last one is younger than `LINE_SECONDS`."""
        if line != self._printed and time.monotonic() >= self._next:
            note_on_stderr(text(line))
            self._printed, self._next = line, time.monotonic() + LINE_SECONDS


def _now_and_then(texts: Sequence[str], done: threading.Event) -> None:
    """Print the current text with the elapsed seconds now and then, until *done* is set."""
    waited = FIRST_LINE_SECONDS
    while not done.wait(FIRST_LINE_SECONDS if waited == FIRST_LINE_SECONDS else LINE_SECONDS):
        markup = texts[0]
        err.print(f"{markup} ... {waited:.0f} s", soft_wrap=True)
        waited += LINE_SECONDS


def note(text: str) -> None:
    """Print a sentence on stdout; *text* is rich markup."""
    out.print(text, soft_wrap=True)


def note_on_stderr(text: str) -> None:
    """Print a sentence on stderr, as it is not part of the result; *text* is rich markup."""
    err.print(text, soft_wrap=True)


def error(problem: LeewayError) -> None:
    """Print *problem* in red on stderr, and its hint below."""
    err.print(f"[bold red]error:[/] [red]{_lines(problem.message)}[/]", soft_wrap=True)
    if problem.hint:
        err.print(f"  [dim]hint:[/] {_lines(problem.hint)}", soft_wrap=True)


def _lines(message: str) -> str:
    """Return *message* escaped, with only its indented lines on lines of their own: no other looks like an error."""
    return "\n  ".join(map(text, message.split("\n  ")))
