"""Flink's REST API: responses as plain values, and refusals as errors."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from features.errors import EngineAway, EngineError
from features.window import from_ms
from leeway.stack.cluster import overview
from leeway.streaming import flink_rest, lifecycle
from leeway.streaming.flink_rest import Cluster
from tests.support.listening_server import named_as_proxy

JOBS = {"jobs": [
    {"jid": "a", "name": "leeway.p.m-1", "state": "FINISHED", "start-time": 1000},
    {"jid": "b", "name": "leeway.p.m-1", "state": "RUNNING", "start-time": 2000},
    {"jid": "c", "name": "other", "state": "RUNNING", "start-time": 3000},
]}  # fmt: skip


@contextmanager
def cluster(answers: dict[str, Any]) -> Iterator[Cluster]:
    """Yield a cluster that answers paths as told, and refuses others."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = answers.get(self.path)
            body = json.dumps(told if told is not None else {"errors": ["no such path"]}).encode()
            self.send_response(200 if told is not None else 404)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Cluster(f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_cluster_of_this_machine_is_asked_without_a_proxy() -> None:
    """Which could not reach it, or would answer in its place."""
    with named_as_proxy() as proxy, cluster({"/jobs/overview": JOBS, "/overview": {"flink-version": "2"}}) as flink:
        assert 2 == len(flink.jobs("leeway.p."))
        assert {"flink-version": "2"} == overview(flink.address)
    assert [] == proxy.requests


def test_jobs_are_found_by_their_names_the_newest_first() -> None:
    """Others' jobs are left out; one that has finished has ended."""
    with cluster({"/jobs/overview": JOBS}) as flink:
        assert [("b", False), ("a", True)] == [(j.id, j.ended) for j in flink.jobs("leeway.p.")]


def test_the_watermark_is_that_of_the_furthest_step_at_its_slowest_subtask() -> None:
    """Steps that have seen no event, and those at the end of all time, say nothing."""
    steps = {"vertices": [{"id": "x"}, {"id": "y"}, {"id": "z"}]}
    marks = {"x": ["5000", "4000"], "y": ["-9223372036854775808"], "z": ["3000"]}
    answers = {"/jobs/b": steps, "/jobs/overview": JOBS} | {
        f"/jobs/b/vertices/{step}/watermarks": [{"value": v} for v in values] for step, values in marks.items()
    }
    with cluster(answers) as flink:
        assert from_ms(4000) == flink.watermark(flink.job("b"))


def test_a_savepoint_is_waited_for_and_its_failure_told(tmp_path: Path) -> None:
    """Its folder is returned; where there is none, the cluster's reason is the message."""
    place = tmp_path / "a b%20c" / "savepoint-1"
    done: dict[str, Any] = {"status": {"id": "COMPLETED"}, "operation": {"location": f"file:{place}"}}
    answers = {"/jobs/overview": JOBS, "/jobs/b/stop": {"request-id": "r"}, "/jobs/b/savepoints/r": done}
    with cluster(answers) as flink:
        assert place == flink.stop(flink.job("b"), tmp_path)
        done["operation"] = {"failure-cause": {"stack-trace": "IOException: the disk is full\n\tat x"}}
        with pytest.raises(EngineError, match="the disk is full"):
            flink.stop(flink.job("b"), tmp_path)


def test_a_job_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one would run beside it; one that has ended is no error, however late it is."""
    monkeypatch.setattr(flink_rest, "_CANCEL_SECONDS", 0)
    jobs = [{**job, "state": "CANCELLING"} if job["jid"] == "b" else job for job in JOBS["jobs"]]
    answers = {"/jobs/overview": {"jobs": jobs}, "/jobs/b?mode=cancel": {}, "/jobs/a?mode=cancel": {}}
    with cluster(answers) as flink:
        flink.cancel(flink.job("a"))
        with pytest.raises(EngineError, match=r"leeway\.p\.m-1 \(b\) has not ended within 0 s: it is cancelling"):
            flink.cancel(flink.job("b"))


def test_what_is_refused_or_unheard_is_an_error_with_the_address() -> None:
    """A status that is no success, nobody at the address, and a job that is not known any more."""
    with cluster({"/jobs/overview": JOBS}) as flink:
        with pytest.raises(EngineError, match="no such path"):
            flink.checkpoints(flink.job("b"))
        with pytest.raises(EngineAway, match="has no job z any more"):
            flink.job("z")
    with pytest.raises(EngineAway, match="does not answer"):
        flink.jobs()


@pytest.mark.parametrize(("state", "lost"), [("FAILED", True), ("CANCELED", False), ("FINISHED", False)])
def test_a_job_that_failed_may_be_tried_again_and_one_that_was_stopped_is_left_alone(
    tmp_path: Path, state: str, lost: bool
) -> None:
    """Somebody's `leeway job stop` is no outage; what Flink gave up is."""
    answers = {
        "/jobs/overview": {"jobs": [{"jid": "a", "name": "leeway.p.m-1", "state": state, "start-time": 1000}]},
        "/jobs/a/exceptions": {"exceptionHistory": {"entries": []}},
    }
    with cluster(answers) as flink, pytest.raises(EngineError, match=f"has ended .{state.lower()}") as caught:
        lifecycle.check(flink, "a", tmp_path / "none")
    assert lost is isinstance(caught.value, EngineAway)


def test_a_job_without_room_for_checkpoints_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flink's own words, which have no cause, do not tell why; the room that is left does."""
    usage = shutil.disk_usage(tmp_path)._replace(free=3 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    trace = "FlinkRuntimeException: Exceeded checkpoint tolerable failure threshold.\n\tat java.base/Thread.run"
    answers = {
        "/jobs/overview": {"jobs": [{"jid": "a", "name": "leeway.p.m-1", "state": "FAILED", "start-time": 1000}]},
        "/jobs/a/exceptions": {"exceptionHistory": {"entries": [{"stacktrace": trace}]}},
    }
    with cluster(answers) as flink, pytest.raises(EngineAway, match="has ended") as caught:
        lifecycle.check(flink, "a", tmp_path)
    assert caught.value.message.endswith(f": {trace.splitlines()[0]}; 3 MiB are free in {tmp_path}")
