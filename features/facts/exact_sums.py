"""Exact sums of numbers: the same bits whatever the order of addition, and however the numbers are grouped.

A float64 is a whole multiple of 2^-1074, so that sums of floats are sums of whole numbers, which Python adds exactly.
Only a result is rounded, once, to the nearest float64.

References
----------
IEEE Std 754-2019, section 3.3: the finite numbers of binary64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_BITS = 1074
"""The smallest positive float64 is 2^-1074."""
_UNIT = 1 << _BITS
_SQUARE_BITS = 2 * _BITS


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, sum and sum of squares of numbers.

    Parameters
    ----------
    n
        How many numbers.
    total
        Their sum, in units of 2^-1074.
    squares
        The sum of their squares, in units of 2^-2148.
    """

    n: int = 0
    total: int = 0
    squares: int = 0

    @classmethod
    def of(cls, value: float) -> Moments:
        """Return the moments of one finite number."""
        numerator, denominator = value.as_integer_ratio()
        units = numerator << (_BITS + 1 - denominator.bit_length())
        return cls(1, units, units * units)

    @classmethod
    def together(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of all *parts*."""
        return cls(sum(p.n for p in parts), sum(p.total for p in parts), sum(p.squares for p in parts))

    @property
    def sum(self) -> float:
        """The sum, rounded once.

        >>> Moments.together([Moments.of(0.1), Moments.of(1e17), Moments.of(-1e17)]).sum
        0.1
        """
        return self.total / _UNIT

    @property
    def mean(self) -> float | None:
        """The mean, rounded once; None of no numbers.

        >>> Moments.together([Moments.of(1.0), Moments.of(2.0)]).mean
        1.5
        """
        return self.total / (self.n << _BITS) if self.n else None

    @property
    def standard_deviation(self) -> float | None:
        """The sample standard deviation (n - 1); None of fewer than two numbers.

        >>> Moments.together([Moments.of(1e15), Moments.of(1e15 + 2)]).standard_deviation ** 2
        2.0000000000000004
        """
        if self.n < 2:
            return None
        spread = self.n * self.squares - self.total * self.total
        return math.sqrt(spread / ((self.n * (self.n - 1)) << _SQUARE_BITS))
