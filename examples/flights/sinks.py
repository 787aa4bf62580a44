"""Sinks of the replay's events: files that are complete when they appear, or Kafka topics, with the same JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import pandas as pd

from features.events import publishing
from features.events.publishing import Message, TopicFormat
from features.schema import Source
from features.window import to_ms
from leeway.project.load import Model

Role = Literal["history", "predictions", "labels"]
Sink = Callable[[Role, datetime, pd.DataFrame], None]
"""Takes the events of a *role* that have come to be known by a moment, in the order of their times."""
PARTITIONS = 2


def files(model: Model) -> Sink:
    """Return the sink into the directories of the project file: a file a moment, which appears whole."""
    for role in ("history", "predictions", "labels"):  # a job that follows them may start before there is a file
        Path(_source(model, role).path or "").mkdir(parents=True, exist_ok=True)

    def write(role: Role, at: datetime, rows: pd.DataFrame) -> None:
        directory = Path(_source(model, role).path or "")
        hidden = directory / f".{at:%Y-%m-%d}.jsonl"
        hidden.write_text("".join(f"{line}\n" for line in _lines(rows)))
        hidden.rename(directory / f"{at:%Y-%m-%d}.jsonl")

    return write


def facts(model: Model, start: datetime, rows_by_source: Mapping[str, pd.DataFrame]) -> None:
    """Write facts into the directories of the project file: a file a moment and source, which appears whole."""
    for source, rows in rows_by_source.items():
        directory = Path(model.facts.sources[source].path)
        directory.mkdir(parents=True, exist_ok=True)
        hidden = directory / f".{start:%Y-%m-%d}.parquet"
        rows.to_parquet(hidden, index=False)
        hidden.rename(directory / f"{start:%Y-%m-%d}.parquet")


def topics(model: Model) -> Sink:
    """Return the sink into the topics of the project file, which are made: a record an event, under its id and time."""
    sources = {role: _source(model, role) for role in ("history", "predictions", "labels")}
    outlets = {
        role: TopicFormat(publishing.ensure(source.bootstrap, source.topic or "", PARTITIONS), source.format)
        for role, source in sources.items()
    }

    def send(role: Role, _at: datetime, rows: pd.DataFrame) -> None:
        made = zip(rows["time"], rows["id"], _lines(rows), strict=True)
        messages = (Message(to_ms(t.to_pydatetime()), key.encode(), line.encode()) for t, key, line in made)
        for _ in publishing.send(sources[role].bootstrap, ((outlets[role], message) for message in messages)):
            pass  # all of it

    return send


def _source(model: Model, role: str) -> Source:
    source: Source = getattr(model.events, role)
    return source


def _lines(rows: pd.DataFrame) -> Iterator[str]:
    columns = rows.assign(time=[f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in rows["time"]])
    for row in columns.to_dict("records"):
        yield json.dumps({k: None if pd.isna(v) else v for k, v in row.items()})
