"""The service of one model: from a request's body to its answer, the log and the shadow; without HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from features.schema import EventSchema
from serving.online.batching import Answer
from serving.online.fact_features import FactFeatures
from serving.online.follower import Follower
from serving.online.lineup import Loaded
from serving.online.shadow import Shadow
from serving.prediction_log.event_table import Made
from serving.prediction_log.log import PredictionLog
from serving.requests import named_json, open_inference
from serving.requests.problems import InvalidRequest, Problem
from serving.requests.rows import Rows

MAX_ROWS = 10_000
"""Most rows of a request."""
FEW_ROWS = 16
"""Rows whose features of facts are looked up at once: in a millisecond or two, while no other request is answered."""
_LOG = logging.getLogger("leeway.serve")


@dataclass(frozen=True, eq=False)
class ModelService:
    """Answers the requests to one model.

    Parameters
    ----------
    follower
        Keeps its loaded versions.
    log
        Takes the champion's answers; None without a log.
    shadow
        Has the versions on trial answer too; None without.
    clock
        Returns the present.
    facts
        Fills in features of facts; None where the model has none.
    """

    follower: Follower
    log: PredictionLog | None
    shadow: Shadow | None
    clock: Callable[[], datetime]
    facts: FactFeatures | None = None

    @property
    def schema(self) -> EventSchema:
        """The model's events."""
        return self.follower.schema

    @property
    def optional(self) -> frozenset[str]:
        """The features that a request may leave out."""
        return self.facts.names if self.facts else frozenset()

    async def start(self) -> None:
        """Start the threads, and load what the registry has."""
        if self.facts is not None and self.facts.feed is not None:
            await asyncio.to_thread(self.facts.feed.start)
        if self.log is not None:
            self.log.start()
        if self.shadow is not None:
            self.shadow.start()
        await self.follower.look()
        if self.follower.lineup.champion is None:
            _LOG.warning("%s has no champion that could be loaded: not ready until there is one", self.schema.model)

    async def close(self) -> None:
        """Write what was answered; a row that cannot be written is an error in the log."""
        if self.facts is not None:
            await asyncio.to_thread(self.facts.close)
        closing = [part.close for part in (self.shadow, self.log) if part is not None]
        lost = sum(await asyncio.gather(*(asyncio.to_thread(close) for close in closing)))
        if lost:
            _LOG.error("%s: %d rows of the prediction log could not be written, and are lost", self.schema.model, lost)

    async def infer(self, body: bytes, version: str | None) -> dict[str, Any]:
        """Answer a request of the Open Inference Protocol.

        Raises
        ------
        InvalidRequest
            The body, or a value in it, is wrong.
        NotFound
            The version is not loaded.
        NotReady
            None is, or too many requests wait.
        RequestError
            The model fails on these rows.
        """
        loaded = self.follower.lineup.named(self.schema.model, version)
        request = open_inference.read(parsed(body), MAX_ROWS)
        columns = request.columns
        if request.id and request.rows == 1 and self.schema.columns.id not in columns:
            columns = {**columns, self.schema.columns.id: [request.id]}
        rows = await self._rows(loaded, columns, request.rows, len(body))
        answer = await self._answer(loaded, rows)
        return open_inference.answer(self.schema, request, answer.predictions, _made(loaded, answer))

    async def predict(self, body: bytes, version: str | None = None) -> dict[str, Any]:
        """Answer a request in plain JSON; errors as of :meth:`infer`."""
        loaded = self.follower.lineup.named(self.schema.model, version)
        columns, n = named_json.read(parsed(body), loaded.reader, MAX_ROWS, self.optional)
        rows = await self._rows(loaded, columns, n, len(body))
        answer = await self._answer(loaded, rows)
        return named_json.answer(self.schema.model, rows.ids, answer.predictions, _made(loaded, answer))

    async def _rows(self, loaded: Loaded, columns: Mapping[str, Sequence[Any]], n: int, size: int) -> Rows:
        """Return the rows of a request with all features; those of many rows are looked up beside other requests."""
        rows = loaded.reader.rows(columns, n, now=self.clock(), size=size, optional=self.optional)
        if self.facts is None:
            return rows
        if n > FEW_ROWS:
            return await asyncio.to_thread(self.facts.complete, rows, loaded.reader)
        return self.facts.complete(rows, loaded.reader)

    async def _answer(self, loaded: Loaded, rows: Rows) -> Answer:
        """Return the predictions, and hand them to the log and the rows to the shadow."""
        answer = await loaded.batcher.predict(rows.features, len(rows))
        trials = self.follower.lineup.trials
        on_trial = any(each is loaded for each in trials)
        log = self.shadow.log if on_trial and self.shadow is not None else self.log
        if log is not None:
            log.add(Made(rows, answer.predictions, loaded.version, loaded.digest, answer.predictor))
        if self.shadow is not None and trials and not on_trial:
            self.shadow.add(rows, trials)
        return answer


def _made(loaded: Loaded, answer: Answer) -> Mapping[str, str]:
    return {"version": loaded.version, "digest": loaded.digest, "predictor": answer.predictor}


def parsed(body: bytes) -> Any:
    """Return the JSON in a request's body.

    Raises
    ------
    InvalidRequest
        It is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = f"not JSON ({error}); JSON has no NaN and no Infinity: send null for a missing number"
        raise InvalidRequest([Problem("body", "", problem)]) from error
