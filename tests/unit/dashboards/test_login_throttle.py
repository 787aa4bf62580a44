"""Login throttle: few guesses are checked, from however many addresses, in bounded memory."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import login_throttle


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def attack(clients: list[str], seconds: int) -> tuple[int, login_throttle.LoginAttempts, Clock]:
    """Guess from every client in turn whenever it may, for so long; return how many guesses were looked at."""
    clock = Clock()
    counted, looked_at = login_throttle.LoginAttempts(clock), 0
    for second in range(seconds):
        clock.now = float(second)
        for client in clients:
            for _ in range(20):
                if counted.wait(client):
                    break
                counted.add(client)
                looked_at += 1
    return looked_at, counted, clock


def test_the_waits_grow_until_a_day_has_few_guesses() -> None:
    """A few at once, then ever fewer: no more than one in five minutes."""
    looked_at, counted, clock = attack(["192.0.2.1"], 24 * 3600)

    assert looked_at < 320
    clock.now += login_throttle.LONGEST
    assert 0 == counted.wait("192.0.2.1")


def test_many_addresses_do_not_make_many_guesses() -> None:
    """All beyond so many clients share one count, and no more are remembered."""
    crowd = [str(ipaddress.IPv4Address(0x0A000000 + i)) for i in range(5000)]
    looked_at, counted, _ = attack(crowd, 2)

    assert looked_at <= (login_throttle.CLIENTS + 1) * (login_throttle.FREE + 2)
    assert len(counted._wrong) <= login_throttle.CLIENTS + 1


def test_one_network_is_one_client() -> None:
    """Who has one IPv6 address has 2^64 of them."""
    looked_at, _, _ = attack([f"2001:db8::{i:x}" for i in range(100)], 1)

    assert login_throttle.FREE == looked_at


def test_another_client_does_not_wait() -> None:
    """A guesser elsewhere keeps nobody out."""
    _, counted, _ = attack(["192.0.2.1"], 60)

    assert counted.wait("192.0.2.1") > 0
    assert 0 == counted.wait("192.0.2.2")


def test_what_is_long_ago_is_forgotten() -> None:
    """An hour after the last wrong one, a client has all its tries again."""
    _, counted, clock = attack(["192.0.2.1"], 600)
    clock.now += login_throttle.FORGOTTEN
    for _ in range(login_throttle.FREE):
        assert 0 == counted.wait("192.0.2.1")
        counted.add("192.0.2.1")

    assert pytest.approx(1.0) == counted.wait("192.0.2.1")


@given(wrong=st.integers(0, 10**30))
def test_no_wait_is_longer_than_the_longest(wrong: int) -> None:
    """However often a client was wrong, and never shorter than after one less."""
    assert (
        0 <= login_throttle.wait_after(max(wrong - 1, 0)) <= login_throttle.wait_after(wrong) <= login_throttle.LONGEST
    )
