"""Samples out of history: the parts of a period, from a training set that was joined slice by slice."""

from __future__ import annotations

import math
from dataclasses import replace

import pyarrow as pa

from features import errors
from features.window import from_ms
from monitors.samples.parts import SampleParts, name_of
from monitors.training_set import slice_join
from monitors.training_set.built import BuiltSet, empty_rows
from monitors.training_set.period import TrainingPeriod

_NONE: tuple[float, pa.Table] = (math.inf, pa.table({}))


def whole_slices(wanted: TrainingPeriod) -> TrainingPeriod:
    """Return the whole slices within a period."""
    slide = wanted.slide
    return replace(wanted, start=-(-wanted.start // slide) * slide, until=wanted.until // slide * slide)


def publish(built: BuiltSet, target: SampleParts) -> None:
    """Write the part of each slice that has predictions, unless it is there.

    Parameters
    ----------
    built
        A set that was joined by slice (``by_slice``), of whole slices.
    target
        Where parts go.

    Raises
    ------
    DataError
        A part would come before one that is there.
    """
    period, tables = built.period, slice_join.slices(built.tables(), built.period.slide)
    empty, (at, rows) = empty_rows(period), next(tables, _NONE)
    for start, counts in built.slices().items():
        while at < start:
            at, rows = next(tables, _NONE)
        if target.is_done(start):
            continue
        if target.newest() > name_of(start):
            msg = f"{target.folder} has later samples, and lacks those of {from_ms(start):%Y-%m-%d %H:%M}"
            raise errors.DataError(msg, hint="samples are only added after the newest: name another folder with --out")
        own = replace(period, start=start, until=start + period.slide)
        target.write(own, rows if at == start else empty, counts)
