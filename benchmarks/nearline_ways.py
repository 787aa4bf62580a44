"""The ways of :mod:`benchmarks.nearline` to answer a topic, each in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import kafka
import pandas as pd

from benchmarks.serving_world import FEATURES, TREES
from features.events import encode
from features.facts.declaration import NO_FACTS
from features.schema import EventSchema, FeatureKind, Source, Task
from features.window import UTC
from leeway import dead_letters
from leeway.stack import coordinates
from monitors.flink import deploy_job, environment_job, record_answers_job, run_job
from monitors.flink.config import Engine
from monitors.flink.record_answers_job import PROMPT, Requests
from monitors.flink.sinks_job import EventTopic, OutputTopics
from registry.files import artifacts
from registry.files.artifacts import ArtifactStore
from serving.nearline import champion_file
from serving.nearline.record_scoring import RecordScoring
from serving.nearline.worker_model import WorkerModel

SCHEMA = EventSchema(model="m", task=Task.BINARY, features=dict.fromkeys(FEATURES, FeatureKind.NUMERIC))
AT_ONCE = 500
"""Records that a loop polls at most, the client's own default."""
COMMIT = timedelta(seconds=1)


def topics(way: str) -> tuple[str, str]:
    """Return the topics of requests and of predictions of a way."""
    return f"{way}-requests", f"{way}-predictions"


def job(way: str, folder: Path, address: str) -> None:
    """Run the job of `leeway nearline`, embedded, with its own topics of dead letters and progress."""
    read, written = topics(way)
    champion = folder / "champion.json"
    target = Source(topic=written, bootstrap=address)
    set_aside = partial(dead_letters.append, folder, "m")
    model = WorkerModel(SCHEMA, NO_FACTS, champion, folder / "artifacts", TREES, set_aside, partial(datetime.now, UTC))
    scoring = RecordScoring(model, target, folder)
    engine = Engine(checkpoint_interval=COMMIT)
    jars = tuple(coordinates.jars("flink-kafka"))
    how = deploy_job.Deployment(way, way, engine, folder, jars, java_options=environment_job.SERVICE_JAVA_OPTIONS)
    outputs = EventTopic(written, encode.CONTENT["json"],
                         OutputTopics(address, "", f"{way}-letters", f"{way}-progress", way))  # fmt: skip
    requests = Requests(Source(topic=read, bootstrap=address), way)
    submit = partial(record_answers_job.submit, function=scoring, requests=requests, outputs=outputs)
    result = deploy_job.launch(submit, how, {**deploy_job.engine_options(how), **PROMPT})
    run_job.finish(result, how.logs)


def loop(way: str, folder: Path, address: str, at_once: int = AT_ONCE) -> None:
    """Answer in a plain loop: up to so many records are one DataFrame; offsets are committed once a second."""
    read, written = topics(way)
    named = champion_file.read(folder / "champion.json")
    model = artifacts.load_model(ArtifactStore(folder / "artifacts").get(named.digest), TREES)
    consumer = kafka.KafkaConsumer(read, bootstrap_servers=address, group_id=way, auto_offset_reset="earliest",
                                   enable_auto_commit=False)  # fmt: skip
    producer, committed = kafka.KafkaProducer(bootstrap_servers=address), time.monotonic()
    while True:
        polled = consumer.poll(timeout_ms=100, max_records=at_once)
        rows = [json.loads(record.value) for records in polled.values() for record in records]
        if rows:
            for row, answer in zip(rows, model.predict_proba(pd.DataFrame(rows)[FEATURES])[:, 1], strict=True):
                value = {
                    **row,
                    "model_version": named.version,
                    "prediction": float(answer),
                    encode.DIGEST: named.digest,
                }
                producer.send(written, json.dumps(value).encode(), key=row["id"].encode(), timestamp_ms=row["time"])
        if time.monotonic() - committed > COMMIT.total_seconds():
            producer.flush()
            consumer.commit()
            committed = time.monotonic()


WAYS: Mapping[str, Callable[..., Any]] = {"job": job, "loop": loop, "single": partial(loop, at_once=1)}
"""The ways by name."""

if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[1], Path(sys.argv[2]), sys.argv[3])
