"""Runs a view's query over the facts that it has not seen yet, and lands what it makes of them.

The query looks at one row at a time, so what it made of other rows stays as it is. Each part of a file is read once:
what was read is noted in the file that lands, so both appear in one step. Facts are a set: of a file that is written
anew, all parts are read again, and what is there twice changes no value.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any

from features.errors import EngineError, TrainerError
from features.events import location
from features.facts import directory_feed, reading
from features.files import file_chunks
from features.files.file_chunks import Chunk
from features.values.untyped import Reject, records_of
from leeway import dead_letters
from leeway.landed import numbered_files
from leeway.landed.so_far import SoFar
from leeway.landed.views import json_pages
from leeway.landed.views.landed_facts import WHOLE, LandedFacts
from leeway.project.landed_view import LandedView
from monitors.flink import fact_view_run
from monitors.flink.fact_view_run import ViewQuery
from retrain_flows.config import Limits
from retrain_flows.training import trainer_process

PAGE_FACTS = 200_000
"""Facts after which a file that lands ends, with the part of a file that they are in."""
PAGES = 8
"""Pages that one start of Flink answers: their lines lie in a temporary folder meanwhile."""
LIMITS = Limits(time=timedelta(minutes=30))
"""Of one start of Flink and its pages."""


@dataclass
class _Page:
    """Parts of files whose facts land in one file; the directories of their lines, and of what is made of these."""

    lines: Path
    result: Path
    facts: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)


class ViewReader:
    """The reader of one view. Several may be used at once, in any process: one reads, the others wait."""

    def __init__(self, view: LandedView, page_facts: int = PAGE_FACTS) -> None:
        self.view = view
        self._page_facts = page_facts
        self._landed: LandedFacts | None = None
        view.folder.mkdir(parents=True, exist_ok=True)

    @property
    def source(self) -> LandedView:
        """The view."""
        return self.view

    def land(self, now: datetime, *, most: int | None = None) -> int:
        """Run the query over the facts that are there and have not been read yet; return how many it made of them.

        Parameters
        ----------
        now
            The present: facts that are stamped far ahead of it are set aside.
        most
            After how many facts to stop, about; what is left is read the next time.

        Raises
        ------
        LandingBusy
            Another process reads the view for long.
        ProjectError
            The query is none, or does not look at one row at a time.
        EngineError
            Flink does not start, or fails.
        DataError
            There is no directory of the facts that are read, or a file that landed cannot be read.
        """
        total = 0
        with numbered_files.turn(self.view):
            files = list(self._new_files())  # what comes meanwhile is for the next time, or this one might not end
            while most is None or total < most:
                with self._scratch() as scratch:
                    pages = list(islice(self._pages(files, scratch, now), PAGES))
                    if not pages:
                        break
                    total += self._answer(pages)
        return total

    def so_far(self) -> SoFar:
        """Return what has landed, also by other processes."""
        landed = self.landed()
        return SoFar(landed.total, "", set_aside=landed.set_aside)

    def waiting(self, most: int) -> int:
        """Return how many files have not been read to their end, counted up to *most*. Raises DataError without any."""
        return sum(1 for _ in islice(self._new_files(), most))

    def landed(self) -> LandedFacts:
        """Return what has landed, with what other processes have landed since."""
        if self._landed is None or not self._landed.is_current():
            self._landed = LandedFacts.load(self.view.folder)
        return self._landed

    def examine(self) -> None:
        """Let Flink look at the query, without any facts; raises what :meth:`land` does where it is no view."""
        with numbered_files.turn(self.view), self._scratch() as scratch:
            self._run(fact_view_run.examined, scratch)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Yield an empty folder, which is removed, as is one that a killed reader has left."""
        folder = self.view.beside("scratch")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _new_files(self) -> Iterator[tuple[Path, str]]:
        """Yield each file that has not been read to its end, and its mark; one without a byte has nothing to read."""
        root, parts = location.directory(reading.place(self.view.of)), self.landed().parts
        for path in file_chunks.list_files(root):
            mark = directory_feed.mark(path, str(path.relative_to(root)) if path != root else path.name)
            if mark and parts.get(mark) != WHOLE and path.stat().st_size:
                yield path, mark

    def _new_parts(self, files: Sequence[tuple[Path, str]]) -> Iterator[tuple[Chunk, str, int]]:
        """Yield each part of *files* that has not been read, its file's mark, and how many have been read with it."""
        for path, mark in files:
            if self.landed().parts.get(mark) == WHOLE:
                continue
            chunks, done = list(location.file_references(path, self.view.of.csv)), self.landed().parts.get(mark, 0)
            for number, chunk in enumerate(chunks[done:], done + 1):
                yield chunk, mark, WHOLE if number == len(chunks) else number

    def _pages(self, files: Sequence[tuple[Path, str]], scratch: Path, now: datetime) -> Iterator[_Page]:
        """Yield pages of what has not been read of *files*, whose facts are lines of JSON in *scratch* by then."""
        of, wanted = self.view.of, sorted(self.view.view.columns.items())
        pages = (_Page(scratch / f"{n}.in", scratch / f"{n}.out") for n in count())
        page = next(pages)
        for chunk, mark, parts in self._new_parts(files):
            facts, rejects = reading.decode(of, self.view.view.source, wanted, chunk, now=now)
            json_pages.write(facts, of, self.view.view.columns, page.lines)
            page.facts, page.rejects = page.facts + facts.num_rows, [*page.rejects, *rejects]
            page.parts[mark] = parts
            if page.facts >= self._page_facts:
                yield page
                page = next(pages)
        if page.parts:
            yield page

    def _answer(self, pages: Sequence[_Page]) -> int:
        """Land what the query makes of *pages*, and return how many facts that is."""
        types = self._run(fact_view_run.run, [(page.lines, page.result) for page in pages])
        made = 0
        for page in pages:
            dead_letters.append(self.view.state, self.view.name.replace(" ", "."), "facts", page.rejects)
            facts = json_pages.read(page.result, types)
            self.landed().add(facts, page.parts, records_of(page.rejects))
            made += facts.num_rows
        return made

    def _run(self, function: Callable[..., dict[str, str]], of: Any) -> dict[str, str]:
        """Call a function of Flink's in a process of its own, which takes Java with it when it ends."""
        own, files = self.view.view, self.view.of
        columns = json_pages.columns(files, own.columns, fact_view_run.TIME)
        name = self.view.name.removeprefix("facts ")
        query = ViewQuery(name, own.source, columns, own.query, self.view.needed, corrected=files.id is not None)
        try:
            return trainer_process.run_limited(
                function, query, of, self.view.state / "logs", limits=LIMITS, name="Flink"
            )
        except TrainerError as error:
            msg = f"facts {name}: {error.message}"
            raise EngineError(msg, hint=f"see the log in {self.view.state / 'logs'}") from error
