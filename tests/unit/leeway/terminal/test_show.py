"""Terminal output: tables lose nothing at any width, and progress works without a screen."""

from __future__ import annotations

import io
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from leeway.terminal import show

TEXTS = st.text("abcdefg-_.:[]0123 é", max_size=60)
TABLES = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        st.lists(TEXTS.filter(str.strip), min_size=n, max_size=n),
        st.lists(st.lists(TEXTS | st.none() | st.integers(), min_size=n, max_size=n), max_size=4),
    )
)


def characters(text: str) -> Counter[str]:
    """Return how often each character is in *text*, but blanks."""
    return Counter(text) - Counter({" ": len(text), "\n": len(text)})


def printed(columns: list[str], rows: list[list[object]], width: int | None) -> str:
    """Return the table as it is printed on a screen of *width*, or on a pipe."""
    console = Console(file=(file := io.StringIO()), width=width or 10_000, emoji=False)
    console.print(show.layout("", columns, rows, width))
    return file.getvalue()


@given(TABLES, st.sampled_from([20, 40, 80, 200, None]))
def test_no_width_loses_text(table: tuple[list[str], list[list[object]]], width: int | None) -> None:
    """Each character of each cell is there as often as it should be, and no line is wider than the screen."""
    columns, rows = table
    shown = printed(columns, rows, width)

    cells = sum((characters("-" if v in (None, "") else str(v)) for row in rows for v in row), Counter[str]())
    heads = characters("".join(columns))
    as_table, as_blocks = cells + heads, cells + Counter({c: n * max(1, len(rows)) for c, n in heads.items()})
    assert characters(shown) in (as_table, as_blocks)
    assert width is None or all(len(line) <= width for line in shown.splitlines())


def test_words_stay_whole_or_the_table_is_turned() -> None:
    """Where words of 24 letters fit they are not broken; where they would not, each row is a block of lines."""
    columns, rows = ["model", "opened", "reason"], [["late_arrivals", "feature: temperature", "x " * 40]]
    wide, narrow = printed(columns, rows, 60), printed(columns, rows, 30)

    assert {"model", "opened", "reason"} <= set(wide.splitlines()[0].split())
    assert "late_arrivals" in wide
    assert "temperature" in wide
    assert ["model", "late_arrivals"] == narrow.splitlines()[0].split()


def test_a_pipe_gets_a_line_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a screen nothing is wrapped, so that grep and awk find what they look for."""
    monkeypatch.delenv("COLUMNS")
    show.table("", ["a", "b"], [["x" * 300, "y " * 100], [1, 2]])

    assert 3 == len(capsys.readouterr().out.splitlines())


def test_a_title_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """A project's name with brackets is shown as it is, on one line."""
    show.table("flights [2013] of New York", ["a"], [[1]])

    assert "flights [2013] of New York" == capsys.readouterr().out.splitlines()[0].rstrip()


def test_progress_without_a_screen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What lasts is told on stderr now and then, with its newest text; what is quick says nothing."""
    with show.working("Quick"):
        pass
    assert ("", "") == tuple(capsys.readouterr())

    monkeypatch.setattr(show, "FIRST_LINE_SECONDS", 0.05)
    monkeypatch.setattr(show, "LINE_SECONDS", 0.05)
    with show.working("Counting") as say:
        say("Counting the rest")
        time.sleep(0.25)
    said = capsys.readouterr()
    assert "" == said.out
    assert said.err.startswith("Counting the rest ... 0 s\n")
    assert 2 <= len(said.err.splitlines()) <= 6
