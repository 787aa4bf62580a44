"""When each model version of a log made its predictions, and the command that gives one a baseline."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.events.decode import TIME, VERSION
from features.window import Windows, from_ms, to_ms
from leeway.infer import periods


class VersionService(NamedTuple):
    """The predictions of a *version* in a log: how many *rows*, and the times (ms) of the *first* and the *last*."""

    version: str
    rows: int
    first: int
    last: int


def of_versions(predictions: pa.Table) -> list[VersionService]:
    """Return the service of each version of *predictions*, in the order in which they began."""
    times = predictions.group_by(VERSION).aggregate([(TIME, "count"), (TIME, "min"), (TIME, "max")])
    columns = (times[name].to_pylist() for name in (VERSION, f"{TIME}_count", f"{TIME}_min", f"{TIME}_max"))
    rows: Iterator[tuple[str, int, int, int]] = zip(*columns, strict=True)
    return sorted((VersionService(*row) for row in rows), key=lambda one: (one.first, one.version))


def baseline_command(model: str, service: VersionService, windows: Windows) -> str:
    """Return the command that freezes a version's baseline from the beginning of its service.

    Examples
    --------
    >>> day = 86_400_000
    >>> baseline_command("m", VersionService("b", 700, 3 * day, 60 * day), Windows(size="7d", slide="1d"))
    'leeway baseline --model m --version b --start 1970-01-04 --end 1970-02-01'
    """
    start, end = (day.removesuffix("Z") for day in periods.dates(
        periods.baseline_period(service.first, service.last, windows)))  # fmt: skip
    names = f"--model {shlex.quote(model)} --version {shlex.quote(service.version)}"
    return f"leeway baseline {names} --start {start} --end {end}"


def without_baseline(
    services: Sequence[VersionService], published: Iterable[str], period: tuple[datetime, datetime] | None
) -> list[VersionService]:
    """Return the versions that no baseline is there for, nor will be after `leeway baseline` without options.

    Parameters
    ----------
    services
        The versions of the log.
    published
        The versions with a baseline.
    period
        The baseline period of the project file; None where it sets none.
    """
    known = set(published)
    inside = [] if period is None else [
        one.version for one in services if one.first < to_ms(period[1]) and one.last >= to_ms(period[0])
    ]  # fmt: skip
    if len(inside) == 1 or len(services) == 1:  # `leeway baseline` takes the only version of the period
        known.update(inside or [services[0].version])
    return [one for one in services if one.version not in known]


def took_over(predictions: pa.Table, old: str, new: str, *, windows: Windows, min_rows: int) -> datetime | None:
    """Return when *new* took the place of *old* in a log: its first prediction after the last one of *old*.

    None as long as *old* may still answer: since its last prediction *new* has made fewer than *min_rows*, or all
    within a slide.
    """
    times, versions = predictions[TIME].to_numpy(), predictions[VERSION]
    before, own = (times[np.asarray(pc.equal(versions, name))] for name in (old, new))
    after = np.sort(own[own > before.max(initial=-1)])
    if len(before) == 0 or len(after) < min_rows or after[-1] - before.max() < to_ms(windows.slide):
        return None
    return from_ms(int(after[0]))
