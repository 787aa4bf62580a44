"""From a log of labelled events to a watched endpoint: the commands of the page on serving, with nothing in between."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support import serving_world as world
from tests.support.command_line import leeway

pytestmark = pytest.mark.slow
DAYS, PER_DAY, TRAINED = 44, 100, 28


def labelled(path: Path) -> pd.DataFrame:
    """Write a log of orders and whether they came back, and return it."""
    rng = np.random.default_rng(3)
    n = DAYS * PER_DAY
    when = pd.date_range("2026-01-01", periods=n, freq=pd.Timedelta(days=1) / PER_DAY, tz="UTC")
    amount, channel = rng.normal(size=n).round(4), rng.choice(["web", "app", "shop"], n)
    returned = (rng.random(n) < 1 / (1 + np.exp(-1.5 * amount - (channel == "app")))).astype(int)
    times = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = pd.DataFrame({"order": [f"o{i}" for i in range(n)], "time": times, "amount": amount, "channel": channel,
                          "returned": returned})  # fmt: skip
    frame.to_csv(path, index=False)
    return frame


@pytest.mark.timeout(600)
def test_what_is_served_is_monitored(tmp_path: Path) -> None:
    """A first version is trained, answers the days after by HTTP, and its log is checked and judged by the real job."""
    log = labelled(tmp_path / "log.csv")
    leeway(tmp_path, "init", "--from", "log.csv", "--id", "order", "--label", "returned", "--time", "time", "--json")
    leeway(tmp_path, "retrain", "--first")
    name = next(iter(json.loads(leeway(tmp_path, "status", "--json"))["models"]))["model"]
    rows = log[log["time"] >= "2026-01-30"].drop(columns="returned").to_dict("records")
    with world.serving(tmp_path, token=tmp_path / ".leeway" / "serve-token") as server:
        for start in range(0, len(rows), 50):
            status, answer = server.ask(f"/v1/models/{name}/predict", {"instances": rows[start : start + 50]})
            assert (200, "v1", "treelite") == (status, answer["version"], answer["predictor"]), answer
        assert 0 == server.stop()

    checks = json.loads(leeway(tmp_path, "check", "--json"))
    monitored = json.loads(leeway(tmp_path, "monitor", "--once", "--json"))
    assert f"{len(rows):,} rows in 1 file" in json.dumps(checks)
    assert [] == [c for c in checks["checks"] if c["result"] == "error"]
    assert (len(rows), 0, 0) == (monitored["rows"]["predictions"], monitored["rejected"], monitored["late"])
    assert monitored["stored"] > 0
