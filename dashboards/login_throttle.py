"""Login throttling: after wrong passwords a client waits, longer each time; the memory for it has a fixed size."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FREE: Final = 5
"""Wrong passwords before the first wait: as many as a person mistypes."""
LONGEST: Final = 300.0
"""Longest wait (s), so that somebody who knows the password gets in."""
FORGOTTEN: Final = 3600.0
"""Seconds after the last wrong password until a client's count is cleared."""
CLIENTS: Final = 1024
"""Most clients counted apart; all others share one count, so that many addresses do not give many attempts."""
_OTHERS: Final = ""


def wait_after(wrong: int) -> float:
    """Return the wait (s) after *wrong* wrong passwords: 0 below `FREE`, then doubling from 1 up to `LONGEST`.

    >>> [wait_after(n) for n in (1, 4, 5, 6, 7, 13, 14, 1000)]
    [0.0, 0.0, 1.0, 2.0, 4.0, 256.0, 300.0, 300.0]
    """
    return 0.0 if wrong < FREE else min(2.0 ** min(wrong - FREE, 30), LONGEST)


@dataclass(frozen=True)
class _Wrong:
    """A client's number of wrong passwords, and when the last one came (s of the clock)."""

    times: int
    last: float


@dataclass
class LoginAttempts:
    """The wrong passwords of each client. *clock* returns seconds and never goes back.

    A right password does not reset the count: a guesser and a user may share one address.
    """

    clock: Callable[[], float] = time.monotonic
    _wrong: dict[str, _Wrong] = field(default_factory=dict)

    def wait(self, client: str) -> float:
        """Return for how many seconds passwords of the client at this address are refused unread."""
        wrong = self._wrong.get(self._key(client))
        return 0.0 if wrong is None else max(0.0, wrong.last + wait_after(wrong.times) - self.clock())

    def add(self, client: str) -> None:
        """Count a wrong password of the client at this address."""
        now, key = self.clock(), self._key(client)
        wrong = self._wrong.get(key)
        times = wrong.times if wrong and now - wrong.last < FORGOTTEN else 0
        self._wrong[key] = _Wrong(times + 1, now)

    def _key(self, client: str) -> str:
        """Return the key under which the client is counted; old counts are removed when the memory is full."""
        name = network(client)
        if name in self._wrong or len(self._wrong) < CLIENTS:
            return name
        now = self.clock()
        self._wrong = {k: w for k, w in self._wrong.items() if now - w.last < FORGOTTEN}
        return name if len(self._wrong) < CLIENTS else _OTHERS


def network(client: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or an IPv6 network of 64 bits.

    >>> network("192.0.2.1"), network("2001:db8::1:2:3:4"), network("testclient")
    ('192.0.2.1', '2001:db8::/64', 'testclient')
    """
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
