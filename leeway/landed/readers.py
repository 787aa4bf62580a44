"""Readers: what lands what is new of a table, a topic or a view, each row and record exactly once."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from features.errors import ProjectError
from leeway.landed.so_far import SoFar
from leeway.landed.tables.table_reader import TableReader
from leeway.landed.topics.topic_reader import TopicReader
from leeway.landed.views.view_reader import ViewReader
from leeway.project.landed import LandedSource, LandedTable, LandedTopic
from leeway.project.landed_view import LandedView


class Reader(Protocol):
    """Reads one source. Several may be used at once, in any process: one reads, the others wait."""

    @property
    def source(self) -> LandedSource:
        """What it reads."""
        ...

    def land(self, now: datetime, *, most: int | None = None) -> int:
        """Land what is there and has not landed yet, about *most* at once; return how many rows or records it was."""
        ...

    def so_far(self) -> SoFar:
        """Return what has landed, also by other processes."""
        ...

    def waiting(self, most: int) -> int:
        """Return how many rows or records wait behind what has landed, counted up to *most*."""
        ...


def reader(source: LandedSource) -> Reader:
    """Return a new reader of *source*."""
    if isinstance(source, LandedTopic):
        return TopicReader(source)
    if isinstance(source, LandedTable):
        return TableReader(source)
    if isinstance(source, LandedView):
        return ViewReader(source)
    msg = f"{source.key} is no table, topic or view"
    raise ProjectError(msg)
