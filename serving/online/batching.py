"""Batches of concurrent requests: what waits while a batch is computed is the next batch, so nothing waits for company.

Rows are validated before they come here, so that an invalid request is in no batch. Where a model fails on a batch all
the same (a category that it refuses), each of its requests is answered by itself, and the others do not fail with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from features import errors, scoring
from serving.predictors.columns import Columns
from serving.predictors.proved import FEW_ROWS, Proved

MAX_BATCH = 1024
"""Most rows of a batch, unless a single request has more."""
MAX_WAITING = 16_384
"""Most rows that wait; a request beyond is refused at once (503), so that memory and waiting stay bounded."""
_LOG = logging.getLogger("leeway.serve")


@dataclass(frozen=True, slots=True)
class Answer:
    """The predictions of a request, one a row, and the name of the predictor that made them."""

    predictions: Sequence[Any]
    predictor: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    columns: Columns
    rows: int
    future: asyncio.Future[Answer]


class Batcher:
    """Answers the requests to one loaded version, in batches.

    Parameters
    ----------
    proved
        The version.
    executor
        Threads for batches of more than :data:`serving.predictors.proved.FEW_ROWS` rows, and for models that have no
        fast equal; the event loop goes on meanwhile.
    """

    def __init__(self, proved: Proved, executor: Executor) -> None:
        self.proved = proved
        self.batches = 0
        self.batched_rows = 0
        self._executor = executor
        self._waiting: deque[_Waiting] = deque()
        self._rows = 0
        self._busy = False

    async def predict(self, columns: Columns, rows: int) -> Answer:
        """Return the predictions for *columns*.

        Raises
        ------
        NotReady
            Too many rows wait already.
        RequestError
            The model fails on these rows.
        """
        if self._rows + rows > MAX_WAITING and self._rows:
            msg = f"{self._rows} rows wait for {self.proved.schema.model} already"
            raise errors.NotReady(msg, hint="try again in a second, or run more servers")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(_Waiting(columns, rows, future))
        self._rows += rows
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next)
        return await future

    def _next(self) -> None:
        """Answer what waits: few rows here, many in a thread."""
        batch = self._take()
        if not batch:
            self._busy = False
            return
        loop = asyncio.get_running_loop()
        rows = sum(each.rows for each in batch)
        self.batches += 1
        self.batched_rows += rows
        if self.proved.fast is not None and rows <= FEW_ROWS:
            _settle(batch, answers(self.proved, batch))
            loop.call_soon(self._next)
            return
        work = loop.run_in_executor(self._executor, answers, self.proved, batch)
        work.add_done_callback(lambda done: self._finish(batch, done))

    def _finish(self, batch: Sequence[_Waiting], done: asyncio.Future[list[Answer | Exception]]) -> None:
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is None:
            _settle(batch, done.result())
        else:  # the pool is closed: the server ends
            msg = "the server is stopping"
            _settle(batch, [errors.NotReady(msg, hint="send the request to another server")] * len(batch))
        self._next()

    def _take(self) -> list[_Waiting]:
        """Return the next batch, without callers that are gone; empty if nobody waits."""
        batch, rows = list[_Waiting](), 0
        while self._waiting and (not batch or rows + self._waiting[0].rows <= MAX_BATCH):
            each = self._waiting.popleft()
            self._rows -= each.rows
            if not each.future.done():
                batch.append(each)
                rows += each.rows
        return batch


def _settle(batch: Sequence[_Waiting], made: Sequence[Answer | Exception]) -> None:
    for each, answer in zip(batch, made, strict=True):
        if each.future.done():
            continue
        if isinstance(answer, Exception):
            each.future.set_exception(answer)
        else:
            each.future.set_result(answer)


def answers(proved: Proved, batch: Sequence[_Waiting]) -> list[Answer | Exception]:
    """Return the answer to each request of a batch; where the batch fails, of each request by itself."""
    if len(batch) > 1:
        try:
            return _together(proved, batch)
        except Exception:  # whatever a user's model raises: one request of the batch is to blame, or all are
            _LOG.debug("a batch of %d requests failed; each is answered by itself", len(batch), exc_info=True)
    return [_alone(proved, each) for each in batch]


def _together(proved: Proved, batch: Sequence[_Waiting]) -> list[Answer | Exception]:
    columns = {name: list(chain.from_iterable(each.columns[name] for each in batch)) for name in batch[0].columns}
    whole = _predict(proved, columns, sum(each.rows for each in batch))
    parts, at = list[Answer | Exception](), 0
    for each in batch:
        parts.append(Answer(whole.predictions[at : at + each.rows], whole.predictor))
        at += each.rows
    return parts


def _alone(proved: Proved, request: _Waiting) -> Answer | Exception:
    try:
        return _predict(proved, request.columns, request.rows)
    except Exception as error:  # as above
        model = f"{proved.schema.model} {proved.served.version}"
        if isinstance(error, errors.LeewayError):
            return error
        return errors.RequestError(f"{model} does not answer these rows: {type(error).__name__}: {error}")


def _predict(proved: Proved, columns: Columns, rows: int) -> Answer:
    predictor = proved.predictor(rows)
    made = predictor.predict(columns)
    if len(made) != rows or not scoring.is_answered(made).all():
        msg = f"{proved.schema.model} {proved.served.version} gives no prediction, or one that is not finite"
        raise errors.RequestError(msg, hint="look at the features of these rows; the model was trained without such")
    return Answer(made.tolist(), predictor.name)
