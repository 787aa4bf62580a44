"""The HTTP server: an answer is one packet, and none of it is lost where the connection is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serving.server import JoinedWrites


class Connection:
    """A transport that notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.extra = "extra"

    def write(self, part: bytes) -> None:
        """Note a write."""
        self.done.append(part)

    def close(self) -> None:
        """Note the end."""
        self.done.append("closed")

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return "closed" in self.done


async def _turns(*, close: bool) -> list[Any]:
    connection = Connection()
    joined = JoinedWrites(connection, asyncio.get_running_loop())  # type: ignore[arg-type]
    assert "extra" == joined.extra
    for parts in ((b"head", b"body"), (b"next",)):
        for part in parts:
            joined.write(part)
        if close:
            joined.close()
        await asyncio.sleep(0)
    return connection.done


@pytest.mark.parametrize(
    ("close", "done"), [(False, [b"headbody", b"next"]), (True, [b"headbody", "closed", "closed"])]
)
def test_what_is_written_in_one_turn_is_sent_at_once(*, close: bool, done: list[Any]) -> None:
    """Before the connection is closed, where it is; nothing is sent after that."""
    assert done == asyncio.run(_turns(close=close))
