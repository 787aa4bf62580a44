"""`make demo`: a year of flights, a model whose quality declines, and Leeway: drift, retrain, gate, promotion.

`make demo-stack` is the same through Kafka, a Flink cluster, PostgreSQL and a Prefect server: see engines.py.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import comparison
import engines
import pandas as pd
import prepare
import receiver
import scoreboard
import sinks
import three_ways
from engines import Engines
from prepare import Year
from replay import Replay
from rich.console import Console
from sinks import Sink

from features.window import UTC
from leeway import assembly, context
from leeway.flows import run_once
from leeway.project.load import Model
from leeway.terminal import show
from registry import queries
from retrain_flows import first_version, reconcile
from retrain_flows.orchestration import server_settings

HISTORY = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
YEAR_END = datetime(2014, 1, 1, tzinfo=UTC)
PORT, SECRET = 8765, "LEEWAY_DEMO_SECRET"
console = Console(highlight=False)


def main() -> None:
    """Run the demo from nothing to the table."""
    arguments, began = _arguments(), time.monotonic()
    chosen: Engines = engines.STACK if arguments.stack else engines.EMBEDDED
    engines.clear(chosen)
    os.environ.update(server_settings.settings(chosen.state))  # before Prefect is imported, which reads them then
    os.environ[SECRET] = receiver.new_key()
    with show.working("Reading flights and weather"):
        year = prepare.year()
    counts = f"{len(year.landings):,} landings and {len(year.weather):,} observations of the weather as facts"
    console.print(f"[bold]1.[/] {len(year.flights):,} flights of 2013; {counts}")
    with (
        chosen.servers(chosen.file),
        receiver.receiving(PORT, os.environ[SECRET]) as received,
        context.open(chosen.file) as opened,
    ):
        _run(opened, chosen, year, arguments.until, received)
        _flush_logs()
    page = "http://127.0.0.1:8321/models/late_arrival"
    console.print(f"\nTook {time.monotonic() - began:.0f} s. [bold]{chosen.pages}[/] serves it at {page}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--until", type=_day, default=YEAR_END, help="the day at which the replay stops, like 2013-06-01"
    )
    parser.add_argument(
        "--stack", action="store_true", help="run on the servers of `leeway up`, not inside this process"
    )
    return parser.parse_args()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _run(opened: context.Context, chosen: Engines, year: Year, until: datetime, received: Counter[str]) -> None:
    model = opened.model()
    sink = chosen.sink(model)
    _write_history(sink, model, year)
    with show.working("Training on January and February; counting the baseline (Flink, batch)"):
        first = first_version.train_and_promote(
            assembly.workspace(opened, model), start=HISTORY[0], end=HISTORY[1], actor="demo", now=datetime.now(UTC)
        )
    console.print(
        f"[bold]2.[/] {first.to_version} trained on January and February with features of facts, which no log has; "
        "baselined out of sample, promoted"
    )
    respond, audit = _flows(opened, model)
    console.print(
        "[bold]3.[/] The year as a stream, a week at a time (Flink, streaming; Prefect where something is due):"
    )
    with chosen.live(opened, model) as take:
        replay = Replay(opened, model, year, sink, take, respond)
        for week, version, outcomes in replay.weeks(HISTORY[1], until):
            assembly.deliver(opened)
            _tell(week, version, queries.count_windows(opened.registry, model.name), outcomes)
    with show.working("Auditing the last weeks: counting them again in batch (Flink)"):
        audited = audit()
    assembly.deliver(opened)
    verdict = "passed" if audited.passed else f"found {len(audited.findings)}: " + "; ".join(audited.findings)
    console.print(f"[bold]4.[/] Audit {verdict}; {audited.numbers['windows_equal']:.0f} windows counted alike")
    alerts = ", ".join(f"{n} {kind}" for kind, n in sorted(received.items()))
    console.print(f"[bold]5.[/] Alerts received and verified by the demo's receiver: {alerts}\n")
    scoreboard.show(opened, pd.concat(replay.served, ignore_index=True), console)
    console.print(f"\n{comparison.sentence(opened, model, HISTORY, pd.concat(replay.first_weeks))}\n")
    three_ways.show(opened, year, until, console)


def _write_history(sink: Sink, model: Model, year: Year) -> None:
    before = year.flights[year.flights["time"] < HISTORY[1]]
    sinks.facts(model, HISTORY[0], year.facts(HISTORY[0], HISTORY[1]))
    sink("history", HISTORY[0], before[["id", "time", *prepare.REQUEST]])
    landed = before[before["label_time"] < HISTORY[1]][["id", "label_time", "label"]]
    sink("labels", HISTORY[0], landed.rename(columns={"label_time": "time"}).sort_values("time", kind="stable"))


def _flows(
    opened: context.Context, model: Model
) -> tuple[Callable[[datetime], list[reconcile.Outcome]], Callable[[], Any]]:
    """Return what reacts as of a moment, and what audits: Prefect flows, run here and recorded by the demo's server."""

    def respond(at: datetime) -> list[reconcile.Outcome]:
        due = reconcile.looks_on(opened.registry, model.name, model.retrain)
        return run_once.react(opened, model, at) if due else []

    return respond, lambda: run_once.audit(opened, model)


def _flush_logs() -> None:
    from prefect.logging.handlers import APILogHandler  # imported after its settings are set, like the flows

    APILogHandler().flush()  # or its thread would go on looking for a server that is gone


def _tell(week: datetime, version: str, judged: int, outcomes: list[reconcile.Outcome]) -> None:
    console.print(f"   until {week:%Y-%m-%d}  served by {version:3}  {judged:5} windows judged")
    for outcome in outcomes:
        console.print(f"      [yellow]{outcome.subject}[/]: {outcome.result}")


if __name__ == "__main__":
    main()
