"""`make demo`: a year of flights, a model that ages, and Leeway that notices, retrains, validates and promotes."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path

import prepare
import scoreboard
from replay import Replay, write
from rich.console import Console

from features.window import UTC
from leeway import context, show, watch, wiring
from retrain_flows import bootstrap, react

HERE = Path(__file__).parent
HISTORY = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
LIVE_UNTIL = datetime(2014, 1, 1, tzinfo=UTC)
console = Console(highlight=False)


def main() -> None:
    """Run the demo from nothing to the table."""
    args = _arguments()
    began = time.monotonic()
    work = HERE / ".leeway"
    for folder in (work, HERE / "events"):
        shutil.rmtree(folder, ignore_errors=True)
    with show.working("Joining flights and weather (Flink SQL, batch)"):
        flights = prepare.events(work / "prepared", work / "logs")
    console.print(f"[bold]1.[/] {len(flights):,} flights of 2013 joined with their hour's weather by Flink SQL")
    for column in ("weekday", "carrier", "origin", "dest"):
        flights[column] = flights[column].astype(str)
    with context.open(HERE / "leeway.yaml") as opened:
        _run(opened, flights, args.until)
    console.print(f"\nTook {time.monotonic() - began:.0f} s. [bold]make demo-dashboard[/] shows it all in a browser.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    day = lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC)  # noqa: E731 - a type for argparse
    parser.add_argument(
        "--until", type=day, default=LIVE_UNTIL, help="stop the replay at this day (default: 2014-01-01)"
    )
    return parser.parse_args()


def _run(opened: context.Context, flights, until: datetime) -> None:
    model = opened.model()
    features = list(model.schema.features)
    _history(model, flights, features)
    workspace = wiring.workspace(opened, model)
    with show.working("Training on January and February; counting the baseline (Flink, batch)"):
        first = bootstrap.bootstrap(workspace, start=HISTORY[0], end=HISTORY[1], actor="demo", now=datetime.now(UTC))
    console.print(f"[bold]2.[/] {first.to_version} trained on January and February, baselined out of sample, promoted")

    def respond(at: datetime) -> list[react.Outcome]:
        return react.react(workspace, now=datetime.now(UTC), as_of=at)

    watching = watch.Watch(opened, model, clock=lambda: datetime.now(UTC))
    replay = Replay(watching, flights, features, respond)
    console.print("[bold]3.[/] Replaying the year as a stream, a week at a time:")
    for week, version, outcomes in replay.weeks(HISTORY[1], until):
        console.print(f"   {week:%Y-%m-%d}  served by {version:4} windows {watching.tally.stored:5}")
        for outcome in outcomes:
            console.print(f"      {outcome.subject}: {outcome.result}")
    scoreboard.show(opened, replay.served, console)


def _history(model, flights, features: list[str]) -> None:
    before = flights[flights["time"] < HISTORY[1]]
    write(Path(model.events.history.path), HISTORY[0], before[["id", "time", *features]])
    landed = before[before["label_time"] < HISTORY[1]][["id", "label_time", "label"]]
    write(Path(model.events.labels.path), HISTORY[0], landed.rename(columns={"label_time": "time"}))


if __name__ == "__main__":
    sys.exit(main())
