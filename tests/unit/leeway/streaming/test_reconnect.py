"""Reconnecting: outages are retried with growing delays; other errors, and a failing first start, are raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from features.errors import BrokerAway, BrokerError, EngineError, Outage, RegistryAway
from leeway.streaming.reconnect import Reconnecting


class World:
    """A clock, what was told, and a server whose answers are set: a number, or an error to raise."""

    def __init__(self, *answers: int | Exception, opens: list[Exception | None] | None = None) -> None:
        """Begin at zero."""
        self.now, self.told, self.opened, self.closed = 0.0, list[str](), 0, 0
        self.answers, self.opens = list(answers), opens or []
        self.work = Reconnecting(self.opening, self.told.append, lambda: self.now)

    @contextmanager
    def opening(self) -> Iterator[Callable[[], int]]:
        """Open, or fail as told; a driver's error that passes is said in other words."""
        if self.opens and (error := self.opens.pop(0)):
            raise error
        self.opened += 1
        try:
            yield self.answer
        except ConnectionError as error:
            raise BrokerAway(str(error)) from error
        finally:
            self.closed += 1

    def answer(self) -> int:
        """Return or raise the next answer."""
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    def at(self, now: float) -> int:
        """Call at a moment."""
        self.now = now
        return self.work()


def test_what_an_outage_has_closed_is_opened_again_once_the_wait_is_over() -> None:
    """Nobody is asked before; what was told names the outage, the wait, and how long it has lasted."""
    world = World(3, RegistryAway("the database is away"), 4)
    with world.work:
        assert [3, 0, 0, 4] == [world.at(t) for t in (0, 1, 1.5, 2)]
        assert 2 == world.opened
    assert 2 == world.closed
    assert ["the database is away; next attempt in 1 s", "connected again after 1 s"] == world.told


def test_waits_grow_while_it_cannot_be_opened_and_begin_anew_after_success() -> None:
    """1, 2, 4 seconds; the count starts again once something was taken."""
    away = BrokerAway("gone")
    world = World(away, 1, away, opens=[None, away, away, None])
    with world.work:
        for t in (0, 1, 3, 7, 8):
            world.at(t)
    assert ["1", "2", "4", "connected", "1"] == [
        "connected" if t.startswith("connected") else t.split(" in ")[1].removesuffix(" s") for t in world.told
    ]


def test_a_drivers_error_is_an_outage_where_its_context_says_so() -> None:
    """It passes through what was opened, which translates it."""
    world = World(ConnectionError("reset"), 5)
    with world.work:
        assert [0, 5] == [world.at(t) for t in (0, 1)]
    assert "reset; next attempt in 1 s" == world.told[0]


def test_the_first_start_and_any_other_error_end_the_work() -> None:
    """Nobody is kept waiting for a server that was never there, or for a mistake."""
    with pytest.raises(BrokerAway), World(opens=[BrokerAway("never there")]).work:
        pass
    world = World(EngineError("stopped by somebody"))
    with pytest.raises(EngineError, match="stopped"), world.work:
        world.at(0)
    assert (1, []) == (world.closed, world.told)


def test_an_outage_is_also_the_error_of_its_server() -> None:
    """Whoever catches what Kafka does wrong catches its absence."""
    assert issubclass(BrokerAway, BrokerError)
    assert issubclass(BrokerAway, Outage)
    assert not issubclass(BrokerError, Outage)
