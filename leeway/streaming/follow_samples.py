"""A running job that publishes samples, of files or of topics: it is told of faults, and its progress is summed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from leeway import assembly, dead_letters
from leeway.context import Context
from leeway.project.load import Model
from leeway.streaming import lifecycle, samples_job
from leeway.streaming.job_kinds import SAMPLES
from monitors.flink import committed_output
from monitors.flink import samples_job as flink_job
from monitors.report import canonical
from monitors.worker.sample_pieces import SampleSpec


@dataclass
class SampleTally:
    """What a job has published since it was looked at first: parts, samples, events too late, records not readable."""

    parts: int = 0
    rows: int = 0
    late: int = 0
    rejected: int = 0

    def progress(self, lines: list[str]) -> None:
        """Add lines of progress."""
        for line in map(json.loads, lines):
            self.parts += bool(line["part"])
            self.rows += line["rows"]
            self.late += line["late"]
            self.rejected += line["rejected"]

    def text(self) -> str:
        """Return how far it is, in words."""
        rejected = f"; {self.rejected:,} records rejected" if self.rejected else ""
        return f"{self.parts:,} parts with {self.rows:,} samples; {self.late:,} events too late{rejected}"


@contextmanager
def of_files(opened: Context, model: Model, spec: SampleSpec, tally: SampleTally) -> Iterator[Callable[[], int]]:
    """Run the job over files in this process; the callable looks at it once."""
    text = f"{canonical(model.schema)}\0{canonical(model.events)}\0{spec.folder}\0{spec.since}"
    name = f"samples-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    samples_job.write_barred(opened, model, spec.barred)
    job, output = flink_job.start(spec, assembly.directories(model), opened.dir, name)

    def look() -> int:
        job.check()
        output.dead_letters(partial(dead_letters.append_lines, opened.dir, model.name, "samples"))
        samples_job.write_barred(opened, model, spec.barred)
        return output.progress(tally.progress)

    try:
        yield look
    finally:
        job.stop()


@contextmanager
def of_topics(opened: Context, model: Model, spec: SampleSpec, tally: SampleTally) -> Iterator[Callable[[], int]]:
    """Run the job over topics, here or on the cluster; the callable looks at it once."""
    group = f"{samples_job.group(opened, model)}.progress"
    bootstrap, topic = model.events.predictions.bootstrap, samples_job.progress_topic(model)
    with (
        lifecycle.running(opened, model, SAMPLES) as check,
        committed_output.reader(bootstrap, group, topic) as lines,
    ):

        def look() -> int:
            check()
            samples_job.write_barred(opened, model, spec.barred)
            return committed_output.take(lines, tally.progress)

        yield look
