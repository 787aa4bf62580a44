"""The same hour of flights answered offline, nearline and online, by the three commands: the same.

Features are equal bit for bit. Predictions are equal to 1e-9: a server answers with a faster form of the trees, which
adds in another order.

A server and a stream know the facts of the last days, by the clock. So the hour is moved to now, with its facts, in a
project of its own that shares registry and models with the demo's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import prepare
import yaml
from prepare import Year
from rich.console import Console
from rich.table import Table

from features.errors import EngineError
from features.security import local_http
from features.window import UTC
from leeway.context import Context
from leeway.stack import ports

HOUR = timedelta(hours=1)
NOON = 12
TOLERANCE = 1e-9
FACTS_BEFORE = timedelta(hours=6)
"""How long before the hour facts are written: more than the longest window."""
PATIENCE_SECONDS = 180
COMMANDS = {"offline": "leeway predict", "nearline": "leeway nearline", "online": "leeway serve"}
SHOWN = ("carrier_delay_3h", "temp", "prediction")
"""Columns whose values are shown for the first flight."""


@dataclass(frozen=True)
class Moved:
    """The project of the moved hour in *folder*, and its flights' hour [*start*, *end*)."""

    folder: Path
    start: datetime
    end: datetime
    flights: pd.DataFrame

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of Leeway in the folder; what it writes is in a file named after the command."""
        command = [sys.executable, "-m", "leeway", "-p", str(self.folder), *words]
        own = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.folder / f"{words[0]}.log").open("wb") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=own)  # noqa: S603 - ours

    def answers(self, directory: str) -> pd.DataFrame:
        """Return the prediction events in a directory by id; none before there is a file."""
        files = sorted((self.folder / directory).glob("*.parquet"))
        return pd.concat(map(pd.read_parquet, files)).set_index("id").sort_index() if files else pd.DataFrame()


def show(opened: Context, year: Year, until: datetime, console: Console) -> None:
    """Answer the busiest hour of the last day three ways, and print them side by side."""
    moved = _moved(opened, year, until)
    with _running(moved, "nearline", "requests", "nearline") as nearline, _serving(moved) as port:
        offline = moved.run("predict", "offline", "--from", f"{moved.start:%Y-%m-%dT%H:%M:%S}", "--to",
                            f"{moved.end:%Y-%m-%dT%H:%M:%S}", "--source", "requests")  # fmt: skip
        _ask(opened, moved, port)
        _wait(lambda: offline.poll() is not None, offline, moved, "predict")
        _wait(lambda: len(moved.answers("nearline")) == len(moved.flights), nearline, moved, "nearline")
    ways = {name: moved.answers(name) for name in ("offline", "nearline", "online")}
    console.print(_table(ways, moved, list(opened.model().schema.features)))


def _moved(opened: Context, year: Year, until: datetime) -> Moved:
    """Write the busiest afternoon hour of the last day before *until* into a project of its own, moved to now."""
    last = year.flights[(year.flights["time"] >= until - timedelta(days=1)) & (year.flights["time"] < until)]
    last = last[last["hour"] >= NOON]
    start = last["time"].dt.floor("h").mode()[0].to_pydatetime()
    shift = (datetime.now(UTC) - start - HOUR) // HOUR * HOUR
    folder = opened.dir / "three-ways"
    document = yaml.safe_load(opened.project.path.read_text())
    model = document["models"][opened.model().name]
    model["events"] = {"predictions": {"path": "online"}, "labels": {"path": "labels"}}
    document = {"project": document["project"], "state": str(opened.dir), "database": document.get("database"),
                "facts": document["facts"], "models": document["models"]}  # fmt: skip
    folder.mkdir()
    for name in ("online", "labels", "nearline", "requests"):
        (folder / name).mkdir()
    (folder / "leeway.yaml").write_text(yaml.safe_dump({key: value for key, value in document.items() if value}))
    for name, rows in year.facts(start - FACTS_BEFORE, start + HOUR).items():
        (folder / "facts" / name).mkdir(parents=True)
        rows.assign(time=rows["time"] + shift).to_parquet(folder / "facts" / name / "facts.parquet", index=False)
    flights = last[(last["time"] >= start) & (last["time"] < start + HOUR)][["id", "time", *prepare.REQUEST]]
    flights = flights.assign(time=[f"{at + shift:%Y-%m-%dT%H:%M:%SZ}" for at in flights["time"]])
    flights.to_json(folder / "requests" / "hour.jsonl", orient="records", lines=True)
    return Moved(folder, start + shift, start + shift + HOUR, flights)


@contextmanager
def _running(moved: Moved, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends, and stop it as an orchestrator does."""
    process = moved.run(*words)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _serving(moved: Moved) -> Iterator[int]:
    """Run `leeway serve` on a free port, which it yields."""
    port = ports.free()
    with _running(moved, "serve", "--port", str(port)) as process:
        _wait(lambda: ports.answers(port), process, moved, "serve")
        yield port


def _ask(opened: Context, moved: Moved, port: int) -> None:
    """Send the hour's flights to the server, in one request; its answers are in its log when it has stopped."""
    token = os.environ.get("LEEWAY_SERVE_TOKEN") or (opened.dir / "serve-token").read_text().strip()
    body = json.dumps({"instances": json.loads(moved.flights.to_json(orient="records"))}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models/{opened.model().name}/predict", body)
    request.add_header("Authorization", f"Bearer {token}")
    with local_http.opened(request, timeout=60) as answer:
        answer.read()


def _wait(done: Any, process: subprocess.Popen[bytes], moved: Moved, name: str) -> None:
    """Wait until something is so, or raise EngineError: the process has failed, or it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if process.poll() or time.monotonic() > deadline:
            msg = f"`leeway {name}` has not answered"
            raise EngineError(msg, hint=f"see {moved.folder / name}.log")
        time.sleep(0.1)


def _table(ways: dict[str, pd.DataFrame], moved: Moved, features: Sequence[str]) -> Table:
    """Return one row a way: how many flights it answered, how many as offline, and the first one's values."""
    title = "The same hour of flights answered three ways (features bit for bit, predictions to 1e-9)"
    table = Table("", "flights", "equal", *SHOWN, title=title, box=None)
    columns, offline = [*features, "model_version"], ways["offline"]
    for name, rows in ways.items():
        both = offline.index.intersection(rows.index)
        alike = (rows.loc[both, "prediction"] - offline.loc[both, "prediction"]).abs() <= TOLERANCE
        same = sum(alike[one] and _bits(rows.loc[one, columns]) == _bits(offline.loc[one, columns]) for one in both)
        first = rows.loc[offline.index[0]]
        shown = [f"{first[column]:.6g}" for column in SHOWN]
        equal = f"{same} of {len(moved.flights)}"
        table.add_row(f"{name}: {COMMANDS[name]}", str(len(rows)), equal, *shown)
    return table


def _bits(row: pd.Series) -> list[Any]:
    """Return values so that equal means bit for bit; missing ones are alike."""
    return [None if pd.isna(value) else value.hex() if isinstance(value, float) else value for value in row]
