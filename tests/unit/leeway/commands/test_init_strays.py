"""`leeway init` and `check` on a few rows far beyond all others, as of a wrong year: it is the others that count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from typer.testing import CliRunner

from leeway import cli
from leeway.infer import periods
from leeway.init import starter_file
from leeway.project.load import Model

DAY = 86_400_000
START = int(pd.Timestamp("2022-01-01").timestamp() * 1000)
RNG = np.random.default_rng(3)
Times = npt.NDArray[np.int64]


def log(rows: int = 3000, days: float = 120) -> Times:
    """Return times of a log, in order."""
    return START + np.sort((RNG.random(rows) * days * DAY).astype(np.int64))


def moved(times: Times, rows: list[int], days: int) -> Times:
    """Return *times* with some *rows* so many *days* later."""
    out = times.copy()
    out[rows] += days * DAY
    return out


def begun(folder: Path, times: Times) -> Model:
    """Return the model that `init` writes for a log with these *times*."""
    n = len(times)
    frame = pd.DataFrame({"id": range(n), "time": times, "x": RNG.normal(size=n), "prediction": RNG.random(n)})
    frame.to_csv(folder / "a.csv", index=False)
    return starter_file.write(folder / "leeway.yaml", folder / "a.csv", force=True).model()


STRAYS = {
    "the last five, next year": ([2995, 2996, 2997, 2998, 2999], 366),
    "five scattered, next year": ([10, 700, 1500, 1501, 2000], 366),
    "thirty, two years on": (list(range(0, 3000, 100)), 731),
    "the first, in 1999": ([0], -366 * 23),
    "two, last year": ([1, 2999], -366),
}


@pytest.mark.parametrize(("rows", "days"), STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("also", [[], [1234]], ids=["one end", "both ends"])
def test_the_baseline_is_that_of_the_others(tmp_path: Path, rows: list[int], days: int, also: list[int]) -> None:
    """Not the whole log; and check tells of them."""
    usual = log()
    made = begun(tmp_path, moved(moved(usual, rows, days), also, -366 if days > 0 else 366))
    done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "check", "--json"])
    told = [one["message"] for one in json.loads(done.stdout)["checks"] if one["result"] == "warning"]
    expected = begun(tmp_path, np.delete(usual, [*rows, *also])).baseline

    assert made.baseline is not None
    assert expected is not None
    assert abs((made.baseline.start - expected.start).days) <= 1
    assert abs((made.baseline.end - expected.end).days) <= 1
    assert 28 >= (made.baseline.end - made.baseline.start).days
    assert any(f"{len(rows)} event" in one and "far from all others" in one for one in told)
    assert (1 + bool(also)) == sum("far from all others" in one for one in told)


@pytest.mark.parametrize(
    "times",
    [log(3000, 1095), log(40, 40), START + np.arange(3000) // 30 * DAY, np.r_[log(1000, 1), log(1000, 1) + 365 * DAY]],
    ids=["three years", "few rows", "whole days", "both ends of a year"],
)
def test_strays_are_told_in_logs_of_any_length(times: Times) -> None:
    """One a year ago and one in a year; without them the ends are those of the log."""
    strays = np.r_[times[0] - 366 * DAY, times, times[-1] + 366 * DAY]

    assert (times[0], times[-1]) == periods.bounds(times) == periods.bounds(strays)


@pytest.mark.parametrize("gap", [21, 90, 400])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_a_real_gap_cuts_nothing(gap: int, share: float) -> None:
    """Weeks or a year without rows, after which there are many."""
    times = log()
    times[int(share * len(times)) :] += gap * DAY

    assert (times[0], times[-1]) == periods.bounds(times)


@pytest.mark.parametrize("step", [1, DAY // 24, DAY, 7 * DAY])
@pytest.mark.parametrize("rows", [1, 2, 19, 20, 40, 1000])
def test_an_even_log_has_no_strays(rows: int, step: int) -> None:
    """However few rows it has, and however far they are apart."""
    times = START + np.arange(rows) * step

    assert (times[0], times[-1]) == periods.bounds(times)


def test_a_baseline_of_nearly_all_rows_is_warned_of(tmp_path: Path) -> None:
    """Few predictions are left to judge then, which is no less odd than none."""
    begun(tmp_path, log())
    text = (tmp_path / "leeway.yaml").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("    baseline:"))
    (tmp_path / "leeway.yaml").write_text(
        text.replace(line, "    baseline: {start: 2022-01-02, end: 2022-04-30T12:00Z}")
    )
    done = CliRunner().invoke(cli.app, ["-p", str(tmp_path), "check", "--json"])
    told = [one["message"] for one in json.loads(done.stdout)["checks"] if one["result"] == "warning"]

    assert any("of 3,000 predictions are monitored, those after 2022-04-30" in one for one in told)
