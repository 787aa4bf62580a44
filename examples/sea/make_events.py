"""Writes the events of the `sea` example: a stream with known change points.

    python make_events.py events

The stream is SEA (Street and Kim 2001), as River generates it: the label says whether two of three readings add up to
more than a threshold, with one label in ten flipped. README.md lists what changes and when.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import trainers
from river.datasets import synth

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAYS, PER_DAY = 60, 400
VIRTUAL_DRIFT = range(20, 26)  # sensor_c, on which nothing depends, reads higher
CONCEPT_CHANGE = 32  # the threshold moves from 7 to 9.5
FAULT = range(46, 48)  # sensor_a reports millimetres instead of centimetres
BEFORE, AFTER = 2, 3  # River's numbers of the two SEA functions
SENSORS = ["sensor_a", "sensor_b", "sensor_c"]
TRAINING_ROWS = 4000


def truth(days: range, seed: int) -> pd.DataFrame:
    """Return what really happened, a row an event: readings, site, label, and when the label becomes known."""
    rng = np.random.default_rng(seed)
    streams = {v: iter(synth.SEA(variant=v, noise=0.1, seed=seed + v)) for v in (BEFORE, AFTER)}
    parts = []
    for day in days:
        stream = streams[AFTER if day >= CONCEPT_CHANGE else BEFORE]
        readings, labels = zip(*itertools.islice(stream, PER_DAY), strict=True)
        frame = pd.DataFrame(readings).set_axis(SENSORS, axis=1)
        if day in VIRTUAL_DRIFT:
            frame["sensor_c"] = np.maximum(frame["sensor_c"], rng.uniform(0, 10, PER_DAY))
        seconds = np.sort(rng.uniform(0, 86_400, PER_DAY))
        frame["time"] = pd.Timestamp(START + timedelta(days=day)) + pd.to_timedelta(seconds, unit="s").round("ms")
        frame["site"] = rng.choice(["north", "south"], PER_DAY, p=[0.6, 0.4])
        frame["label"] = np.array(labels, dtype=np.int64)
        delay = np.minimum(rng.lognormal(np.log(6), 0.5, PER_DAY), 23)
        frame["known_at"] = frame["time"] + pd.to_timedelta(delay * 3600, unit="s").round("ms")
        frame["arrives"] = rng.uniform(size=PER_DAY) > 0.02
        frame["id"] = [f"{day:03d}-{i:04d}" for i in range(PER_DAY)]
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def logged(events: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return what the log says: the readings as they arrived, and the answers of a model trained before day 0."""
    before = truth(range(-(TRAINING_ROWS // PER_DAY), 0), seed + 100)
    inputs = [*SENSORS, "site"]
    model = trainers.static().fit(before[inputs], before["label"])
    log = events.copy()
    faulty = ((log["time"] - pd.Timestamp(START)) // pd.Timedelta(days=1)).isin(FAULT)
    log.loc[faulty, "sensor_a"] *= 10
    log["prediction"] = model.predict_proba(log[inputs])[:, 1].round(6)
    return log.assign(model_version="v1")


def place(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a name that Leeway passes over, then give it its own: it appears whole."""
    unfinished = path.with_name(f".{path.name}")
    write(unfinished)
    unfinished.rename(path)


def write_events(out: Path, seed: int) -> int:
    """Write predictions as CSV and labels as Parquet under *out*, a file a day; return how many predictions."""
    events = truth(range(DAYS), seed)
    predictions = logged(events, seed)[["id", "time", "model_version", *SENSORS, "site", "prediction"]]
    labels = events[events["arrives"]].sort_values("known_at")[["id", "known_at", "label"]]
    for folder in ("predictions", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for day, rows in predictions.groupby(predictions["time"].dt.strftime("%Y-%m-%d")):
        stamped = rows.assign(time=rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        place(out / "predictions" / f"{day}.csv", partial(stamped.to_csv, index=False))
    for day, rows in labels.groupby(labels["known_at"].dt.strftime("%Y-%m-%d")):
        place(out / "labels" / f"{day}.parquet", partial(rows.to_parquet, index=False))
    return len(predictions)


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description="Write the events of the sea example.")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    print(f"wrote {write_events(asked.out, asked.seed)} predictions and their labels to {asked.out}")


if __name__ == "__main__":
    main()
