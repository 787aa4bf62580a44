"""Command-line options and parsers that several commands share, each defined once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

import typer

from features.window import UTC, parse_span

TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
"""How a time is written in an option."""
_TIME = typer.Option(formats=TIME_FORMATS, help="A time in UTC.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The result as one JSON document on stdout, and nothing else there; see `docs/command-line.md`."""
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model; needed if the project has several.")]
When = Annotated[datetime | None, _TIME]
"""A time that may be left out."""
RequiredTime = Annotated[datetime, _TIME]
PeriodStart = Annotated[
    datetime, typer.Option("--from", formats=TIME_FORMATS, help="Start of the period (event time), in UTC.")
]
PeriodEnd = Annotated[
    datetime, typer.Option("--to", formats=TIME_FORMATS, help="End of the period (exclusive), in UTC.")
]
Column = Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel="Which column is what")]
"""The column of a role in a log; inferred if it is left out."""
IdColumn = Annotated[str | None, typer.Option("--id", metavar="COLUMN", rich_help_panel="Which column is what")]
Because = Annotated[str, typer.Option("--because", help="The reason, for the audit log.")]
IncidentNumber = Annotated[int, typer.Argument(help="The incident's id in `leeway incidents`.")]
Positive = Annotated[str | None, typer.Option(metavar="VALUE", help="The label that counts as 1.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
HostNames = Annotated[
    list[str] | None,
    typer.Option("--name", help="A host name that requests may use, besides this machine's own; `*` allows any."),
]
Partitions = Annotated[int, typer.Option(min=1, help="Number of partitions if the topic has to be created.")]


def address(host: str, port: int) -> str:
    """Return the address of a server that listens on *host*.

    >>> address("127.0.0.1", 80), address("::1", 80)
    ('http://127.0.0.1:80', 'http://[::1]:80')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def utc(when: datetime | None) -> datetime | None:
    """Return the time of an option, which has no zone, as UTC; None if it was left out."""
    return None if when is None else when.replace(tzinfo=UTC)


def span(text: str) -> timedelta:
    """Return a length of time such as ``30s`` or ``7d``.

    Raises
    ------
    typer.BadParameter
        The text is not one.
    """
    try:
        return parse_span(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def until_stopped() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C until the block ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
