"""Ports that are taken are named before anything is started."""

from __future__ import annotations

import socket

import pytest

from features.errors import EngineError
from leeway.stack import ports


def test_a_taken_port_is_named_with_what_it_is_for() -> None:
    """All of them at once, and how to choose another."""
    with socket.socket() as a, socket.socket() as b:
        for s in (a, b):
            s.bind((ports.HOST, 0))
            s.listen()
        first, second = a.getsockname()[1], b.getsockname()[1]
        with pytest.raises(EngineError, match=rf"port {first} \(kafka\), {second} \(flink\)") as told:
            ports.claim({"kafka": first, "flink": second})
        assert ports.answers(first)

    assert "stack.ports" in told.value.hint
    assert not ports.answers(first)


def test_two_services_cannot_share_a_port() -> None:
    """Each would start by itself, so nobody else would say so."""
    port = ports.free()
    with pytest.raises(EngineError, match="configured twice"):
        ports.claim({"kafka": port, "flink": port})


def test_free_ports_are_fine() -> None:
    """Nothing is said, and they are still free."""
    port = ports.free()
    ports.claim({"kafka": port})

    assert ports.is_free(port)
