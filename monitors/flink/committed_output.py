"""Committed output of a job, consumed exactly once in effect: from files in a directory, or from Kafka topics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from features.kafka import connections

Use = Callable[[list[str]], None]
"""Called with lines; what it does may be repeated with the same lines after a crash."""


class CommittedOutput(Protocol):
    """The lines that a job has committed and that have not been consumed.

    After a crash while lines are being used, the same lines are delivered again: using them must be idempotent.
    """

    def reports(self, use: Use) -> int:
        """Pass lines of reports to *use*, in order and in batches; return the number of batches."""

    def progress(self, use: Use) -> int:
        """The same for lines of progress."""

    def dead_letters(self, use: Use) -> int:
        """The same for dead letters, unless they stay where they are."""


def committed(directory: Path) -> list[Path]:
    """Return the files that the job has committed, oldest first; files still being written start with a dot."""
    found = (p for p in directory.rglob("part-*") if p.is_file()) if directory.is_dir() else iter(())
    return sorted(found, key=lambda p: (p.stat().st_mtime_ns, p.name))


def committed_lines(directory: Path) -> Iterator[str]:
    """Yield the lines of every committed file."""
    for path in committed(directory):
        yield from path.read_text().splitlines()


@dataclass(frozen=True, slots=True)
class CommittedFiles:
    """Output in files, one per checkpoint; a file is removed when its lines have been used."""

    folder_of_reports: Path
    folder_of_rejects: Path
    folder_of_progress: Path

    def reports(self, use: Use) -> int:
        """See :class:`CommittedOutput`."""
        return self._take(self.folder_of_reports, use)

    def progress(self, use: Use) -> int:
        """See :class:`CommittedOutput`."""
        return self._take(self.folder_of_progress, use)

    def dead_letters(self, use: Use) -> int:
        """See :class:`CommittedOutput`."""
        return self._take(self.folder_of_rejects, use)

    @staticmethod
    def _take(directory: Path, use: Use) -> int:
        files = committed(directory)
        for path in files:
            use(path.read_text().splitlines())
            path.unlink()
        return len(files)


@dataclass(frozen=True, slots=True)
class CommittedTopics:
    """Output in topics; a group's offsets are committed when lines have been used. Dead letters stay in their topic.

    Parameters
    ----------
    clients
        Consumers of reports and of progress, in that order.
    """

    clients: tuple[Any, Any]

    def reports(self, use: Use) -> int:
        """See :class:`CommittedOutput`."""
        return take(self.clients[0], use)

    def progress(self, use: Use) -> int:
        """See :class:`CommittedOutput`."""
        return take(self.clients[1], use)

    def dead_letters(self, use: Use) -> int:
        """See :class:`CommittedOutput`; none are passed on."""
        return 0


def take(client: Any, use: Use) -> int:
    """Pass all records up to the current end of a consumer's topic to *use*; return the number of batches."""
    taken, ends, give_up = 0, client.end_offsets(client.assignment()), time.monotonic() + connections.TIMEOUT_MS / 1000
    while _short_of(client, ends) and time.monotonic() < give_up:
        found = client.poll(timeout_ms=200).values()
        if batch := [r.value.decode() for records in found for r in records if r.value]:
            _use(client, batch, use)
            taken, give_up = taken + 1, time.monotonic() + connections.TIMEOUT_MS / 1000
    return taken


def _short_of(client: Any, ends: Mapping[Any, int]) -> bool:
    """Return whether records that were committed when *ends* were read have not arrived yet."""
    return any((client.position(part) or 0) < end for part, end in ends.items())


def _use(client: Any, batch: list[str], use: Use) -> None:
    """Pass a batch to *use* and commit its offsets; if it raises, go back to where the batch began."""
    before = _committed_offsets(client)
    try:
        use(batch)
    except BaseException:
        for part, offset in before.items():  # the next call begins where this one did
            client.seek(part, offset)
        raise
    client.commit()


def _committed_offsets(client: Any) -> dict[Any, int]:
    return {part: client.committed(part) or client.beginning_offsets([part])[part] for part in client.assignment()}


@contextmanager
def topics(bootstrap: str, group: str, reports: str, progress: str) -> Iterator[CommittedTopics]:
    """Open the committed output in two topics.

    Parameters
    ----------
    bootstrap
        Kafka's address.
    group
        The consumer group that reads them.
    reports
        Topic of reports.
    progress
        Topic of progress.

    Raises
    ------
    BrokerError
        Kafka does not answer, or a topic does not exist.
    """
    with reader(bootstrap, group, reports) as first, reader(bootstrap, group, progress) as second:
        yield CommittedTopics((first, second))


@contextmanager
def reader(bootstrap: str, group: str, topic: str) -> Iterator[Any]:
    """Open a consumer of what was committed to a topic, which goes on where its group was.

    Raises
    ------
    BrokerError
        Kafka does not answer, or the topic does not exist.
    """
    with connections.consumer(bootstrap, group_id=group, auto_offset_reset="earliest", max_poll_records=2000) as client:
        # Assigned, not subscribed: there is one reader, so there is no wait for a group to balance.
        client.assign([connections.partition(topic, n) for n in connections.partitions(client, bootstrap, topic)])
        yield client
