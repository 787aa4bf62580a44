"""Windows cut anew from counted slices: counts add up, so no event has to be read again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.errors import DataError
from features.window import Windows, format_span, to_ms
from monitors.baseline.baseline import Baseline, Slice
from monitors.report import Report
from monitors.sequential import slice_scores
from monitors.stats.bins import Counts


@dataclass(frozen=True, slots=True)
class CountedWindow:
    """The counts of one window.

    Parameters
    ----------
    start
        Where the window starts, in milliseconds since the epoch.
    counts, newest
        A row of cells by variable, of the window and of its newest slice.
    slices_with_events
        In how many of its slices there were events.
    """

    start: int
    counts: Mapping[str, list[int]]
    newest: Mapping[str, list[int]]
    slices_with_events: int


def newest_slices(reports: Iterable[Report], slide: int) -> list[Slice]:
    """Return the newest slice, *slide* ms long, of each report of one version, segment and stage, oldest first."""
    by_start = {to_ms(r.window_end) - slide: r for r in reports if r.newest_slice}
    return [Slice(start=at, segment=by_start[at].segment, counts=by_start[at].newest_slice) for at in sorted(by_start)]


def windows(slices: Sequence[Slice], length: int, slide: int) -> Iterator[CountedWindow]:
    """Yield the window that ends with each slice from the first to the last.

    A slice that is absent had no events; windows without any are left out.

    Parameters
    ----------
    slices
        The slices of one stage and segment, oldest first.
    length
        Slices that a window has.
    slide
        Milliseconds that a slice lasts.

    Examples
    --------
    >>> from monitors.baseline.baseline import Slice
    >>> days = [Slice(start=0, counts={"x": [1, 0]}), Slice(start=2, counts={"x": [0, 5]})]
    >>> [(w.start, w.counts["x"], w.newest["x"], w.slices_with_events) for w in windows(days, 2, 1)]
    [(-1, [1, 0], [1, 0], 1), (0, [1, 0], [0, 0], 1), (1, [0, 5], [0, 5], 1)]
    """
    if not slices:
        return
    sizes = {name: len(row) for s in slices for name, row in s.counts.items()}
    rows = {s.start: np.concatenate([s.counts.get(v, [0] * n) for v, n in sizes.items()]) for s in slices}
    nothing = np.zeros(sum(sizes.values()), np.int64)
    total, with_events = nothing.copy(), nothing.copy()
    for at in range(slices[0].start, slices[-1].start + slide, slide):
        newest, oldest = (rows.get(start, nothing) for start in (at, at - length * slide))
        total += newest - oldest
        with_events += (newest > 0).astype(np.int64) - (oldest > 0)
        if with_events.any():
            # As the monitor counts slices: by the cell that has events in most of them.
            yield CountedWindow(
                at - (length - 1) * slide, _split(total, sizes), _split(newest, sizes), int(with_events.max())
            )


def _split(row: Counts, sizes: Mapping[str, int]) -> dict[str, list[int]]:
    ends = np.cumsum(list(sizes.values()))
    return {name: row[end - size : end].tolist() for (name, size), end in zip(sizes.items(), ends, strict=True)}


def recut(baseline: Baseline, windows: Windows) -> Baseline:
    """Return a baseline as if its events had been cut into other windows; itself if they are its own.

    Parameters
    ----------
    baseline
        The baseline.
    windows
        The windows, whose slices are a whole number of the baseline's.

    Raises
    ------
    DataError
        The slices are not a whole number of the baseline's.
    """
    if windows == baseline.events.windows:
        return baseline
    own, slide = (to_ms(w.slide) for w in (baseline.events.windows, windows))
    if slide % own:
        counted = format_span(baseline.events.windows.slide)
        msg = f"slices of {format_span(windows.slide)} cannot be made of the {counted} that the baseline was counted in"
        raise DataError(msg, hint="windows.slide must be a whole number of these")
    changed: dict[str, object] = {"events": baseline.events.model_copy(update={"windows": windows})}
    if slide != own:
        changed |= {name: tuple(merged_slices(getattr(baseline, name), slide)) for name in ("inputs", "outcomes")}
    return baseline.model_copy(update=changed)


def merged_slices(slices: Iterable[Slice], slide: int) -> list[Slice]:
    """Return the sums of slices over stretches of *slide* ms, in order of segment and then of time."""
    out: dict[tuple[str, int], Mapping[str, Sequence[int]]] = defaultdict(dict)
    for s in slices:
        key = s.segment, s.start - s.start % slide
        out[key] = slice_scores.add(out[key], s.counts)
    return [Slice(start=at, segment=name, counts=dict(counts)) for (name, at), counts in sorted(out.items(), key=_key)]


def _key(item: tuple[tuple[str, int], object]) -> tuple[str, int]:
    return item[0]
