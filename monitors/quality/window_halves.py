"""Halves of a window: all but its newest slice, and that one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from monitors.stats.bins import Counts
from monitors.stats.stacked_counts import CountsByVariable


def halves(window: CountsByVariable, newest: CountsByVariable) -> Mapping[str, Counts]:
    """Return a window as two slices: all but its newest, and that one. It is the least that *recent* needs.

    Of each variable when it is asked for, as few are.

    >>> halves({"x": [5, 3]}, {"x": [1, 3]})["x"].tolist()
    [[4, 0], [1, 3]]
    """
    return _Halves(window, newest)


class _Halves(Mapping[str, Counts]):
    """The halves of a window by variable."""

    def __init__(self, window: CountsByVariable, newest: CountsByVariable) -> None:
        self._window, self._newest = window, newest

    def __getitem__(self, name: str) -> Counts:
        last = np.asarray(self._newest[name])
        return np.array([np.asarray(self._window[name]) - last, last])

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._newest if name in self._window)

    def __len__(self) -> int:
        return sum(1 for _ in self)
