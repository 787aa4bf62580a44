"""The topics job on malformed records of two formats, a tombstone and a key of a megabyte: all are counted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from features.events import publishing
from features.kafka import connections as kafka
from features.topic import RecordFormat
from features.window import from_ms
from leeway import adopt_model, assembly, context
from leeway.streaming import job_settings
from monitors.flink import deploy_job, run_job
from tests.integration.test_topics_job import read
from tests.support import malformed_records as records

pytestmark = pytest.mark.slow
NUMBER = 300
PROJECT = """
project: fuzz
kafka: {{bootstrap: "{bootstrap}"}}
models:
  {name}:
    task: binary
    events: {{predictions: {{topic: {name}.predictions, format: {form}}}}}
    features: {{x: numeric, c: categorical}}
    segments: [c]
    windows: {{size: 1h, slide: 1h}}
    baseline: {{start: 2024-01-01, end: 2024-01-02}}
"""


@pytest.mark.parametrize("form", ["json", "arrow"])
def test_every_record_of_a_topic_is_counted_by_the_job(broker: str, tmp_path: Path, form: RecordFormat) -> None:
    """No record ends it, and rows and rejects of its progress are what was sent."""
    name, topic = f"fuzz-{form}", f"fuzz-{form}.predictions"
    (tmp_path / "leeway.yaml").write_text(PROJECT.format(bootstrap=broker, name=name, form=form))
    publishing.ensure(broker, topic, 1)
    make = {"json": records.json_record, "arrow": records.arrow_record}[form]
    made = records.many(make, (7, 7), NUMBER, 0.5)
    values: list[bytes | None] = [value for value in made if len(value) < 500_000]  # what a broker takes
    values += [b"", None, b"\0" * 100_000]
    with kafka.producer(broker) as client:
        for value in values:
            client.send(topic, value, key=b"k" * (900_000 if value is None else 1), timestamp_ms=records.TIME)
    with context.open(tmp_path) as opened:
        model = opened.model()
        assert model.baseline is not None
        adopt_model.register_baseline(
            opened, model, "v1", (model.baseline.start, model.baseline.end), now=from_ms(records.TIME)
        )
        out = job_settings.outputs(opened, model)
        how = job_settings.deployment(opened, model)
        engine = how.engine.model_copy(update={"checkpoint_interval": timedelta(milliseconds=500)})
        job = deploy_job.start(
            assembly.spec(opened, model),
            replace(job_settings.input_topics(opened, model), bounded=True),
            out,
            replace(how, engine=engine),
        )
        run_job.finish(job, opened.dir / "logs")
        progress = [json.loads(value) for _, value in read(broker, out.progress)]
        rejects = read(broker, out.rejects)

    counted = sum(line["rows"] + line["rejected"] for line in progress)
    assert len(rejects) > 0
    if form == "json":  # an Arrow record holds many events, or none
        assert len(values) == counted
        assert len(rejects) == sum(line["rejected"] for line in progress)
    else:
        assert counted >= len(values)
