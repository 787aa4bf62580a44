"""Terminal injection: text from data is printed as text, in all commands, tables and errors."""

from __future__ import annotations

import ast
import io
import json
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from typer.testing import CliRunner

from features.errors import LeewayError
from features.security.printable import visible
from features.window import UTC
from leeway import cli, context
from leeway.terminal import safe_console, show
from monitors.baseline.baseline import Baseline
from monitors.finding import Finding, Signal, Stage, Verdict
from monitors.report import Report
from monitors.stats.bins import NumericBins
from registry import operations, outbox, queries
from registry.incidents import ingest
from registry.records import Action, Version

NOW = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202etxt\r\nerror: forged\u2028[red]mark[/red][/]:bomb:\ud83d"
PROJECT = """\
project: flights
models:
  late:
    task: binary
    events: {predictions: {path: events}}
    features: {temp: numeric}
alerts: {endpoints: [{name: ops, url: "https://example.com/", secret_env: KEY}]}
"""
STORED = EVIL.replace("\ud83d", "")
"""As far as a database takes it."""
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def steering(text: str) -> list[str]:
    """Return the characters of *text* that would steer a terminal, line feeds apart."""
    return [repr(c) for c in text if unicodedata.category(c) in STEERING and c != "\n"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a project in whose registry every text is hostile that somebody else may choose."""
    (tmp_path / "leeway.yaml").write_text(PROJECT)
    (tmp_path / "events").mkdir()
    row = {"id": EVIL, "timestamp": "2024-03-01T00:00:00Z", "version": EVIL, "prediction": 0.5, "temp": EVIL}
    (tmp_path / "events" / "a.jsonl").write_text(json.dumps(row) + "\n")
    with context.open(tmp_path) as opened:
        reg, schema = opened.registry, opened.model().schema
        operations.add_model(reg, model="late", task="binary", now=NOW)
        operations.add_version(reg, Version(model="late", version="v1", mode="external", created_at=NOW))
        bins = {"temp": NumericBins(edges=(0.0, 1.0))}
        baseline = Baseline(events=schema, version="v1", start=NOW - 9 * DAY, end=NOW, rows=9, bins=bins, inputs=())
        digest = operations.store_baseline(reg, baseline, now=NOW)
        operations.promote(reg, model="late", version="v1", expected_generation=0, effective_at=NOW, actor=STORED,
                      reason=STORED, now=NOW)  # fmt: skip
        found = Finding(
            signal=Signal.FEATURE,
            variable="temp",
            window_verdict=Verdict.DRIFT,
            metric="js",
            effect=0.5,
            n=50,
            baseline_n=9,
            reason=STORED,
        )
        for segment in ("", f"site={STORED}"):
            window = Report(model="late", version="v1", stage=Stage.INPUTS, window_start=NOW, window_end=NOW + DAY,
                            segment=segment, baseline=digest, rows=50, counts={"temp": [50, 0, 0, 0, 0, 0, 0]},
                            findings=(found,))  # fmt: skip
            ingest.ingest(reg, [window], now=NOW + DAY)
        (incident,) = queries.undecided(reg)
        operations.record_decision(reg, model="late", incident_id=incident.id, action=Action.NOTHING, because=(STORED,),
                              actor=STORED, now=NOW + DAY)  # fmt: skip
        outbox.fan_out(reg, {"ops": ["*"]}, now=NOW)
        for delivery, _ in outbox.claim(reg, now=NOW, limit=9, lease=DAY):
            outbox.mark(reg, delivery, state="dead", error=STORED, now=NOW)
    return tmp_path


def printed(folder: Path, *words: str) -> str:
    """Return all that a command prints, errors included."""
    run = CliRunner().invoke(cli.app, ["-p", str(folder), *words], env={"COLUMNS": "200"})
    if isinstance(run.exception, LeewayError):
        return run.output + shown_error(run.exception)
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return run.output


def shown_error(error: LeewayError) -> str:
    """Return an error as it is printed."""
    with show.err.capture() as captured:
        show.error(error)
    return captured.get()


COMMANDS = [
    ("status",), ("incidents", "--all"), ("history", "late"), ("why", "1"), ("alerts", "list"), ("check",),
    ("promote", STORED, "--because", STORED), ("history", STORED), ("rollback", "--because", STORED),
    ("alerts", "replay", "1"),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_no_command_lets_data_steer_the_terminal(folder: Path, words: tuple[str, ...]) -> None:
    """Escape sequences, control characters, overrides, line breaks and markup are written out, in tables and lines."""
    text = printed(folder, *words)

    assert [] == steering(text)
    assert not any(line.lstrip().startswith("error: forged") for line in text.splitlines())
    assert "\n" in text


@pytest.mark.parametrize("words", [("incidents", "--all"), ("history", "late"), ("alerts", "list")], ids=lambda w: w[0])
def test_what_is_hostile_is_shown(folder: Path, words: tuple[str, ...]) -> None:
    """It is neither dropped nor obeyed: who looks sees what was sent, markup and all."""
    text = "".join(printed(folder, *words).split())

    shown = r"\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202etxt\r\nerror:forged\u2028[red]mark[/red][/]"
    assert (shown.partition(r"\n")[0] if words[0] == "alerts" else shown) in text  # there, the first line is shown


@pytest.mark.parametrize("words", [("incidents", "--all"), ("history", "late"), ("alerts", "list")], ids=lambda w: w[0])
def test_json_holds_the_text_itself_in_escapes(folder: Path, words: tuple[str, ...]) -> None:
    """Programs get what was stored, and a terminal that shows the JSON is not steered either."""
    text = printed(folder, *words, "--json")

    assert [] == steering(text)
    assert STORED in str(flat(json.loads(text)))


def flat(value: object) -> str:
    """Return all the text in JSON, one after another."""
    if isinstance(value, dict):
        return "".join(map(flat, value.values()))
    return "".join(map(flat, value)) if isinstance(value, list) else str(value)


@given(text=st.text(st.characters(exclude_characters="\\")))  # rich writes one at the end of a text twice
def test_cells_and_sentences_hold_text_as_it_is_read(text: str) -> None:
    """Whatever a value is, it neither raises, nor is styled, nor breaks a line; what can be printed is unchanged."""
    file = io.StringIO()
    on = safe_console.Console(
        file=file, width=10_000, highlight=False, emoji=False, force_terminal=True, color_system="truecolor"
    )
    on.print(show.text(text), soft_wrap=True, end="")

    assert visible(text) == file.getvalue()
    assert not text.isprintable() or text == visible(text)


@given(text=st.text(min_size=1))
def test_no_way_through_a_console_steers_the_terminal(text: str) -> None:
    """Where somebody forgets to escape a value, rich objects and raw lines show control characters all the same."""
    file = io.StringIO()
    on = safe_console.Console(file=file, width=300, highlight=False)
    grid = Table.grid()
    grid.add_row(show.escape(text))
    on.print(grid)
    on.print(text, markup=False)
    on.out(text, text, sep=" ")

    assert [] == steering(file.getvalue())


def test_errors_cannot_forge_errors() -> None:
    """Lines after the first are indented; nothing in a message is markup."""
    text = shown_error(LeewayError(EVIL, hint=EVIL))

    assert 1 == sum(line.startswith("error:") for line in text.splitlines())
    assert [] == steering(text)
    assert "[red]mark[/red]" in text


def test_every_sentence_says_which_of_its_parts_are_text() -> None:
    """What goes into a line of markup is a number in a format, or `show.text(...)` of it."""
    root = Path(show.__file__).parents[1]
    loose = [
        f"{path.relative_to(root)}:{line}: {part}" for path in sorted(root.rglob("*.py")) for line, part in parts(path)
    ]

    assert [] == loose, "wrap each in show.text(...), or give a number its format, like :d"


MARKUP = {"note", "working", "print", "status"}
SAFE = {"text", "cell", "len", "_lines"}
OWN = {"hint", "markup", "place", "span", "password"}
"""Variables that hold markup of our own, or text that is escaped already."""


def parts(path: Path) -> list[tuple[int, str]]:
    """Return the parts of markup in a file that may be anything."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKUP
    ]  # fmt: skip
    texts = [arg for call in calls for arg in call.args if isinstance(arg, ast.JoinedStr | ast.BinOp | ast.IfExp)]
    return [(value.lineno, ast.unparse(value.value)) for text in texts for value in _loose(text)]


def _loose(node: ast.AST) -> Iterator[ast.FormattedValue]:
    """Yield the values in a piece of markup that are neither escaped nor formatted."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FormattedValue):
            if child.format_spec is None and not _safe(child.value):
                yield child
        else:
            yield from _loose(child)


def _safe(value: ast.expr) -> bool:
    """Return whether a value is escaped, or is markup."""
    if isinstance(value, ast.Call):
        return getattr(value.func, "attr", getattr(value.func, "id", "")) in SAFE
    return isinstance(value, ast.Name) and value.id in OWN
