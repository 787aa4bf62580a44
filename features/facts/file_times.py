"""Times of the facts in files that were read before: a later look leaves out files none of whose facts can count."""

from __future__ import annotations

from pathlib import Path

from features.facts.reading import FactRows
from features.files.file_chunks import Chunk


class FileTimes:
    """When the facts of each chunk happened and became known, for a process that looks at one period after another."""

    def __init__(self) -> None:
        self._times: dict[str, tuple[int, int]] = {}

    def may_count(self, chunk: Chunk, start: int, end: int) -> bool:
        """Return whether a chunk may have a fact that happened from *start* on and was known before *end*, both ms."""
        times = self._times.get(_mark(chunk))
        return times is None or (times[0] >= start and times[1] < end)

    def learn(self, chunk: Chunk, rows: FactRows) -> None:
        """Remember when the last fact of a chunk happened, and when the first one became known."""
        facts = [fact for of_group in rows.by_group.values() for _, fact in of_group]
        if facts:
            self._times[_mark(chunk)] = max(fact.time for fact in facts), min(fact.known_time for fact in facts)


def _mark(chunk: Chunk) -> str:
    """Return what a chunk is known by: of a file that is written anew, or is gone, it is another one."""
    try:
        now = Path(chunk.path).stat()
    except OSError:
        return chunk.encode()
    return f"{chunk.encode()} {now.st_size} {now.st_mtime_ns}"
