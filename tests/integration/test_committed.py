"""Committed output of a job: read once, in order, from files and from topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from features.events import publishing
from features.kafka import connections as kafka
from monitors.flink import committed_output
from monitors.flink.committed_output import CommittedFiles, CommittedOutput

pytestmark = pytest.mark.slow


class Store:
    """Where a test commits lines, and how it opens what was committed, as often as it likes."""

    def __init__(self, commit: Callable[[str, list[str]], None], open_: Callable[[], CommittedOutput]) -> None:
        """Keep both."""
        self.commit, self.open = commit, open_


def files(folder: Path) -> Store:
    """Return a store of files, one for each commit."""
    made = 0

    def commit(kind: str, lines: list[str]) -> None:
        nonlocal made
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / f"part-{made:04}").write_text("".join(f"{line}\n" for line in lines))
        made += 1

    return Store(commit, lambda: CommittedFiles(*(folder / kind for kind in ("reports", "rejects", "progress"))))


def topics(address: str, name: str, stack: ExitStack) -> Store:
    """Return a store of topics."""
    for kind in ("reports", "progress"):
        publishing.ensure(address, f"{name}.{kind}", 1)

    def commit(kind: str, lines: list[str]) -> None:
        with kafka.producer(address) as client:
            for line in lines:
                client.send(f"{name}.{kind}", line.encode())

    def opened() -> CommittedOutput:
        return stack.enter_context(
            committed_output.topics(address, f"{name}.ingest", f"{name}.reports", f"{name}.progress")
        )

    return Store(commit, opened)


@pytest.fixture(params=["files", "topics"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    with ExitStack() as stack:
        if request.param == "files":
            yield files(tmp_path)
        else:
            yield topics(request.getfixturevalue("broker"), tmp_path.name, stack)


def taken(take: Callable[[committed_output.Use], int]) -> list[str]:
    """Return all lines that can be taken now."""
    lines: list[str] = []
    take(lines.extend)
    return lines


def test_nothing_is_taken_from_nothing(store: Store) -> None:
    """Zero parts, and nobody is called."""
    assert 0 == store.open().reports(lambda lines: pytest.fail(f"{lines}"))


def test_lines_are_taken_once_in_their_order_and_kinds_are_apart(store: Store) -> None:
    """What was taken is gone for this reader and for one that comes later; what comes later is not."""
    store.commit("reports", ["1", "2"])
    store.commit("reports", ["3"])
    store.commit("progress", ["p"])
    first = store.open()

    assert ["1", "2", "3"] == taken(first.reports)
    assert [] == taken(first.reports)
    store.commit("reports", ["4"])
    second = store.open()
    assert ["4"] == taken(second.reports)
    assert ["p"] == taken(second.progress)


def test_a_failure_hands_the_same_lines_over_again(store: Store) -> None:
    """To the same reader, and to the one that takes over when this one has died."""
    store.commit("reports", ["1", "2"])
    failing = store.open()

    def fail(lines: list[str]) -> None:
        msg = "the registry is away"
        raise ConnectionError(msg)

    for _ in range(2):
        with pytest.raises(ConnectionError):
            failing.reports(fail)
    assert ["1", "2"] == taken(store.open().reports)


def test_dead_letters_of_files_are_taken_once(tmp_path: Path) -> None:
    """Those of topics stay there."""
    store = files(tmp_path)
    store.commit("rejects", ["a", "b"])

    assert (["a", "b"], []) == (taken(store.open().dead_letters), taken(store.open().dead_letters))
