"""Prefect tasks of a retrain's steps: named in words, logged, with retries and timeouts where they need servers.

Results stay in memory, and nothing is reused between runs: a step's inputs are far more than its arguments. A task has
no tags, since Prefect's server is asked for a place for each tag, and a step must not depend on that server.
"""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any, Final

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from features import errors
from retrain_flows import retrain
from retrain_flows.orchestration import run_log, run_names

RETRIES: Final = 4
"""How often a step is repeated that failed as a server was away: after 2, 4, 8 and 16 s, 20 % more or less."""
TIMEOUTS: Final = {"gather": timedelta(hours=2), "write": timedelta(minutes=15), "audit": timedelta(hours=6)}
"""Longest time of a step that waits for others, by the name of its function. Training has limits of its own."""
_ONCE: Final = frozenset({"promote_or_reject"})
"""Steps that are not repeated: this one registers the candidates, and would register them twice."""


def call(step: retrain.Call, *args: Any, **options: Any) -> Any:
    """Call a step as a task of the running flow."""
    named = _task(step).with_options(task_run_name=run_names.task_name(step.__name__, args).replace("{", "{{"))
    return named(*args, **options)


@functools.cache
def _task(step: retrain.Call) -> Task[..., Any]:
    """Return the task of a step."""
    timeout = TIMEOUTS.get(step.__name__)
    return task(
        name=step.__name__,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=0 if step.__name__ in _ONCE else RETRIES,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.2,
        retry_condition_fn=_may_succeed_later,
        timeout_seconds=timeout.total_seconds() if timeout else None,
    )(_logged(step))


def _logged(step: retrain.Call) -> retrain.Call:
    """Return a step that logs what it has made."""

    @functools.wraps(step)
    def logged(*args: Any, **options: Any) -> Any:
        result = step(*args, **options)
        if made := run_log.step_result(result):
            get_run_logger().info("%s: %s", run_names.task_name(step.__name__, args).capitalize(), made)
        return result

    return logged


def _may_succeed_later(_task: Any, _run: Any, state: Any) -> bool:
    """Return whether a step failed because a server is away: the same call may succeed later."""
    return isinstance(state.result(raise_on_failure=False), errors.Outage)
