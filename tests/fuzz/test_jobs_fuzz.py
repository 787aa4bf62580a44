"""Fuzzing of the Flink jobs: malformed records of all formats stop none, and their counts add up to those written."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from features.window import Windows, from_ms
from monitors.config import MonitorPolicy
from monitors.flink import baseline_job, files_source_job, run_job
from monitors.job_spec import JobSpec
from registry.files import published_baselines
from tests.support import malformed_records as records
from tests.support.malformed_records import SCHEMA

pytestmark = pytest.mark.slow
SEEDED, NUMBER = 5, 600
HOURS = SCHEMA.model_copy(update={"windows": Windows(size=timedelta(hours=1), slide=timedelta(hours=1)),
                                  "segments": ("c",)})  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A directory of files of every format and of every kind that is no file, and how many records are in each."""
    folder = tmp_path_factory.mktemp("events")
    lines = records.many(records.json_line, (SEEDED, 1), NUMBER, 0.5)
    (folder / "a.jsonl").write_bytes(b"\n".join(lines))
    sound = [",".join(map(str, records.event(NUMBER + i).values())).encode() for i in range(NUMBER)]
    bad = [b'open,"', b"caf\xe9,1,v1,1,a,0.5", b"few,1", b"many" + b"," * 500_000, b"x" * 2_000_000]
    (folder / "b.csv").write_bytes(b"\n".join([",".join(records.COLUMNS).encode(), *sound, *bad]))
    rows = 0
    for i in range(40):
        data, held = records.parquet_file(random.Random(i), 2 * NUMBER + 100 * i, 0.5)
        if held > 0:
            (folder / f"c{i}.parquet").write_bytes(data)
            rows += held
    os.mkfifo(folder / "d.jsonl")
    (folder / "e.csv").symlink_to(folder / "nowhere")
    (folder / "f.parquet").mkdir()
    (folder / os.fsdecode(b"g\xff\n.jsonl")).write_text(json.dumps(records.event(9000)))
    (folder / os.fsdecode(b"h\xff.parquet")).write_bytes(b"PAR1")
    return folder, {"a": NUMBER, "b": NUMBER + len(bad), "c": rows, "g": 1, "h": 1}


@pytest.fixture(scope="module")
def spec(written: tuple[Path, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> JobSpec:
    """What a worker is told, with a baseline that is made from the same files."""
    folder, tmp_path = written[0], tmp_path_factory.mktemp("state")
    baseline = baseline_job.run(
        HOURS, MonitorPolicy(), version="v1", predictions=folder, labels=None,
        start=from_ms(records.TIME), end=from_ms(records.TIME) + timedelta(days=1), logs=tmp_path / "logs",
    )  # fmt: skip
    published_baselines.publish_baseline(baseline, tmp_path / "baselines")
    return JobSpec(HOURS, MonitorPolicy(), str(tmp_path / "baselines" / "m"), digests={"v1": [baseline.digest]})


@pytest.mark.parametrize("streaming", [False, True], ids=["batch", "stream"])
def test_every_record_of_every_file_is_counted_by_the_job(
    written: tuple[Path, dict[str, int]], spec: JobSpec, tmp_path: Path, *, streaming: bool
) -> None:
    """Rows and rejects of its progress are the records that were written, and no job dies."""
    folder, number = written
    outcome = run_job.run_once(spec, files_source_job.Directories(folder), tmp_path / "logs", streaming=streaming)

    told: Counter[str] = Counter()
    for line in outcome.progress:
        told[Path(line["file"]).name[0]] += line["rows"] + line["rejected"]
    assert number == dict(told)
