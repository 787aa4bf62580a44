"""What is wrong with a request: field, value and fix of each problem, in one error."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

from features import errors
from features.security import printable

MAX_PROBLEMS = 20
"""Most problems of one request that its answer lists."""
SHOWN = 80
"""Most characters of a value that an answer repeats."""
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one value.

    Parameters
    ----------
    field
        The feature or part of the request.
    value
        The value as JSON, cut to :data:`SHOWN` characters; empty where there is none.
    problem
        What is wrong, and what to send.
    row
        The row, from 0; None where it is about all rows.
    """

    field: str
    value: str
    problem: str
    row: int | None = None

    def __str__(self) -> str:
        """Return the problem in one sentence."""
        at = "" if self.row is None else f" (row {self.row})"
        return f"{self.field}{at}{f' is {self.value},' if self.value else ':'} {self.problem}"


class InvalidRequest(errors.RequestError):
    """A request with one or more problems."""

    def __init__(self, problems: Sequence[Problem], *, count: int | None = None) -> None:
        more = (count or len(problems)) - len(problems)
        text = "; ".join(map(str, problems)) + (f"; and {more} more" if more else "")
        super().__init__(text)
        self.problems = tuple(problems)


class Problems:
    """The first :data:`MAX_PROBLEMS` problems of a request, and how many there are.

    What is not listed is counted alone: a hint about one of a million wrong names would cost other requests their time.
    """

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, make: Callable[_P, Problem], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Add the problem that *make* returns for these arguments; it is called only if the problem is listed."""
        self._count += 1
        if len(self._listed) < MAX_PROBLEMS:
            self._listed.append(make(*args, **kwargs))

    def add_names(
        self, make: Callable[[str, int | None], Problem], names: Iterable[str], count: int, row: int | None
    ) -> None:
        """Add a problem for each of *names*, of which there are *count*; what is not listed is not looked at."""
        self._count += count
        room = MAX_PROBLEMS - len(self._listed)
        self._listed.extend(make(name, row) for name in itertools.islice(names, room))

    def check(self) -> None:
        """Raise InvalidRequest if there is any."""
        if self._count:
            raise InvalidRequest(self._listed, count=self._count)


def missing_feature(name: str, row: int | None) -> Problem:
    """Return the problem of a feature that was not sent."""
    return Problem(name, "", "missing; send it, or null where there is no value", row)


def unfit(name: str, value: Any, problem: str, row: int | None) -> Problem:
    """Return the problem of a value."""
    return Problem(name, shown(value), problem, row)


def shown(value: Any) -> str:
    """Return a value as an answer repeats it: as JSON, what has no shape written out, and cut.

    >>> shown("a\\x1b"), shown(None), shown([1.5, "x" * 100])[:12]
    ('"a\\\\u001b"', 'null', '[1.5, "xxxxx')
    """
    try:
        return cut(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # requests may be nested deeper than this can be written
        return "[…" if isinstance(value, list) else "{…"


def cut(text: str) -> str:
    """Return text that an answer repeats: what has no shape written out, at most :data:`SHOWN` characters."""
    text = printable.visible(text[: SHOWN + 1])
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
